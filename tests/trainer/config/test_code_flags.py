"""The flags that name a person's own code."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pytest

from trainer.config import code_flags
from trainer.config.lookup import UsageError
from trainer.config.own_code import OwnCode


def code(*arguments: str) -> OwnCode | None:
    p = argparse.ArgumentParser()
    code_flags.add(p)
    return code_flags.code_of(p.parse_args(arguments), lambda: lambda code, sizes: None)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    content = b"def build(): pass\ndef loss(real, fake): pass\n"
    (tmp_path / "flagged_module.py").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    return content


def test_none_is_named() -> None:
    assert code() is None


def test_each_is_known_by_its_file(source: bytes) -> None:
    named = code("--networks", "flagged_module:build", "--loss", "flagged_module:loss")
    assert named is not None
    digest = f"sha256:{hashlib.sha256(source).hexdigest()}"
    assert named.fields == {
        "networks": "flagged_module:build",
        "networks_source": digest,
        "loss": "flagged_module:loss",
        "loss_source": digest,
    }


def test_what_does_not_resolve_is_refused(source: bytes) -> None:
    with pytest.raises(UsageError, match="unknown function of flagged_module 'augment'"):
        code("--augment", "flagged_module:augment")
