"""Protocol names, and what is said of weights before torch is imported."""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.config import protocols
from trainer.config.lookup import UsageError
from trainer.config.protocols import missing_reason, protocol, weights_hash, weights_path


@pytest.mark.parametrize(
    ("name", "label", "samples", "splits"),
    [
        ("paper-5k", "paper-5k", 5_000, 1),
        ("paper-5000", "paper-5k", 5_000, 1),
        ("paper-2", "paper-2", 2, 1),
        ("modern-50k", "modern-50k", 50_000, 10),
        ("modern-10000", "modern-10k", 10_000, 10),
        ("modern-1500", "modern-1500", 1_500, 10),
        ("modern-10", "modern-10", 10, 10),
    ],
)
def test_a_name_says_samples_and_splits(name, label, samples, splits):
    found = protocol(name)
    assert (found.name, found.samples, found.splits) == (label, samples, splits)
    assert protocol(found.name) == found


def test_only_modern_counts_diversity():
    assert protocol("paper-5k").metrics == ("isc", "fid")
    assert protocol("modern-50k").metrics == ("isc", "fid", "kid", "prc")


@pytest.mark.parametrize(
    "name",
    [None, "", "paper", "modern-", "paper-0", "paper-05k", "paper-5K", "paper-5.5k", "paper--5",
     "classic-5k", "paper-5k ", "paper-5k\n", "paper-٣"],
)  # fmt: skip
def test_other_names_are_refused_with_what_is_expected(name):
    with pytest.raises(UsageError, match=r"expected paper-N or modern-N"):
        protocol(name)


@pytest.mark.parametrize(("name", "least"), [("modern-9", 10), ("paper-1", 2)])
def test_too_few_samples_are_refused(name, least):
    with pytest.raises(UsageError, match=f"needs at least {least} samples"):
        protocol(name)


def test_the_flag_goes_before_the_variable(monkeypatch):
    monkeypatch.setenv("INCEPTION_WEIGHTS", "/from/environment.pth")
    assert weights_path(Path("given.pth")) == Path("given.pth")
    assert weights_path(None) == Path("/from/environment.pth")
    monkeypatch.setenv("INCEPTION_WEIGHTS", "")
    assert weights_path(None) is None


def test_the_home_folder_is_expanded(monkeypatch):
    monkeypatch.setenv("INCEPTION_WEIGHTS", "~/inception.pth")
    assert weights_path(None) == Path.home() / "inception.pth"


def test_what_is_missing_is_said_with_how_to_get_it(tmp_path, monkeypatch):
    for weights in (None, tmp_path / "absent.pth", tmp_path):
        reason = missing_reason(weights)
        assert reason is not None
        assert protocols.REFERENCE_FILE in reason
        assert "v0.2.0" in reason
        assert "INCEPTION_WEIGHTS" in reason
        assert "\n" not in reason
    present = tmp_path / "present.pth"
    present.touch()
    assert missing_reason(present) is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "torch-fidelity is not installed" in str(missing_reason(present))


def test_hash_of_the_file(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    assert weights_hash(path) == hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(UsageError, match="cannot read"):
        weights_hash(tmp_path)


def test_protocols_need_no_torch():
    heavy = "{'torch', 'torch_fidelity'}"
    code = f"import sys, trainer.config.protocols; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
