"""Notes through a real service, from programs and from its pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import polars
import pytest
from playwright.sync_api import Browser

from api.client import Client, Refused
from sweep.store.notes import add, new_note, read_notes
from sweep.store.store import Store
from tests.api.logins import CONTROL, READ
from tests.api.servers import opened_page, serving, wait_for
from tests.api.stores import identity, write_driver, write_plan, write_trial

FIRST, OTHER = (identity("C_32-32", "sn", seed)["trial_id"] for seed in range(2))
SENT = {"Authorization": f"Bearer {CONTROL}"}
HOSTILE = '<img src=x onerror="alert(1)"><script>document.title = "taken"</script> **bold**'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sn", seed) for seed in range(2)]
    for who in trials:
        write_trial(store, who)
    write_plan(store, "demo", trials)
    write_driver(store, "demo", state="finished")
    return store


@pytest.fixture
def http(store: Store) -> Iterator[httpx2.Client]:
    with serving(Path(store.base), READ, CONTROL) as http:
        http.headers.update(SENT)
        yield http


def ids(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["trial_id"] for item in answer.json()["items"]]


def test_a_note_is_added_and_seen_at_once(http: httpx2.Client, store: Store) -> None:
    body = {"author": "Ada", "text": "**odd** <b>", "tags": ["odd", "talk"]}
    answer = http.post(f"/trials/{FIRST}/notes", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/trials/{FIRST}/notes"
    assert answer.json().items() >= {**body, "trial_id": FIRST, "sweep": None}.items()
    (stored,), problems = read_notes(store)
    assert (stored.text, stored.tags, problems) == ("**odd** <b>", ("odd", "talk"), {})
    assert http.get(f"/trials/{FIRST}/notes").json()["items"] == [answer.json()]
    detail = http.get(f"/trials/{FIRST}").json()
    assert (detail["tags"], detail["notes"]) == (["odd", "talk"], [answer.json()])
    sweep_note = {"author": "Ada", "text": "", "tags": "baseline, first"}
    assert http.post("/sweeps/demo/notes", json=sweep_note).status_code == 201
    assert http.get("/sweeps/demo").json()["tags"] == ["baseline", "first"]
    assert http.get("/sweeps").json()["items"][0]["tags"] == ["baseline", "first"]
    assert len(http.get("/notes").json()["items"]) == 2
    assert ids(http.get("/notes?tag=tal*")) == [FIRST]


def test_trials_are_found_by_tags_and_exported_with_them(http: httpx2.Client) -> None:
    with Client(str(http.base_url), token=CONTROL) as client:
        check_tags(http, client)


def check_tags(http: httpx2.Client, client: Client) -> None:
    client.add_note(trial_id=FIRST, author="Ada", tags=["odd", "talk"])
    client.add_note("x", trial_id=OTHER, author="Ada", tags=["odd"])
    assert ids(http.get("/results?tag=odd")) == sorted([FIRST, OTHER])
    assert ids(http.get("/results?tag=talk&sweep=demo")) == [FIRST]
    assert [row["trial_id"] for row in client.results(tag="talk")] == [FIRST]
    assert http.get("/groups?by=method&tag=talk&agg=n").json()["items"][0]["values"] == {"n": 1}
    refused = http.get("/results?tag=tolk")
    assert (refused.status_code, "did you mean: talk" in refused.text) == (422, True)
    lines = list(csv.DictReader(io.StringIO(http.get("/results?format=csv").text)))
    tags = {line["trial_id"]: line["tags"] for line in lines}
    assert tags == {FIRST: '["odd", "talk"]', OTHER: '["odd"]'}
    frame = polars.read_parquet(http.get("/results?format=parquet").content)
    by_id = dict(zip(frame["trial_id"].to_list(), frame["tags"].to_list(), strict=True))
    assert by_id == {FIRST: ["odd", "talk"], OTHER: ["odd"]}
    client.add_note(trial_id=OTHER, author="Bob", removed_tags=["odd"])
    assert ids(http.get("/results?tag=odd")) == [FIRST]
    assert [note["removed_tags"] for note in client.notes(trial_id=OTHER)] == [[], ["odd"]]
    compared = http.get(f"/compare?t={FIRST}&t={OTHER}").json()["trials"]
    assert [(trial["tags"], len(trial["notes"])) for trial in compared] == [
        (["odd", "talk"], 1), ([], 2),
    ]  # fmt: skip
    with pytest.raises(Refused, match="empty note"):
        client.add_note(sweep="demo", author="Ada")
    with pytest.raises(ValueError, match="one trial or on one sweep"):
        client.add_note("x", author="Ada")


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/trials/nothing/notes", {"author": "a", "text": "x"}, 404, "no trial 'nothing'"),
        ("/sweeps/..%2fdemo/notes", {"author": "a", "text": "x"}, 404, ""),
        ("/sweeps/demo/notes", {"text": "x"}, 422, "author"),
        ("/sweeps/demo/notes", {"author": "a"}, 422, "empty note"),
        ("/sweeps/demo/notes", {"author": "a", "text": "x" * 4001}, 422, "4001 characters"),
        ("/sweeps/demo/notes", {"author": "a", "text": "\x1b[2J"}, 422, "cannot be shown"),
        ("/sweeps/demo/notes", {"author": "a", "tags": ["<b>"]}, 422, "tag '<b>'"),
        ("/sweeps/demo/notes", {"author": "a", "text": "x", "at": "now"}, 422, "at"),
        ("/sweeps/demo/notes", {"author": "a", "text": "x" * 20_000}, 413, "longer"),
    ],
)
def test_what_cannot_be_added(
    http: httpx2.Client, store: Store, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    answer = http.post(path, json=body)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert read_notes(store) == ([], {})


def test_only_the_control_token_adds(http: httpx2.Client, store: Store) -> None:
    body = {"author": "a", "text": "x"}
    for headers, status in (({"Authorization": f"Bearer {READ}"}, 403), ({}, 401)):
        del http.headers["authorization"]
        assert http.post("/sweeps/demo/notes", json=body, headers=headers).status_code == status
        http.headers.update(SENT)
    assert read_notes(store) == ([], {})


def test_a_strangers_note_is_text_on_every_page(
    http: httpx2.Client, store: Store, browser: Browser
) -> None:
    for on in ({"trial_id": FIRST}, {"trial_id": OTHER}, {"sweep": "demo"}):
        add(store, new_note(**on, author='<b id="taken">', text=HOSTILE, tags=["odd"]))
    wait_for(lambda: len(http.get("/notes").json()["items"]) == 3)
    http.headers.clear()
    pages = [f"/view/trials/{FIRST}", "/view/sweeps/demo", f"/view/compare?t={FIRST}&t={OTHER}"]
    for path in pages:
        page, seen = opened_page(browser, http, path, extra_http_headers=SENT)
        assert seen == []
        texts = page.locator(".markdown").all_inner_texts()
        assert '<img src=x onerror="alert(1)">' in texts[0]
        assert page.locator(".markdown strong").first.inner_text() == "bold"
        assert page.locator(".markdown img, .markdown script, #taken").count() == 0
        assert "taken" not in page.title()
        assert page.locator(".tags", has_text="odd").count() >= 1
        page.close()


def test_a_note_is_added_on_a_page(http: httpx2.Client, store: Store, browser: Browser) -> None:
    page = browser.new_page()
    home = str(http.base_url).rstrip("/")
    page.goto(f"{home}/login?next=/view/trials/{FIRST}")
    page.get_by_label("Token").fill(CONTROL)
    page.keyboard.press("Enter")
    page.get_by_text("Add a note or tags").click()
    page.get_by_label("Note, in Markdown").fill("collapses *early*")
    page.get_by_label("Tags, by spaces").fill("odd talk")
    page.locator("#note-author").fill("Ada")
    page.get_by_role("button", name="Add it").click()
    page.locator(".notes em", has_text="early").wait_for()
    assert page.url == f"{home}/view/trials/{FIRST}"
    (note,), _ = read_notes(store)
    assert (note.author, note.tags) == ("Ada", ("odd", "talk"))
    page.goto(f"{home}/view/trials")
    page.locator(".trials").get_by_role("link", name="talk").click()
    page.wait_for_url("**/view/trials?tag=talk")
    assert page.locator(".trials tbody tr").count() == 1
    page.close()
