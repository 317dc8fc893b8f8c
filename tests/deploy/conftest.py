"""What manifests and commands are checked against: KubeRay's schema, Ray's command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

# Kubernetes' own, of which a resource definition only says that it is an object.
METADATA = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


@pytest.fixture(scope="session")
def ray_job_schema() -> dict[str, Any]:
    """Of RayJob ray.io/v1, closed: a key that it does not name is an error.

    The rules in CEL (x-kubernetes-validations) are not checked this way.
    """
    folder = os.environ.get("KUBERAY_CRDS")
    if not folder:
        pytest.skip("KUBERAY_CRDS names no folder with KubeRay's resource definitions")
    # libyaml's loader where there is one: the file has 1.4 MB, and Python's takes 20 s.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    definition = yaml.load((Path(folder) / "ray.io_rayjobs.yaml").read_text(), Loader=loader)
    versions = {v["name"]: v["schema"] for v in definition["spec"]["versions"]}
    schema = versions["v1"]["openAPIV3Schema"]
    _close(schema)
    schema["properties"]["metadata"] = METADATA
    return schema


def _close(schema: Any) -> None:
    """Makes every object with named properties refuse others, in place."""
    if isinstance(schema, list):
        for part in schema:
            _close(part)
    if not isinstance(schema, dict):
        return
    for part in schema.values():
        _close(part)
    # Of a property that happens to be called `type`, the value is a schema, not "object".
    if (
        schema.get("type") == "object"
        and "properties" in schema
        and not schema.get("x-kubernetes-preserve-unknown-fields")
    ):
        schema.setdefault("additionalProperties", False)


@pytest.fixture(scope="session")
def ray_flags() -> Callable[[list[str]], set[str]]:
    """`["job", "submit"]` -> the options of that command. Raises KeyError if there is none."""
    from ray.scripts.scripts import cli

    def flags(path: list[str]) -> set[str]:
        command: Any = cli
        for name in path:
            command = command.commands[name]
        return {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}

    return flags
