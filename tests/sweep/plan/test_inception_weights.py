"""Which Inception weights a sweep takes, and that it says so before anything starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.plan.inception_weights import check_weights, find_weights
from trainer.config import protocols
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config

CONTENT = b"not the reference"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(protocols.WEIGHTS_VARIABLE, raising=False)


def find(given: Path | None, *, allow_other: bool = False, required: bool = False):
    return find_weights("paper", given, allow_other=allow_other, required=required)


def test_a_file_that_is_not_the_reference_is_refused_unless_allowed(file: Path) -> None:
    with pytest.raises(UsageError, match=r"is not the reference .* give --allow-other-weights"):
        find(file)
    found = find(file, allow_other=True)
    assert (found.path, found.sha256) == (file, DIGEST)
    assert found.note is not None
    assert "every IS and FID is marked" in found.note


def test_the_reference_is_taken_without_a_word(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.plan.inception_weights.REFERENCE_SHA256", DIGEST)
    found = find(file)
    assert (found.path, found.sha256, found.note) == (file, DIGEST, None)


def test_a_worker_elsewhere_gets_an_absolute_path(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert find(Path("weights.pth"), allow_other=True).path == file


def test_the_environment_names_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(protocols.WEIGHTS_VARIABLE, str(file))
    assert find(None, allow_other=True).sha256 == DIGEST


def test_without_weights_it_is_said_how_to_get_them(tmp_path: Path) -> None:
    found = find(None)
    assert (found.path, found.sha256) == (None, None)
    assert found.note is not None
    assert "IS and FID are not measured" in found.note
    assert protocols.REFERENCE_FILE in found.note
    with pytest.raises(UsageError, match="no Inception weights"):
        find(None, required=True)
    with pytest.raises(UsageError, match="no Inception weights at"):
        find(tmp_path / "none.pth")


def test_digits_have_scores_of_their_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(protocols.WEIGHTS_VARIABLE, str(file))
    found = find_weights("digits", None, allow_other=False, required=True)
    assert (found.path, found.sha256, found.note) == (None, None, None)
    with pytest.raises(UsageError, match="--inception-weights is for other profiles: digits has"):
        find_weights("digits", file, allow_other=True, required=False)


def test_a_worker_takes_only_the_file_that_was_planned(file: Path) -> None:
    planned = trial_config("paper", "C_8-32", "sn", 0, scorer=DIGEST)
    assert check_weights(planned, str(file)) == file
    file.write_bytes(b"changed since")
    with pytest.raises(UsageError, match=f"planned with the Inception weights {DIGEST}"):
        check_weights(planned, str(file))
    with pytest.raises(UsageError, match="no Inception weights"):
        check_weights(planned, None)


@pytest.mark.parametrize("profile", ["paper", "digits"])
def test_a_trial_without_inception_scores_needs_none(profile: str) -> None:
    assert check_weights(trial_config(profile, "C_8-32", "sn", 0), "/nowhere") is None


@pytest.fixture
def plan(tmp_path: Path) -> list[str]:
    (tmp_path / "data/cifar-10-batches-py").mkdir(parents=True)
    return ["--settings=C_8-32", "--methods=sn", f"--data-root={tmp_path / 'data'}",
            f"--results={tmp_path / 'r'}", "--dry-run"]  # fmt: skip


def test_the_command_plans_with_the_hash(table1: Callable, plan: list[str], file: Path) -> None:
    run = table1(*plan, "--json", f"--inception-weights={file}", "--allow-other-weights")
    assert run.returncode == 0, run.stderr
    (line,) = [json.loads(line) for line in run.stdout.splitlines()]
    assert line["trial_id"] == trial_config("paper", "C_8-32", "sn", 0, scorer=DIGEST).trial_id
    assert "is not the reference Inception file" in run.stderr


def test_the_command_without_weights(table1: Callable, plan: list[str]) -> None:
    run = table1(*plan, "--json", INCEPTION_WEIGHTS="")
    assert run.returncode == 0, run.stderr
    assert trial_config("paper", "C_8-32", "sn", 0).trial_id in run.stdout
    assert run.stderr.count("IS and FID are not measured") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--require-scores",), "no Inception weights"),
        (("--inception-weights={file}",), "is not the reference Inception file"),
        (("--inception-weights={file}.x", "--allow-other-weights"), "no Inception weights at"),
    ],
)
def test_the_command_refuses_in_one_line(
    table1: Callable, plan: list[str], file: Path, arguments: tuple[str, ...], says: str
) -> None:
    named = [argument.format(file=file) for argument in arguments]
    run = table1(*plan[:-1], *named, INCEPTION_WEIGHTS="")
    assert (run.returncode, run.stdout) == (2, "")
    assert says in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--require-scores",), ("--inception-weights=no.pth",)])
def test_a_dry_run_plans_with_weights_that_are_elsewhere(
    table1: Callable, plan: list[str], arguments: tuple[str, ...]
) -> None:
    run = table1(*plan, "--json", *arguments, INCEPTION_WEIGHTS="")
    assert run.returncode == 0, run.stderr
    (line,) = [json.loads(line) for line in run.stdout.splitlines()]
    config = trial_config("paper", "C_8-32", "sn", 0, scorer=protocols.REFERENCE_SHA256)
    assert line["trial_id"] == config.trial_id
    assert "missing here: no Inception weights" in run.stderr
