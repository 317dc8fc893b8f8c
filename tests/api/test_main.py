"""The command, as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import httpx2
import pytest

from api.__main__ import main

ROOT = Path(__file__).parents[2]


def test_imports_are_light() -> None:
    heavy = "torch ray pandas optuna sklearn torchvision"
    script = f"import sys, api.app; print(sorted(set({heavy.split()}) & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.stdout == "[]\n", done.stderr


def test_of_the_trainer_only_the_settings_are_read() -> None:
    script = (
        "import sys, api.app; own = {'trainer', 'trainer.settings', 'trainer.methods'}; "
        "print(sorted({m for m in sys.modules if m.split('.')[0] == 'trainer'} - own))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 can be reached from other machines"),
        (["--host", "example.org"], "needs a token"),
        (["--token-file", "/no/such/file"], "cannot read the token file /no/such/file"),
        (["--token-file", "/dev/null"], "the token file /dev/null is empty"),
        (["--results", "what://is/this"], "cannot open results at what://is/this"),
    ],
)
def test_bad_input(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SWEEP_API_TOKEN", raising=False)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert says in said
    assert said.count("\n") == 1


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "curl" in capsys.readouterr().out


def test_serves_with_a_token(filled: Path, kit: ModuleType) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "--results", str(filled), "--port", str(port)],
        cwd=ROOT, env={**os.environ, "SWEEP_API_TOKEN": "s3cret"}, stderr=subprocess.PIPE,
    )  # fmt: skip

    def up() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            return http.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as http:
            kit.wait_for(up, 60)
            refused = http.get("/results")
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert refused.headers["content-type"] == "application/problem+json"
            wrong = {"Authorization": "Bearer s3cre"}
            assert http.get("/results", headers=wrong).status_code == 401
            right = {"Authorization": "Bearer s3cret"}
            assert len(http.get("/results", headers=right).json()["items"]) == 30
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode in (0, -signal.SIGINT, 130)
