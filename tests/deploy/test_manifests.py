"""Manifests against the schemas of what reads them, and against each other."""

from __future__ import annotations

import copy
import fnmatch
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE
from ray._private.runtime_env.packaging import create_package
from ray.autoscaler._private.util import prepare_config, validate_config

from api.web.guard import OPEN_PATHS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILES = ("trainer", "api")

# The parts of the compose specification that compose.yaml uses, of those that it knows. Its full
# schema comes with no package that is installed here: a key that is new to this file has to be
# looked up in the specification and added.
SERVICE_KEYS = {
    "build": dict, "cap_drop": list, "command": str, "depends_on": dict, "deploy": dict,
    "env_file": list, "environment": dict, "healthcheck": dict, "image": str, "init": bool,
    "ports": list, "profiles": list, "read_only": bool, "restart": str, "secrets": list,
    "security_opt": list, "shm_size": str, "stop_grace_period": str, "tmpfs": list,
    "volumes": list,
}  # fmt: skip
COMPOSE_SCHEMA = {
    "type": "object",
    "required": ["services"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
        "secrets": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["environment"],
                "additionalProperties": False,
                "properties": {"environment": {"type": "string"}},
            },
        },
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["image"],
                "additionalProperties": False,
                "properties": {
                    key: {
                        "type": {
                            dict: "object", list: "array", str: "string", bool: "boolean",
                        }[kind]
                    }
                    for key, kind in SERVICE_KEYS.items()
                }
                | {
                    "build": {
                        "type": "object",
                        "required": ["context", "dockerfile"],
                        "additionalProperties": False,
                        "properties": {"context": {}, "dockerfile": {}},
                    },
                    "environment": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                    },
                    "healthcheck": {
                        "type": "object",
                        "required": ["test"],
                        "additionalProperties": False,
                        "properties": {
                            "test": {"type": "array"},
                            "interval": {"type": "string"},
                            "timeout": {"type": "string"},
                            "start_period": {"type": "string"},
                            "retries": {"type": "integer"},
                        },
                    },
                    "depends_on": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "required": ["condition"],
                            "additionalProperties": False,
                            "properties": {"condition": {"enum": ["service_healthy"]}},
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip


def check(value: Any, schema: dict[str, Any]) -> None:
    """Like jsonschema.validate, which checks the schema first: of 1.4 MB, for ten seconds."""
    jsonschema.Draft202012Validator(schema).validate(value)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def kind(name: str, wanted: str) -> dict[str, Any]:
    return next(d for d in documents(name) if d["kind"] == wanted)


def at(value: Any, *path: str | int) -> Any:
    for key in path:
        value = value[key]
    return value


def cluster_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return at(schema, "properties", "spec", "properties", "rayClusterSpec", "properties")


def pod_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Kubernetes' pod template, as a RayCluster holds it."""
    return at(cluster_schema(schema), "headGroupSpec", "properties", "template")


def dockerfile(name: str) -> list[tuple[str, str]]:
    """(instruction, argument), comments left out and continuations joined."""
    text = (DEPLOY / "docker" / f"{name}.Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in text.splitlines() if line.strip())
    return [(instruction, " ".join(argument.split())) for instruction, _, argument in pairs]


def environment(name: str) -> dict[str, str]:
    text = " ".join(argument for word, argument in dockerfile(name) if word == "ENV")
    return dict(pair.split("=", 1) for pair in text.split())


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod template of deploy/kuberay, by where it stands."""
    cluster = kind("kuberay/rayjob.yaml", "RayJob")["spec"]["rayClusterSpec"]
    yield "head", cluster["headGroupSpec"]["template"]
    for group in cluster["workerGroupSpecs"]:
        yield group["groupName"], group["template"]
    yield "api", kind("kuberay/api.yaml", "Deployment")["spec"]["template"]
    pod = kind("kuberay/files.yaml", "Pod")
    yield "files", {"metadata": pod["metadata"], "spec": pod["spec"]}


# Schemas


def test_the_ray_job_is_what_kuberay_takes(ray_job_schema: dict[str, Any]) -> None:
    job = kind("kuberay/rayjob.yaml", "RayJob")
    assert job["apiVersion"] == "ray.io/v1"
    check(job, ray_job_schema)


@pytest.mark.parametrize(
    ("path", "key", "value", "said"),
    [
        (("spec",), "backofLimit", 3, "backofLimit"),
        (("spec",), "backoffLimit", "3", "not of type 'integer'"),
        (("spec", "rayClusterSpec", "authOptions"), "mode", "tokens", "not one of"),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0), "minReplica", 0, "minReplica"),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0), "replicas", "4", "'integer'"),
        (
            ("spec", "rayClusterSpec", "headGroupSpec", "template", "spec", "containers", 0),
            "volumeMount",
            [],
            "volumeMount",
        ),
        (("metadata",), "labels", {"a": 1}, "not of type 'string'"),
    ],
)
def test_a_typo_and_a_wrong_type_are_caught(
    ray_job_schema: dict[str, Any], path: tuple[str | int, ...], key: str, value: Any, said: str
) -> None:
    job = copy.deepcopy(kind("kuberay/rayjob.yaml", "RayJob"))
    at(job, *path)[key] = value
    with pytest.raises(jsonschema.ValidationError, match=said):
        check(job, ray_job_schema)


def test_a_cluster_that_is_done_goes_by_rules_that_kuberay_takes() -> None:
    """What its schema says in CEL and its operator checks beside."""
    spec = kind("kuberay/rayjob.yaml", "RayJob")["spec"]
    assert not {"shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "suspend"} & set(spec)
    rules = spec["deletionStrategy"]["deletionRules"]
    conditions = [rule["condition"] for rule in rules]
    ends = [{n: v for n, v in c.items() if n != "ttlSeconds"} for c in conditions]
    assert ends == [
        {"jobStatus": "SUCCEEDED"}, {"jobStatus": "FAILED"}, {"jobDeploymentStatus": "Failed"},
    ]  # fmt: skip
    assert {rule["policy"] for rule in rules} == {"DeleteCluster"}


def patched(value: dict[str, Any], patch: str) -> dict[str, Any]:
    """The object after the operations of a JSON patch (RFC 6902), of those that are used here."""
    value = copy.deepcopy(value)
    for operation in yaml.safe_load(patch):
        *path, key = operation["path"].removeprefix("/").split("/")
        parent = at(value, *(int(part) if part.isdigit() else part for part in path))
        assert (key in parent) == (operation["op"] != "add"), operation
        if operation["op"] == "remove":
            del parent[key]
        else:
            parent[key] = operation["value"]
    return value


def test_the_ray_job_under_kueue(ray_job_schema: dict[str, Any]) -> None:
    (kustomization,) = documents("kuberay/kustomization.yaml")
    assert kustomization["resources"] == ["rayjob.yaml"]
    (patch,) = kustomization["patches"]
    job = patched(kind("kuberay/rayjob.yaml", patch["target"]["kind"]), patch["patch"])
    assert job["metadata"]["name"] == patch["target"]["name"]
    check(job, ray_job_schema)
    assert set(job["metadata"]["labels"]) == {"kueue.x-k8s.io/queue-name"}
    spec = job["spec"]
    assert spec["suspend"] is True
    assert spec["shutdownAfterJobFinishes"] is True
    assert "deletionStrategy" not in spec
    assert spec["rayClusterSpec"]["enableInTreeAutoscaling"] is False
    (group,) = spec["rayClusterSpec"]["workerGroupSpecs"]
    assert group["replicas"] == group["minReplicas"] == group["maxReplicas"]


def test_the_history_server_is_what_kuberay_takes(ray_job_schema: dict[str, Any]) -> None:
    """As it stands behind `#`."""
    text = (DEPLOY / "kuberay/rayjob.yaml").read_text()
    lines = re.search(r"^    # historyServerOptions:\n(    #  .*\n)+", text, re.MULTILINE)
    assert lines is not None
    without_marks = re.sub(r"^    # ", "    ", lines[0], flags=re.MULTILINE)
    job = next(yaml.safe_load_all(text.replace(lines[0], without_marks)))
    check(job, ray_job_schema)
    collector = job["spec"]["rayClusterSpec"]["historyServerOptions"]["collectorOptions"]
    assert {variable["name"] for variable in collector["env"]} == {"STORAGE_BACKEND", "GCS_BUCKET"}


def test_other_pods_are_pods(ray_job_schema: dict[str, Any]) -> None:
    schema = pod_schema(ray_job_schema)
    for _, pod in pods():
        check(pod, schema)
        pod["spec"]["containers"][0]["resource"] = {}
        with pytest.raises(jsonschema.ValidationError, match="resource"):
            check(pod, schema)


def test_claims_service_and_policies(ray_job_schema: dict[str, Any]) -> None:
    """Against the same objects where KubeRay's definitions embed them."""
    claim = at(
        pod_schema(ray_job_schema),
        "properties",
        "spec",
        "properties",
        "volumes",
        "items",
        "properties",
        "ephemeral",
        "properties",
        "volumeClaimTemplate",
        "properties",
        "spec",
    )
    for document in documents("kuberay/results-pvc.yaml"):
        assert (document["apiVersion"], document["kind"]) == ("v1", "PersistentVolumeClaim")
        check(document["spec"], claim)
        assert document["spec"]["accessModes"] == ["ReadWriteMany"]
    cluster = cluster_schema(ray_job_schema)
    service = at(cluster, "headGroupSpec", "properties", "headService", "properties", "spec")
    check(kind("kuberay/api.yaml", "Service")["spec"], service)
    rules = at(cluster, "networkPolicy", "properties", "head", "properties", "ingressRules")
    for name in ("kuberay/api.yaml", "kuberay/rayjob.yaml"):
        policy = kind(name, "NetworkPolicy")
        assert policy["apiVersion"] == "networking.k8s.io/v1"
        assert set(policy["spec"]) == {"podSelector", "policyTypes", "ingress"}
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        check(policy["spec"]["ingress"], rules)


def test_the_deployment() -> None:
    deployment = kind("kuberay/api.yaml", "Deployment")
    assert deployment["apiVersion"] == "apps/v1"
    assert set(deployment["spec"]) == {"replicas", "selector", "template"}
    chosen = deployment["spec"]["selector"]["matchLabels"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert chosen.items() <= labels.items()
    assert kind("kuberay/api.yaml", "Service")["spec"]["selector"].items() <= labels.items()


def test_the_cluster_of_ray_up_is_what_ray_takes() -> None:
    cluster = documents("ray/cluster.yaml")[0]
    validate_config(prepare_config(copy.deepcopy(cluster)))
    assert cluster["available_node_types"]["head"]["resources"]["CPU"] == 0
    assert cluster["available_node_types"]["gpu"]["min_workers"] == 0


@pytest.mark.parametrize(
    ("path", "key", "value", "said"),
    [
        ((), "idle_timeout_minute", 10, "idle_timeout_minute"),
        (("docker",), "run_option", [], "run_option"),
        (("available_node_types", "gpu"), "max_workers", "4", "not of type 'integer'"),
    ],
)
def test_a_typo_in_the_cluster_is_caught(
    path: tuple[str, ...], key: str, value: Any, said: str
) -> None:
    cluster = documents("ray/cluster.yaml")[0]
    at(cluster, *path)[key] = value
    with pytest.raises(jsonschema.ValidationError, match=said):
        validate_config(cluster)


def test_compose() -> None:
    compose = documents("compose.yaml")[0]
    check(compose, COMPOSE_SCHEMA)
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        named = {v.split(":")[0] for v in service["volumes"] if not v.startswith((".", "/"))}
        assert named <= set(compose["volumes"]), name
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        if "build" in service:
            context = DEPLOY / service["build"]["context"]
            assert context.resolve() == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "service", {}),
        (("services", "api"), "port", ["127.0.0.1:8000:8000"]),
        (("services", "api"), "read_only", "yes"),
        (("services", "api", "environment"), "A", 1),
        (("services", "ray-head", "healthcheck"), "retry", 3),
        (("secrets", "sweep_api_token"), "env", "SWEEP_API_TOKEN"),
    ],
)
def test_a_typo_in_compose_is_caught(path: tuple[str, ...], key: str, value: Any) -> None:
    compose = documents("compose.yaml")[0]
    at(compose, *path)[key] = value
    with pytest.raises(jsonschema.ValidationError):
        check(compose, COMPOSE_SCHEMA)


# What the files say of each other


def scrape_job(name: str) -> dict[str, Any]:
    jobs = documents("prometheus/prometheus.yml")[0]["scrape_configs"]
    return next(job for job in jobs if job["job_name"] == name)


def test_prometheus_scrapes_the_metrics_port_of_every_ray_node() -> None:
    services = documents("compose.yaml")[0]["services"]
    job = scrape_job("ray")
    (found,) = job["dns_sd_configs"]
    nodes = {name for name, s in services.items() if "ray start" in s.get("command", "")}
    assert set(found["names"]) == nodes
    for name in nodes:
        assert f"--metrics-export-port={found['port']}" in services[name]["command"]
        assert not any(p.endswith(f":{found['port']}") for p in services[name].get("ports", []))


def test_prometheus_scrapes_the_api_with_its_token() -> None:
    compose = documents("compose.yaml")[0]
    job = scrape_job("sweep")
    (secret,) = compose["services"]["prometheus"]["secrets"]
    assert job["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    variable = compose["secrets"][secret]["environment"]
    assert variable in compose["services"]["api"]["environment"]
    said = dict(dockerfile("api"))
    assert job["static_configs"] == [{"targets": [f"api:{said['EXPOSE']}"]}]
    mounted = [v.split(":")[:2] for v in compose["services"]["prometheus"]["volumes"]]
    for name in documents("prometheus/prometheus.yml")[0]["rule_files"]:
        assert (DEPLOY / "prometheus" / name).is_file()
    assert ["./prometheus", "/etc/prometheus"] in mounted


def test_what_is_published_is_on_the_loopback() -> None:
    services = documents("compose.yaml")[0]["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert kind("kuberay/api.yaml", "Service")["spec"]["type"] == "ClusterIP"
    (head,) = [
        c for c in documents("ray/cluster.yaml")[0]["head_start_ray_commands"] if "--h" in c
    ]
    assert "--dashboard-host=127.0.0.1" in head


def test_every_ray_node_asks_for_the_token() -> None:
    services = documents("compose.yaml")[0]["services"]
    for service in services.values():
        if "ray start" in service.get("command", ""):
            assert service["environment"]["RAY_AUTH_MODE"] == "token"
            assert service["env_file"] == ["ray.env"]
    assert "ray.env" in (DEPLOY / ".gitignore").read_text().splitlines()
    cluster = documents("ray/cluster.yaml")[0]
    home = environment("trainer")["HOME"]
    assert f"{home}/.ray/auth_token" in cluster["file_mounts"]
    starts = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    starts = [command for command in starts if "ray start" in command]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token " in command for command in starts)
    options = kind("kuberay/rayjob.yaml", "RayJob")["spec"]["rayClusterSpec"]["authOptions"]
    assert options == {"mode": "token", "secretName": "sweep-ray-token"}


def test_secrets_are_named_alike_and_hold_nothing() -> None:
    secrets = {d["metadata"]["name"]: d for d in documents("kuberay/secrets.example.yaml")}
    assert set(secrets["sweep-ray-token"]["stringData"]) == {"auth_token"}
    assert not any(value for d in secrets.values() for value in d["stringData"].values())
    api = dict(pods())["api"]["spec"]["containers"][0]
    token = next(e for e in api["env"] if e["name"] == "SWEEP_API_TOKEN")
    wanted = token["valueFrom"]["secretKeyRef"]
    assert wanted["key"] in secrets[wanted["name"]]["stringData"]


def test_volumes_are_claimed_and_mounted() -> None:
    claims = {d["metadata"]["name"] for d in documents("kuberay/results-pvc.yaml")}
    for where, pod in pods():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounted = {m["name"] for m in pod["spec"]["containers"][0]["volumeMounts"]}
        assert mounted == set(volumes), where
        claimed = {v["persistentVolumeClaim"]["claimName"] for v in volumes.values()
                   if "persistentVolumeClaim" in v}  # fmt: skip
        assert claimed <= claims, where
        assert "sweep-results" in claimed, where


def test_pods_run_as_the_user_of_the_images() -> None:
    for name in DOCKERFILES:
        assert ("USER", "1000:1000") in dockerfile(name)
        assert any("useradd --uid 1000 " in argument for _, argument in dockerfile(name))
        assert environment(name)["HOME"] == "/home/sweep"
    for where, pod in pods():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, where
        assert (context["runAsUser"], context["fsGroup"]) == (1000, 1000), where


def test_pods_run_from_a_root_that_may_only_be_read() -> None:
    """What is written to is a volume: HOME, where Ray keeps its token, and temporary folders."""
    for where, pod in pods():
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, where
        if where in ("head", "gpu"):
            env = {variable["name"]: variable["value"] for variable in container["env"]}
            mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
            volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
            for place in (env["HOME"], env["TMPDIR"], "/dev/shm", "/tmp/ray"):
                assert "emptyDir" in volumes[mounts[place]], (where, place)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_any_user_may_write_where_an_image_writes(name: str) -> None:
    """OpenShift gives a pod a user of its own, who is in no file of the image."""
    (install,) = [a for i, a in dockerfile(name) if i == "RUN" and "install -d" in a]
    opened = install.partition("install -d -m 1777 -o sweep -g sweep ")[2].split()
    written = {"trainer": {"/data", "/results", ".ray"}, "api": {"/results"}}[name]
    home = environment(name)["HOME"]
    assert {home, *(f"{home}/{p}" if p == ".ray" else p for p in written)} == set(opened)


def test_a_job_that_brings_its_folder_takes_neither_secrets_nor_results_along(
    tmp_path: Path,
) -> None:
    """By Ray's own rules, which know `.rayignore`; the Jobs API takes 100 MiB."""
    assert DASHBOARD_CLIENT_MAX_SIZE == 100 * 2**20
    assert "100 MiB" in (DEPLOY / "README.md").read_text()
    needed = {"pyproject.toml", "sweep/table1.py", "api/pages/static/vendor/htmx.min.js",
              "trainer/scores/digits_classifier.pt", "trainer/data/digits_split.npy"}  # fmt: skip
    left = {"deploy/ray.env", "read-token", "control-token", "auth_token", "results/trials/a",
            "data/cifar-10-batches-py/test_batch", "data/cifar-10-python.tar.gz", ".git/HEAD",
            "weights-inception-2015-12-05-6726825d.pth", "tests/conftest.py", ".venv/x", ".env",
            "sweep-results/checkpoints/a/1.pt"}  # fmt: skip
    folder = tmp_path / "folder"
    for name in needed | left:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    for name in (".rayignore", ".gitignore"):
        (folder / name).write_text((ROOT / name).read_text())
    create_package(str(folder), tmp_path / "package.zip", include_gitignore=True)
    names = {n for n in zipfile.ZipFile(tmp_path / "package.zip").namelist() if n[-1] != "/"}
    assert names - {".rayignore", ".gitignore"} == needed


def test_policies_choose_the_pods_that_they_are_for() -> None:
    labels = {where: pod["metadata"].get("labels", {}) for where, pod in pods()}
    for name, chosen in (("api.yaml", {"api"}), ("rayjob.yaml", {"head", "gpu"})):
        policy = kind(f"kuberay/{name}", "NetworkPolicy")
        wanted = policy["spec"]["podSelector"]["matchLabels"]
        assert {w for w, has in labels.items() if wanted.items() <= has.items()} == chosen
    job = kind("kuberay/rayjob.yaml", "RayJob")
    submitter = {"ray.io/originated-from-cr-name": job["metadata"]["name"]}
    ingress = kind("kuberay/rayjob.yaml", "NetworkPolicy")["spec"]["ingress"]
    peers = [peer["podSelector"]["matchLabels"] for rule in ingress for peer in rule["from"]]
    assert submitter in peers


def test_the_ports_of_the_api_are_one() -> None:
    container = dict(pods())["api"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (service,) = kind("kuberay/api.yaml", "Service")["spec"]["ports"]
    policy = kind("kuberay/api.yaml", "NetworkPolicy")["spec"]["ingress"][0]["ports"]
    said = dict(dockerfile("api"))
    assert ports[service["targetPort"]] == service["port"] == policy[0]["port"] == 8000
    assert '"--port", "8000"' in said["ENTRYPOINT"]
    assert said["EXPOSE"] == "8000"
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
        assert container[probe]["httpGet"]["path"] in OPEN_PATHS
    path = re.search(r"http://127\.0\.0\.1:8000(/\w+)", said["HEALTHCHECK"])
    assert path is not None
    assert path[1] in OPEN_PATHS


# Images


def images() -> Iterator[tuple[str, str]]:
    for name, service in documents("compose.yaml")[0]["services"].items():
        yield f"compose {name}", service["image"]
    for where, pod in pods():
        yield f"pod {where}", pod["spec"]["containers"][0]["image"]
    yield "ray up", documents("ray/cluster.yaml")[0]["docker"]["image"]


def test_images_are_those_that_are_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    built = {f"srgan-sweep-{name}:{version}" for name in DOCKERFILES}
    used = [image for _, image in images()]
    assert {image.removeprefix("YOUR-REGISTRY/") for image in used} - built == {
        "prom/prometheus:v3.5.0",
        "grafana/grafana:12.2.0",
    }
    texts = (DEPLOY / "README.md", *(DEPLOY / "docker").glob("*.Dockerfile"))
    for path in texts:
        named = set(re.findall(r"srgan-sweep-(?:trainer|api):[\w.]+", path.read_text()))
        assert named <= built, path
        assert named, path


def test_ray_is_of_one_version() -> None:
    job = kind("kuberay/rayjob.yaml", "RayJob")
    version = job["spec"]["rayClusterSpec"]["rayVersion"]
    assert version == constraints()["ray"] == ray.__version__
    assert version in (DEPLOY / "README.md").read_text()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_are_built_from_what_there_is(name: str) -> None:
    instructions = dockerfile(name)
    ignored = (DEPLOY / "docker" / f"{name}.Dockerfile.dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied = [word for i, a in instructions if i == "COPY" for word in a.split()[:-1]]
    for source in copied:
        assert (ROOT / source).exists(), source
    assert set(copied) == let_through
    assert "*" in ignored
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) <= set(copied)
    assert project["project"]["readme"] in copied
    install = next(a for i, a in instructions if i == "RUN" and "pip install" in a)
    extra = {"trainer": "sweep", "api": "api"}[name]
    assert f"-c constraints.txt '.[{extra}]'" in install
    assert extra in project["project"]["optional-dependencies"]
    for package in install.partition("]'")[2].partition("&&")[0].split():
        assert package in constraints()
    base = dict(instructions)["FROM"]
    assert fnmatch.fnmatch(base, "python:3.1[123]-slim")


def test_the_image_of_the_api_has_neither_torch_nor_ray() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=\[]", d)[0] for d in project["optional-dependencies"]["api"]}
    assert not names & {"torch", "torchvision", "ray", "srgan-sweep"}
