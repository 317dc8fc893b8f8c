"""Requests to a running sweep through the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser

from sweep.store import requests
from sweep.store.store import Store
from tests.api.servers import serving, wait_for
from tests.api.stores import identity, write_driver, write_plan, write_trial

CONTROL = "c" * 40
SENT = {"Authorization": f"Bearer {CONTROL}"}
ROOT = Path(__file__).parents[3]


def fill_sweeps(root: Path) -> Store:
    """Sweeps `a` and `b` run and share a trial; `ended` does not; one trial is in no plan."""
    store = Store(root / "results")
    shared, failed, done, lone = (identity("C_32-32", "sn", seed) for seed in range(4))
    write_trial(store, shared, "running")
    write_trial(store, failed, "failed")
    write_trial(store, done)
    write_trial(store, lone, "failed")
    write_plan(store, "a", [shared, failed, done])
    write_plan(store, "b", [shared])
    write_plan(store, "ended", [failed, identity("C_32-32", "sr-static", 0)])
    for name in ("a", "b"):
        write_driver(store, name)
    write_driver(store, "ended", state="interrupted")
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fill_sweeps(tmp_path)


# For requests that are refused, so that they change nothing for the next one.
@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill_sweeps(tmp_path_factory.mktemp("unchanged"))


@pytest.fixture(scope="module")
def refusing(unchanged: Store) -> Iterator[httpx2.Client]:
    with serving(Path(unchanged.base), None, CONTROL) as http:
        http.headers.update(SENT)
        yield http


@pytest.fixture
def http(store: Store) -> Iterator[httpx2.Client]:
    with serving(Path(store.base), None, CONTROL) as http:
        http.headers.update(SENT)
        yield http


def trial_of(seed: int, method: str = "sn") -> str:
    return identity("C_32-32", method, seed)["trial_id"]


def stored_requests(store: Store, name: str) -> list[tuple[str, str | None]]:
    return [
        (request["action"], request["trial_id"]) for request in requests.read_requests(store, name)
    ]


def test_a_sweep_is_asked_to_stop(http: httpx2.Client, store: Store) -> None:
    answer = http.post("/sweeps/a/actions", json={"action": "stop"})
    assert answer.status_code == 202
    assert answer.headers["location"] == "/sweeps/a"
    body = answer.json()
    assert body == {
        "id": body["id"], "action": "stop", "sweep": "a", "also": [], "trial_id": None,
        "see": "/sweeps/a",
    }  # fmt: skip
    assert [request["id"] for request in requests.read_requests(store, "a")] == [body["id"]]
    assert stored_requests(store, "a") == [("stop-sweep", None)]
    assert stored_requests(store, "b") == []
    listed = http.get("/sweeps/a/actions").json()
    assert [
        (request["id"], request["action"], request["trial_id"]) for request in listed["items"]
    ] == [(body["id"], "stop", None)]
    written_at = datetime.fromisoformat(listed["items"][0]["at"])
    assert datetime.now(UTC) - written_at < timedelta(seconds=20)


def test_a_trial_is_asked_of_every_running_sweep(http: httpx2.Client, store: Store) -> None:
    trial = trial_of(0)
    answer = http.post(f"/trials/{trial}/actions", json={"action": "stop"})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["sweep"], body["also"], body["trial_id"]) == ("a", ["b"], trial)
    assert answer.headers["location"] == body["see"] == f"/trials/{trial}"
    assert stored_requests(store, "a") == stored_requests(store, "b") == [("stop-trial", trial)]
    ids = {request["id"] for name in ("a", "b") for request in requests.read_requests(store, name)}
    assert ids == {body["id"]}


def test_a_failed_trial_is_retried_by_the_sweep_that_runs(
    http: httpx2.Client, store: Store
) -> None:
    trial = trial_of(1)
    body = http.post(f"/trials/{trial}/actions", json={"action": "retry"}).json()
    assert (body["sweep"], body["also"], body["action"]) == ("a", [], "retry")
    assert stored_requests(store, "a") == [("retry-trial", trial)]
    assert stored_requests(store, "ended") == []


@pytest.mark.parametrize(
    ("path", "action", "status", "detail"),
    [
        ("/sweeps/nothing/actions", "stop", 404, "no sweep 'nothing'"),
        ("/sweeps/..%2fa/actions", "stop", 404, ""),
        ("/trials/nothing/actions", "stop", 404, "no trial 'nothing'"),
        ("/sweeps/ended/actions", "stop", 409, "the command of sweep 'ended' goes on with it (py"),
        ("/sweeps/a/actions", "retry", 422, "action"),
        ("/sweeps/a/actions", "explode", 422, "action"),
        ("/trials/{0}/actions", "retry", 409, "the trial is running"),
        ("/trials/{1}/actions", "stop", 409, "the trial is failed already"),
        ("/trials/{2}/actions", "stop", 409, "the trial is collapsed already"),
        ("/trials/{2}/actions", "retry", 409, "the trial is collapsed: only one that failed"),
        ("/trials/{3}/actions", "retry", 409, "no sweep plans it"),
        ("/trials/{sr}/actions", "stop", 409, "command of sweep 'ended' goes on"),
    ],
)
def test_what_makes_no_sense_now(
    refusing: httpx2.Client,
    unchanged: Store,
    path: str,
    action: str,
    status: int,
    detail: str,
) -> None:
    path = path.format(*(trial_of(k) for k in range(4)), sr=trial_of(0, "sr-static"))
    answer = refusing.post(path, json={"action": action})
    assert answer.status_code == status
    assert detail in answer.json()["detail"]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert (
        stored_requests(unchanged, "a")
        == stored_requests(unchanged, "b")
        == stored_requests(unchanged, "ended")
        == []
    )


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"{}", "application/json", 422),
        (b'{"action": "stop", "trial": "x"}', "application/json", 422),
        (b'{"action": ["stop"]}', "application/json", 422),
        (b"action=stop", "text/plain", 415),
        (b"action=stop", "", 415),
        (b"x" * 20_000, "application/json", 413),
        (b"&".join(b"a%d=1" % k for k in range(300)), "application/x-www-form-urlencoded", 400),
    ],
)
def test_what_is_no_request(
    refusing: httpx2.Client, unchanged: Store, content: bytes, media: str, status: int
) -> None:
    headers = {"Content-Type": media} if media else {}
    answer = refusing.post("/sweeps/a/actions", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith(
        "text/html" if "form" in media else "application/problem+json"
    )
    assert stored_requests(unchanged, "a") == []


def test_a_form_leads_back_to_its_page(http: httpx2.Client, store: Store) -> None:
    home = str(http.base_url).rstrip("/")
    for referer, expected_path in (
        (f"{home}/view/trials?sort=seed", "/view/trials?sort=seed"),
        ("", "/view/sweeps/a"),
        ("https://evil.example//evil.example", "/view/sweeps/a"),
    ):
        headers = {"Referer": referer} if referer else {}
        answer = http.post("/sweeps/a/actions", data={"action": "stop"}, headers=headers)
        assert answer.status_code == 303
        assert answer.headers["location"] == expected_path
    assert len(stored_requests(store, "a")) == 3
    refused = http.post("/sweeps/ended/actions", data={"action": "stop"})
    assert refused.status_code == 409
    assert refused.headers["content-type"].startswith("text/html")
    assert "is not running" in refused.text


def test_a_person_stops_a_sweep_from_its_page(
    browser: Browser, http: httpx2.Client, store: Store
) -> None:
    page = browser.new_page()
    page.goto(f"{http.base_url}/view/sweeps/a")
    assert page.get_by_text("Stop this sweep").count() == 0
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Token").fill(CONTROL)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Stop this sweep").click()
    write_driver(store, "a", host="another-head")
    page.get_by_text("another-head").wait_for()  # and what was opened stays open
    page.get_by_role("button", name="Stop a").click()
    page.get_by_text("asked to stop all trials: it takes effect").wait_for()
    assert page.url.endswith("/view/sweeps/a")
    assert stored_requests(store, "a") == [("stop-sweep", None)]
    page.close()


def test_a_silent_driver_is_not_running(http: httpx2.Client, store: Store) -> None:
    """Whatever the snapshot still says: its heartbeat is looked at in the store."""
    silent = (datetime.now(UTC) - timedelta(seconds=61)).isoformat()
    for changes in ({"heartbeat": silent}, {"heartbeat": 3}, {"state": "failed"}):
        write_driver(store, "a", **changes)
        assert http.post("/sweeps/a/actions", json={"action": "stop"}).status_code == 409
    store.write("sweeps/a.json", b"{")
    assert http.post("/sweeps/a/actions", json={"action": "stop"}).status_code == 409


def test_a_store_that_cannot_be_written(http: httpx2.Client, store: Store) -> None:
    Path(store.base, "sweeps", ".lock").mkdir()
    answer = http.post("/sweeps/a/actions", json={"action": "stop"})
    assert answer.status_code == 503
    assert "cannot write to the store" in answer.json()["detail"]
    assert "python -m sweep.control" in answer.json()["detail"]
    assert http.get("/sweeps/a/actions").json()["items"] == []


def test_what_was_asked_has_a_tag(http: httpx2.Client) -> None:
    tag = http.get("/sweeps/a/actions").headers["etag"]
    headers_with_tag = {"If-None-Match": tag}
    assert http.get("/sweeps/a/actions", headers=headers_with_tag).status_code == 304
    http.post("/sweeps/a/actions", json={"action": "stop"})
    assert http.get("/sweeps/a/actions", headers=headers_with_tag).status_code == 200
    assert http.get("/sweeps/nothing/actions").status_code == 404


def run(*arguments: str, results: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments, f"--results={results}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_sweep_is_stopped(tmp_path: Path) -> None:
    """A real driver and its trials stop, and the service says so."""
    root = tmp_path / "results"
    plan = (
        "sweep.table1",
        "--profile=digits",
        "--settings=C_32-32",
        "--methods=sn,sr-static",
        "--seeds=0",
        "--iterations=3000",
        "--no-stop-on-collapse",
        "--name=long",
    )
    driver = run(*plan, results=root)
    try:
        with serving(root, None, CONTROL) as http:
            http.headers.update(SENT)

            def running() -> bool:
                assert driver.poll() is None, driver.communicate()
                answer = http.get("/sweeps/long")
                counts: dict[str, Any] = answer.json().get("counts", {})
                return answer.status_code == 200 and counts.get("running", 0) > 0

            wait_for(running, 240)
            trial = http.get("/results?status=running").json()["items"][0]["trial_id"]
            stored_requests = http.post(f"/trials/{trial}/actions", json={"action": "stop"})
            assert stored_requests.status_code == 202, stored_requests.text
            see = stored_requests.json()["see"]
            wait_for(lambda: http.get(see).json()["status"] == "stopped", 120)
            assert driver.poll() is None, "the other one goes on"
            retried = http.post(f"/trials/{trial}/actions", json={"action": "retry"})
            assert retried.status_code == 202, retried.text
            wait_for(lambda: http.get(see).json()["status"] == "running", 240)
            stopped = http.post("/sweeps/long/actions", json={"action": "stop"})
            assert stopped.status_code == 202
            assert driver.wait(120) == 130
            wait_for(lambda: http.get("/sweeps/long").json()["state"] == "interrupted")
            assert "running" not in http.get("/sweeps/long").json()["counts"]
            late = http.post("/sweeps/long/actions", json={"action": "stop"})
            assert late.status_code == 409
            assert "sweep.table1" in late.json()["detail"]
    finally:
        if driver.poll() is None:
            driver.terminate()
        driver.communicate(timeout=60)
    assert json.loads(Path(root, "sweeps/long.json").read_text())["state"] == "interrupted"
