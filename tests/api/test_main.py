"""The command, as a process of its own."""

from __future__ import annotations

import http.server
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from api.__main__ import (
    SHUTDOWN_SECONDS,
    check_bind,
    check_proxies,
    main,
    read_hosts,
    read_root_path,
)
from api.web.access import Tokens, read_tokens
from tests.api.logins import CONTROL, READ, bearer
from tests.api.servers import wait_for
from trainer.config.lookup import UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEP_API_TOKEN", raising=False)
    monkeypatch.delenv("SWEEP_API_CONTROL_TOKEN", raising=False)
    monkeypatch.delenv("SWEEP_API_ALLOW_HOSTS", raising=False)
    monkeypatch.delenv("SWEEP_GPU_PRICE", raising=False)
    monkeypatch.delenv("SWEEP_GPU_POWER", raising=False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 can be reached from other machines"),
        (["--host", "example.org"], "needs a token to read"),
        (["--token-file", "/no/such/file"], "cannot read the token file /no/such/file"),
        (["--token-file", "/dev/null"], "the token file /dev/null is empty"),
        (["--control-token-file", "/dev/null"], "the token file /dev/null is empty"),
        (["--control-token-file", "{spaced}"], "has spaces or letters beyond ASCII"),
        (["--token-file", "{binary}"], "cannot read the token file {binary}: it is no text"),
        (["--token-file", "{good}", "--control-token-file", "{good}"], "are equal"),
        (["--host", "0.0.0.0", "--control-token-file", "{good}"], "needs a token to read"),
        (["--token-file", "{short}"], "the token of the token file {short} can be guessed"),
        (["--control-token-file", "{short}"], "print(secrets.token_urlsafe(32))"),
        (["--gpu-price", "cheap"], "--gpu-price 'cheap' is no price of a GPU-hour"),
        (["--gpu-power", "-1"], "--gpu-power '-1' is no power of a GPU"),
        (["--allow-host", "http://x"], "--allow-host 'http://x' is no host"),
        (["--root-path", "lab"], "--root-path lab is no path"),
        (["--root-path", "/lab?x"], "--root-path /lab?x is no path"),
        (["--forwarded-allow-ips", "10.0.0.1,nginx"], "'nginx' is no address"),
        (["--results", "what://is/this"], "cannot open results at what://is/this"),
    ],
)
def test_bad_input(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    contents = {
        "good": READ.encode() + b"\n",
        "short": b"a" * 31 + b"\n",
        "spaced": b"two words",
        "binary": b"\xff\xfe",
    }
    files = {name: str(tmp_path / name) for name in contents}
    for name, content in contents.items():
        Path(files[name]).write_bytes(content)
    assert main([argument.format(**files) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert says.format(**files) in said
    assert said.count("\n") == 1


class NoBuckets(http.server.BaseHTTPRequestHandler):
    """An object store without a bucket."""

    def do_HEAD(self) -> None:
        self.send_error(404)

    do_GET = do_HEAD

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_misspelt_bucket_is_no_store_that_is_still_to_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoBuckets) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = f"endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
        assert main(["--results", f"s3://sweps/r?{where}"]) == 2
        server.shutdown()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot read s3://sweps/r")
    assert line.endswith("there is no bucket 'sweps'")


def test_tokens_come_from_files_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_file = "f" * 32
    (tmp_path / "control").write_text(f"{of_file}\n")
    monkeypatch.setenv("SWEEP_API_TOKEN", READ)
    monkeypatch.setenv("SWEEP_API_CONTROL_TOKEN", CONTROL)
    assert read_tokens(None, None) == Tokens(READ, CONTROL)
    assert read_tokens(None, str(tmp_path / "control")) == Tokens(READ, of_file)
    monkeypatch.setenv("SWEEP_API_TOKEN", CONTROL)
    with pytest.raises(UsageError, match="equal"):
        read_tokens(None, None)


@pytest.mark.parametrize("variable", ["SWEEP_API_TOKEN", "SWEEP_API_CONTROL_TOKEN"])
def test_a_short_token_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for token in ("x", "x" * 31):
        monkeypatch.setenv(variable, token)
        with pytest.raises(UsageError, match=rf"{variable} .*at least 32.*token_urlsafe\(32\)"):
            read_tokens(None, None)
    monkeypatch.setenv(variable, secrets.token_urlsafe(24))
    assert read_tokens(None, None) != Tokens()


def test_hosts_come_from_the_command_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_hosts([], "127.0.0.1", Tokens()) == ("127.0.0.1",)
    assert read_hosts(["a", "b"], "c", Tokens()) == ("a", "b", "c")
    assert read_hosts([], "0.0.0.0", Tokens(READ)) == (), "all will do"
    assert read_hosts([], "0.0.0.0", Tokens(None, CONTROL)) == ("0.0.0.0",)
    monkeypatch.setenv("SWEEP_API_ALLOW_HOSTS", "d, e.example,")
    assert read_hosts([], "c", Tokens(READ)) == ("d", "e.example", "c")
    assert read_hosts(["a"], "c", Tokens()) == ("a", "c")
    monkeypatch.setenv("SWEEP_API_ALLOW_HOSTS", "d e")
    with pytest.raises(UsageError, match="'d e' is no host"):
        read_hosts([], "c", Tokens())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_the_loopback_needs_no_token(host: str) -> None:
    check_bind(host, Tokens(), insecure=False)


@pytest.mark.parametrize("given", ["*", "127.0.0.1", "10.0.0.0/8, ::1", "10.1.2.3/8"])
def test_proxies(given: str) -> None:
    check_proxies(given)


def test_root_paths() -> None:
    assert [read_root_path(path) for path in ("", "/", "/lab/", "/a/b-c")] == [
        "", "", "/lab", "/a/b-c",
    ]  # fmt: skip


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "curl" in capsys.readouterr().out


@contextmanager
def serving(
    root: Path, *arguments: str, stop: signal.Signals = signal.SIGINT, **env: str
) -> Iterator[tuple[httpx2.Client, list[str]]]:
    """`python -m api` and a client of it; what it said is in the list in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "--results", str(root), "--port", str(port), *arguments],
        cwd=ROOT, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said: list[str] = []

    def up() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            return http.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            wait_for(up, 60)
            yield http, said
            process.send_signal(stop)
            process.wait(15)
    finally:
        if process.poll() is None:
            process.kill()
        said += process.communicate(timeout=15)[1].splitlines()
    assert process.returncode in (0, -stop, 130)


def test_serves_with_tokens(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "control").write_text(CONTROL)
    arguments = ("--host=0.0.0.0", f"--control-token-file={tmp_path / 'control'}")
    with serving(filled, *arguments, SWEEP_API_TOKEN=READ) as (http, said):
        refused = http.get("/results")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.headers["content-type"] == "application/problem+json"
        assert http.get("/results", headers=bearer(READ[:-1])).status_code == 401
        for token in (READ, CONTROL):
            answer = http.get("/results", headers=bearer(token))
            assert len(answer.json()["items"]) == 30
        acted = http.post("/sweeps/demo/actions", json={"action": "stop"}, headers=bearer(CONTROL))
        assert acted.status_code == 409
    text = "\n".join(said)
    assert "INSECURE" not in text
    assert READ not in text
    assert CONTROL not in text
    assert "Traceback" not in text


def test_insecure_is_said_aloud(filled: Path) -> None:
    with serving(filled, "--host=0.0.0.0", "--insecure", "--allow-host=gpu1") as (http, said):
        assert http.get("/results").status_code == 200
        acted = http.post("/sweeps/demo/actions", json={"action": "stop"})
        assert acted.status_code == 403
        assert http.get("/results", headers={"Host": "evil.example"}).status_code == 421
        assert http.get("/results", headers={"Host": "gpu1"}).status_code == 200
    (line,) = (line for line in said if "INSECURE" in line)
    assert line.startswith("WARNING")
    assert "everybody" in line


def test_below_a_path_of_a_proxy(filled: Path) -> None:
    proxy = ("--root-path=/lab/", "--forwarded-allow-ips=127.0.0.0/8")
    with serving(filled, *proxy, SWEEP_API_TOKEN=READ) as (http, _):
        asked = http.get("/paper")
        assert asked.headers["location"] == "/lab/login?next=/lab/paper"
        headers = {
            "Origin": f"https://{http.base_url.netloc.decode()}",
            "X-Forwarded-Proto": "https",
        }
        answer = http.post("/login", data={"token": READ}, headers=headers)
        assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_while_pages_listen(filled: Path, stop: signal.Signals) -> None:
    with serving(filled, stop=stop) as (http, said):
        port = http.base_url.port
        listener = socket.create_connection(("127.0.0.1", port))
        listener.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in listener.recv(4096)
        began = time.monotonic()
    assert time.monotonic() - began < SHUTDOWN_SECONDS
    assert not any("exceeded" in line for line in said), "no answer was broken off"
    listener.close()
