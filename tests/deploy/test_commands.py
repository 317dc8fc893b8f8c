"""Every command, flag, variable, port and path that deploy/ names exists where it is read."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

import api.__main__
import sweep.cli.experiment
import sweep.table1
from api.app import ROUTERS
from sweep.plan.grid import cells
from trainer.config.lookup import select
from trainer.config.settings import SETTINGS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
README = (DEPLOY / "README.md").read_text()
PARSERS: Mapping[str, Callable[[], argparse.ArgumentParser]] = {
    "sweep.table1": partial(sweep.cli.experiment.parser, sweep.table1.TABLE1),
    "api": api.__main__._parser,  # pyright: ignore[reportPrivateUsage]
}
# Read by what is not installed here: Python and the C library, AWS's client, KubeRay, the shell.
OTHERS = {
    "HOME",
    "PYTHONUNBUFFERED",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "RAY_HEAD_IP",
    "SWEEP_CONTAINER",
}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def dockerfile(name: str) -> str:
    """Without comments, continuations joined."""
    text = (DEPLOY / "docker" / f"{name}.Dockerfile").read_text()
    return re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")


def readme_lines() -> list[str]:
    """The shell lines of the README; the bodies of here-documents are left out."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<<'EOF'\n.*?\nEOF$", "", "".join(blocks), flags=re.DOTALL | re.MULTILINE)
    return text.replace("\\\n", " ").splitlines()


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command that deploy/ runs or tells to run, as words, by where it stands."""
    for line in readme_lines():
        yield "README.md", shlex.split(line, comments=True)
    for name, service in documents("compose.yaml")[0]["services"].items():
        if "command" in service:
            yield f"compose {name}", shlex.split(service["command"])
        if "healthcheck" in service:
            yield f"compose {name}", service["healthcheck"]["test"][1:]
    yield "rayjob.yaml", shlex.split(documents("kuberay/rayjob.yaml")[0]["spec"]["entrypoint"])
    cluster = documents("ray/cluster.yaml")[0]
    for which in ("head", "worker"):
        for command in cluster[f"{which}_start_ray_commands"]:
            yield "cluster.yaml", shlex.split(command)
    for name in ("trainer", "api"):
        for start in re.findall(r"^(?:CMD|ENTRYPOINT) (.*)$", dockerfile(name), re.MULTILINE):
            yield f"{name}.Dockerfile", json.loads(start)


def after(words: list[str], *start: str) -> list[str] | None:
    """What follows `start`, wherever it stands in the command; None if it does not."""
    for i in range(len(words)):
        if words[i : i + len(start)] == list(start):
            return words[i + len(start) :]
    return None


def python_commands() -> list[tuple[str, str, list[str]]]:
    """(where, module, arguments) of every `python -m` but pip and venv."""
    found = []
    for where, words in commands():
        for i, word in enumerate(words[:-2]):
            if re.fullmatch(r"(.*/)?python(3\.11)?", word) and words[i + 1] == "-m":
                found.append((where, words[i + 2], words[i + 3 :]))
    return [entry for entry in found if entry[1] not in ("pip", "venv")]


# Our own commands


def test_every_module_and_flag_exists() -> None:
    found = python_commands()
    assert len(found) >= 10
    assert {where for where, _, _ in found} >= {"README.md", "rayjob.yaml", "api.Dockerfile"}
    for where, module, arguments in found:
        if "--help" in arguments:
            assert module in PARSERS, where
            continue
        args = PARSERS[module]().parse_args(arguments)
        if module == "sweep.table1":
            settings = select("setting", SETTINGS, args.settings.split(","))
            assert list(cells(settings, args.methods.split(","))), where


def test_a_flag_that_is_none_is_caught() -> None:
    with pytest.raises(ValueError, match="--result-root"):
        PARSERS["sweep.table1"]().parse_args(["--result-root", "/results"])


def test_a_sweep_that_leaves_its_machine_names_where_results_go() -> None:
    """In a job, ./results would go with the job; an image's own /results with its container."""
    for where, module, arguments in python_commands():
        if module != "sweep.table1" or "--help" in arguments:
            continue
        results = PARSERS[module]().parse_args(arguments).results
        if results is None:  # the smoke test of compose: its head has SWEEP_RESULTS
            head = documents("compose.yaml")[0]["services"]["ray-head"]
            assert where == "README.md"
            results = head["environment"]["SWEEP_RESULTS"]
        assert results.startswith(("/", "~", "s3://")), where


def test_every_file_and_anchor_exists() -> None:
    files = set(re.findall(r"\b(?:deploy/[\w./-]+|constraints\.txt)", README))
    assert len(files) >= 8
    for name in files - {"deploy/ray.env"}:
        assert (ROOT / name.rstrip("./")).exists(), name
    for anchor in re.findall(r"\]\(#([\w-]+)\)", README):
        titles = re.findall(r"^## (.*)$", README, flags=re.MULTILINE)
        assert anchor in {title.lower().replace(" ", "-") for title in titles}


def test_the_first_screen_answers_every_cluster_in_at_most_ten_lines() -> None:
    question, *answers = README.partition("\n## ")[0].split("\n**")
    assert "Which of these is your cluster?" in question
    titles = [answer.partition(".**")[0] for answer in answers]
    assert {"One machine", "Slurm", "Kubernetes"} <= set(titles)
    for answer in answers:
        assert "```sh" in answer, answer
        assert len(answer.strip().splitlines()) <= 10, answer


# Ray, Docker, Kubernetes


def ray_commands() -> list[tuple[str, list[str], list[str]]]:
    """(where, path of the command, its options), up to the entry point of a job."""
    found = []
    for where, words in commands():
        for i, word in enumerate(words):
            # `--name ray ...` and the like would be no command.
            if word != "ray" or i + 1 == len(words):
                continue
            rest = words[i + 1 :]
            rest = rest[: rest.index("--")] if "--" in rest else rest
            path = rest[:2] if rest[0] == "job" else rest[:1]
            options = [w.partition("=")[0] for w in rest if w.startswith("--")]
            found.append((where, path, options))
    for span in re.findall(r"`(ray (?:job )?[a-z-]+)\b[^`]*`", README):
        found.append(("README.md", span.split()[1:], []))
    return found


def test_every_ray_command_and_option_exists(ray_flags: Callable[[list[str]], set[str]]) -> None:
    found = ray_commands()
    assert len(found) >= 12
    for where, path, options in found:
        assert set(options) <= ray_flags(path), (where, path)


def test_a_ray_option_that_is_none_is_caught(ray_flags: Callable[[list[str]], set[str]]) -> None:
    assert "--metrics-export-port" in ray_flags(["start"])
    assert "--metric-export-port" not in ray_flags(["start"])
    with pytest.raises(KeyError):
        ray_flags(["job", "submitt"])


def test_docker_commands_name_what_there_is() -> None:
    services = documents("compose.yaml")[0]["services"]
    profiles = {p for service in services.values() for p in service.get("profiles", [])}
    seen = set()
    for words in map(shlex.split, readme_lines()):
        if words[:2] == ["docker", "build"]:
            file, tag = words[words.index("-f") + 1], words[words.index("-t") + 1]
            assert (ROOT / file).is_file()
            assert any(s["image"] == tag for s in services.values())
            seen.add("build")
        elif words[:2] == ["docker", "compose"]:
            assert words[2:4] == ["-f", "deploy/compose.yaml"]
            own = words[: words.index("exec")] if "exec" in words else words
            if "--profile" in own:
                assert own[own.index("--profile") + 1] in profiles
            if (rest := after(words, "exec")) is not None:
                assert rest[0] in services
            if (rest := after(words, "cp")) is not None:
                service, _, path = rest[1].partition(":")
                mounts = [v.split(":")[1] for v in services[service]["volumes"]]
                assert path.rstrip("/") in mounts
            seen.add("compose")
    assert seen == {"build", "compose"}


def kuberay_objects() -> dict[tuple[str, str], dict[str, Any]]:
    files = sorted((DEPLOY / "kuberay").glob("*.yaml"))
    found = [d for file in files for d in documents(f"kuberay/{file.name}")]
    return {(d["kind"].lower(), d["metadata"]["name"]): d for d in found}


def check_creation(words: list[str], objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    """`configmap NAME --from-file=FILE`, or `secret generic NAME --from-literal=KEY=...`."""
    if words[0] == "configmap":
        assert (ROOT / words[2].removeprefix("--from-file=")).is_file()
        objects["configmap", words[1]] = {}
        return
    assert (words[0], words[2]) in objects
    key = words[3].removeprefix("--from-literal=").partition("=")[0]
    assert key in objects[words[0], words[2]]["stringData"]


def test_kubectl_commands_name_what_there_is() -> None:
    objects = kuberay_objects()
    # KubeRay gives the job that submits the name of the RayJob.
    objects |= {("job", name): d for (kind, name), d in objects.items() if kind == "rayjob"}
    checked = 0
    spans = [shlex.split(span) for span in re.findall(r"`(kubectl [^`.]*)`", README)]
    # A substitution holds a command of its own.
    lines = [re.sub(r"^\w+=\$\((.*?)( \|.*)?\)$", r"\1", line) for line in readme_lines()]
    for words in [*map(shlex.split, lines), *spans]:
        if words[:1] != ["kubectl"]:
            continue
        checked += 1
        rest = words[2:]
        if words[1] == "create":
            check_creation(rest, objects)
        elif words[1] == "apply":
            file = "kustomization.yaml" if rest[0] == "-k" else ""
            assert rest[0] in ("-f", "-k")
            assert (ROOT / rest[1] / file).is_file()
        elif words[1] == "cp":
            pod, _, path = rest[1].partition(":")
            mounts = objects["pod", pod]["spec"]["containers"][0]["volumeMounts"]
            assert path.rstrip("/") in {m["mountPath"] for m in mounts}
        elif words[1] in ("get", "delete", "label"):
            assert (rest[0], rest[1]) in objects
        elif words[1] in ("wait", "logs", "port-forward") and rest:
            named = next(w for w in rest if "/" in w and "=" not in w)
            target = objects[tuple(named.split("/"))]  # pyright: ignore[reportArgumentType]
            if words[1] == "port-forward":
                ports = [p["port"] for p in target["spec"]["ports"]]
                assert int(rest[1].partition(":")[2]) in ports
    assert checked >= 12


# Variables, ports, paths


@lru_cache(maxsize=1)
def our_strings() -> set[str]:
    """Every string constant of the code: a variable that is read stands among them."""
    found = set()
    for package in ("trainer", "sweep", "api"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


@lru_cache(maxsize=1)
def ray_text() -> str:
    folder = Path(ray.__file__).parent
    return "".join(
        (folder / name).read_text()
        for name in (
            "_private/authentication/authentication_constants.py",
            "_private/authentication/authentication_token_setup.py",
            "_private/authentication_test_utils.py",
            "_private/ray_constants.py",
            "_common/usage/usage_constants.py",
            "dashboard/modules/job/job_supervisor.py",
            "dashboard/modules/job/cli.py",
        )
    )


def variables() -> Iterator[tuple[str, str]]:
    """(where, name) of every environment variable that deploy/ sets or names."""
    name = r"\b((?:RAY|SWEEP|AWS|XDG|INCEPTION|PYTHON)_?[A-Z_]+|HOME)\b"
    for file in sorted(DEPLOY.rglob("*")):
        if file.is_file():
            for found in re.findall(name, file.read_text()):
                yield str(file.relative_to(DEPLOY)), found
    for service in documents("compose.yaml")[0]["services"].values():
        for variable in service.get("environment", {}):
            yield "compose.yaml", variable


def test_every_environment_variable_is_read() -> None:
    found = dict((variable, where) for where, variable in variables())
    assert {"RAY_AUTH_MODE", "SWEEP_API_TOKEN", "RAY_JOB_STOP_SIGNAL", "SWEEP_RESULTS"} <= set(
        found
    )
    for variable, where in found.items():
        read = variable in our_strings() or variable in OTHERS
        assert read or re.search(rf"\b{variable}\b", ray_text()), (variable, where)
    assert "SWEEP_API_TOKENS" not in our_strings()
    assert not re.search(r"\bRAY_AUTH_MODES\b", ray_text())


def test_every_url_is_published_and_answered() -> None:
    services = documents("compose.yaml")[0]["services"].values()
    ports = {p.rpartition(":")[2] for s in services for p in s.get("ports", [])}
    served = {route.path for router in ROUTERS for route in router.routes}  # pyright: ignore[reportAttributeAccessIssue]
    urls = re.findall(r"http://(?:127\.0\.0\.1|localhost):(\d+)(/\w+)?", README)
    assert len(urls) >= 6
    for port, path in urls:
        assert port in ports
        assert not path or path in served


def test_a_stopped_job_has_the_same_time_everywhere() -> None:
    env = documents("compose.yaml")[0]["services"]["ray-head"]["environment"]
    job = yaml.safe_load(documents("kuberay/rayjob.yaml")[0]["spec"]["runtimeEnvYAML"])
    wanted = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "45"}
    assert job == {"env_vars": wanted}
    assert wanted.items() <= env.items()
    (head,) = [
        c for c in documents("ray/cluster.yaml")[0]["head_start_ray_commands"] if "start" in c
    ]
    assert all(f"{name}={value} " in head for name, value in wanted.items())
    assert "SIGINT, 45 s" in README


# Costs


COSTS = re.findall(r"<<'EOF'\n(.*?)\nEOF\n```\n\n```text\n(.*?)```", README, re.S)


@pytest.mark.parametrize(("code", "said"), COSTS, ids=["all settings", "without ImageNet"])
def test_the_costs_are_what_their_command_prints(code: str, said: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert printed == said
