"""Packages of trackers: absent, and what of an address is refused before any work."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.mirrors.opening import TRACKERS, open_tracker
from trainer.config.lookup import UsageError


def skip_without(package: str) -> None:
    """Skips where a package is absent, without importing it, which takes seconds."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("name", TRACKERS)
def test_an_absent_package_is_one_line_with_the_command(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    with pytest.raises(UsageError, match=rf"not installed: pip install 'srgan-sweep\[{name}\]'$"):
        open_tracker(name, None, "demo")


def test_no_package_is_imported_for_another_tracker() -> None:
    program = (
        "import sys, sweep.mirror\n"
        "from sweep.mirrors import mlflow, tensorboard, trackio, wandb\n"
        "packages = ('mlflow', 'tensorboard', 'wandb', 'trackio', 'torch', 'ray', 'PIL')\n"
        "print([name for name in packages if name in sys.modules])"
    )
    root = Path(__file__).parents[3]
    shown = subprocess.check_output([sys.executable, "-c", program], cwd=root, text=True)
    assert shown == "[]\n"


@pytest.mark.parametrize(
    ("name", "address", "words"),
    [
        ("tensorboard", "s3://bucket/runs", "written to a folder, not to 's3://bucket/runs'"),
        (
            "mlflow",
            None,
            "no MLflow server: give --at http://HOST:PORT, or set MLFLOW_TRA",
        ),
        ("trackio", "http://x", "written to a folder, not to 'http://x'; `trackio sync`"),
    ],
)
def test_an_address_that_is_none_is_refused(
    name: str, address: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UsageError) as error:
        open_tracker(name, address, "demo")
    assert words in str(error.value)


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_folder_that_cannot_be_made_is_refused(name: str, tmp_path: Path) -> None:
    skip_without(name)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot make the folder .*/file.*: (Not a dir|File ex)"):
        open_tracker(name, str(tmp_path / "file"), "demo")


@pytest.mark.parametrize(("mode", "words"), [("disabled", "sends nothing"), ("online", "no key")])
def test_wandb_without_a_way_to_send_is_refused(
    mode: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    skip_without("wandb")
    monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(UsageError, match=words):
        open_tracker("wandb", None, "demo")
