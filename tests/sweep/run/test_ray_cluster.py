"""What is said of a cluster that cannot be reached."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import pytest
from ray._private import ray_constants
from ray._private.authentication.authentication_token_setup import generate_and_save_token

from sweep.run import memory_limit, ray_cluster
from sweep.run.cluster_watch import ClusterLost
from tests.conftest import free_port
from trainer import machine_limits
from trainer.config.lookup import UsageError


def test_an_address_where_nothing_listens_is_an_error_before_ray_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray alone goes on for minutes."""
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(ray_cluster, "LISTENER_SECONDS", 0.5)
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **_: pytest.fail("asked"))
    said = r"at 127\.0\.0\.1:\d+ \(--ray-address, or RAY_ADDRESS\): nothing has answered there for"
    with pytest.raises(UsageError, match=said):
        ray_cluster.connect()


def test_a_head_that_comes_up_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    asked: list[float] = []
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **_: asked.append(time.monotonic()))
    late: list[socket.socket] = []
    timer = threading.Timer(1.0, lambda: late.append(socket.create_server(("127.0.0.1", port))))
    began = time.monotonic()
    timer.start()
    ray_cluster.connect()
    timer.join()
    late[0].close()
    assert asked[0] - began > 0.9


@pytest.mark.parametrize("address", ["auto", "ray://somewhere:10001", "local"])
def test_other_addresses_are_left_to_ray(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    asked: list[bool] = []
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **_: asked.append(True))
    ray_cluster.connect()
    assert asked == [True]


def test_the_reason_behind_rays_error_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own last word repeats the address alone."""

    def init(**_: object) -> None:
        try:
            raise RuntimeError("This node has no token.\nmore")
        except RuntimeError as error:
            raise ConnectionError("Failed to connect to Ray cluster at x:1") from error

    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(ray_cluster.ray, "init", init)
    with pytest.raises(UsageError) as error:
        ray_cluster.connect()
    assert str(error.value) == (
        "cannot reach the cluster at auto: Failed to connect to Ray cluster at x:1: "
        "This node has no token"
    )


# As Ray 2.60.0 puts it, but for the middle of the traceback.
WRONG_TOKEN = """\
Failed to connect to GCS. Last connection error: Traceback (most recent call last):
  File "python/ray/includes/common.pxi", line 119, in ray._raylet.check_status
ray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: Authentication token is missing \
or incorrect. Note: RAY_AUTH_MODE is currently 'disabled' (not 'token'). Ensure that the token \
for the cluster is available in a local file (e.g., ~/.ray/auth_token or via \
RAY_AUTH_TOKEN_PATH) or as the `RAY_AUTH_TOKEN` environment variable. To generate a token for \
local development, use `ray get-auth-token --generate` For more information, see: https://docs
"""


def test_a_wrong_token_is_said_though_it_stands_in_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def init(**_: object) -> None:
        raise ConnectionError("Failed to connect to x:1") from RuntimeError(WRONG_TOKEN)

    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(ray_cluster.ray, "init", init)
    with pytest.raises(UsageError) as error:
        ray_cluster.connect()
    said = str(error.value)
    assert "Authentication token is missing or incorrect. Note: RAY_AUTH_MODE is currently" in said
    assert said.endswith("or as the `RAY_AUTH_TOKEN` environment variable")
    assert "\n" not in said
    assert "Traceback" not in said


def test_a_cluster_of_our_own_has_the_cpus_that_we_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray would count those of the machine."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(machine_limits, "cpus", lambda: 3)
    asked: list[Mapping[str, object]] = []
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **options: asked.append(options))
    ray_cluster.connect()
    assert [(options["address"], options["num_cpus"]) for options in asked] == [("local", 3)]


@pytest.mark.parametrize("home", ["{folder}/file", "/proc/none"])
def test_a_home_that_cannot_hold_rays_token_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    (tmp_path / "file").write_text("")
    home = home.format(folder=tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **_: generate_and_save_token())
    said = (
        rf"it cannot write its token file {home}/\.ray/auth_token \(.*\): set HOME .* RAY_AUTH_TOK"
    )
    with pytest.raises(UsageError, match=said):
        ray_cluster.connect()


def test_other_troubles_of_ray_are_not_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "/tmp/ray")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_cluster.ray, "init", init)
    with pytest.raises(UsageError, match=r"Ray did not start here: .*'/tmp/ray'$"):
        ray_cluster.connect()


@pytest.mark.parametrize("address", [None, "auto"])
def test_a_cluster_of_our_own_gets_no_copy_of_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """Under `uv run`; nodes elsewhere need the copy."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray_constants, "RAY_ENABLE_UV_RUN_RUNTIME_ENV", True)
    packs: list[bool] = []
    monkeypatch.setattr(
        ray_cluster.ray,
        "init",
        lambda **_: packs.append(ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV),
    )
    ray_cluster.connect()
    assert packs == [address is not None]


@pytest.mark.parametrize(
    ("memory", "store"), [(700 * 2**20, 210 * 2**20), (256 * 2**30, 500_000_000)]
)
def test_a_cluster_of_our_own_has_the_memory_that_we_may_use(
    memory: int, store: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(memory_limit, "memory_bytes", lambda: memory)
    asked: list[Mapping[str, object]] = []
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **options: asked.append(options))
    ray_cluster.connect()
    (options,) = asked
    assert (options["_memory"], options["object_store_memory"]) == (memory - store, store)


@pytest.mark.parametrize(
    "words",
    [
        "The current node timed out during startup.",
        "Failed to start GCS",
        "Timed out waiting for file /tmp/ray/session_2026/gcs_server_port_fb0a05",
    ],
)
def test_a_cluster_of_our_own_that_dies_as_it_starts_is_started_again(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    starts: list[object] = []

    def init(**_: object) -> None:
        starts.append(words)
        if len(starts) % 3:
            raise RuntimeError(words)

    monkeypatch.setattr(ray_cluster.ray, "init", init)
    lines: list[str] = []
    ray_cluster.connect(say=lines.append)
    assert len(starts) == 3
    reason = words.rstrip(".")
    assert lines == [
        f"Ray did not start here ({reason}): starting it again, {n} of 2" for n in (1, 2)
    ]


def test_one_that_dies_at_each_start_is_lost_and_no_bad_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same command goes on from there, as whoever started it can tell by its exit code."""

    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup. This could happen")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_cluster.ray, "init", init)
    with pytest.raises(
        ClusterLost, match=r"did not start here in 3 tries: The current node timed"
    ):
        ray_cluster.connect()


# The first lines of what Ray 2.60.0 says, each of them shorter.
LOW_ON_MEMORY = """\
1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 192.0.2.2) \
was 3.48GB used / 23.54GB limit (0.147758)
OOM kill reason: Memory usage 3722469376B exceeded threshold of 3715581440B
"""
DIED = "The actor died unexpectedly before finishing this task.\n\tclass_name: TrialActor\n"


@pytest.fixture
def deaths(tmp_path: Path) -> tuple[Callable[[str], None], list[tuple[str, str, bool]]]:
    """Lets a worker die of what Ray says, as Tune tells it; and what came of that."""
    heard: list[tuple[str, str, bool]] = []

    def on_death(trial_id: str, error: str, *, counts: bool) -> None:
        heard.append((trial_id, error, counts))

    def die(reason: str) -> None:
        file = tmp_path / "error.txt"
        if reason:
            file.write_text(f"Failure # 1 (occurred at 2026-11-30_01-11-42)\n{reason}\n")
        trial: Any = SimpleNamespace(
            config={"trial": "t"},
            error_file=str(file),
            run_metadata=SimpleNamespace(num_failures=1),
            get_error=lambda: None,  # Tune has copied nothing into its state yet
        )
        watcher = ray_cluster._Watcher(lambda _: None, on_death, lambda _: None)
        watcher.on_trial_error(0, [trial], trial)

    return die, heard


@pytest.mark.parametrize(
    ("reason", "said"), [(DIED, DIED.strip()), ("", "the worker died")], ids=["told", "untold"]
)
def test_why_a_worker_died_is_handed_on(deaths: Any, reason: str, said: str) -> None:
    die, heard = deaths
    die(reason)
    assert heard == [("t", said, True)]


def test_a_worker_that_was_killed_for_memory_is_no_death_of_its_trial(deaths: Any) -> None:
    die, heard = deaths
    with pytest.raises(ClusterLost, match="the machine ran low on memory"):
        die(LOW_ON_MEMORY)
    assert heard == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_machine_that_is_always_short_of_memory_ends_a_sweep_and_fails_no_trial(
    table1: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    """With Ray's own monitor, which here kills each worker before its trial is at work."""
    done = table1(
        *("--profile=digits", "--settings=C_8-32", "--methods=sn", "--iterations=2", "--json"),
        f"--results={tmp_path}",
        RAY_memory_usage_threshold="0.001",
    )
    assert done.returncode == 4, done.stderr
    assert '"status": "failed"' not in done.stdout
    assert "ran low on memory): starting it again, 3 of 3" in done.stdout
