"""A store with rows of any content that the schemas allow: no question falls over it."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import api
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store
from sweep.store.vocabulary import JSON_COLUMNS
from tests.api.questions import QUERIES, ask_everything
from tests.api.stores import identity, write_driver, write_plan, write_trial

TABLES = ("trials", "evaluations", "spectra", "outputs", "sweeps")
# What columns of text may hold beside any text: what the code knows, and what looks like it.
TEXTS = (
    "", "planned", "running", "completed", "failed", "paused", "sn", "sr-static", "my-sr",
    "digits", "paper", "own", "digits8", "ring", "cifar10", "C_32-32", "A_64-128", "U_7-7",
    "Z_1-1", "E", "Z", "project", "training", "generated", "d", "d_loss", "<b>", "=1+1", "é\u2028",
    "a/b", "%2e", "{}",
)  # fmt: skip
OBJECTS = (
    "{}", "[]", "null", "1", '"text"', "{", "[" * 3000, '{"device": null, "threads": "x"}',
    '{"device": ["cuda"], "gate_radius": NaN}', '{"extractor": {"a": [1e999]}, "splits": null}',
    '{"mode_collapse": 5, "splits": [], "reason": {}}',
)  # fmt: skip
INTS = (-(2**63), -1, 0, 1, 2, 75, 1500, 2**31, 2**53 + 1, 2**63 - 1)
FLOATS = (math.nan, math.inf, -math.inf, -1.0, -0.0, 5e-324, 1e-300, 0.5, 1.0, 1e308)
MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TIMES = (
    MOMENT, MOMENT + timedelta(microseconds=1), datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)  # fmt: skip


def values(name: str, kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Any value of a column, and what breaks code first more often."""
    if name in JSON_COLUMNS:
        return st.none() | st.sampled_from(OBJECTS)
    if pa.types.is_string(kind):
        return st.none() | st.sampled_from(TEXTS) | st.text(max_size=5).filter(_is_utf8)
    if pa.types.is_integer(kind):
        return st.none() | st.sampled_from(INTS) | st.integers(-(2**63), 2**63 - 1)
    if pa.types.is_floating(kind):
        return st.none() | st.sampled_from(FLOATS) | st.floats(width=16)
    if pa.types.is_boolean(kind):
        return st.none() | st.booleans()
    if pa.types.is_timestamp(kind):
        return st.none() | st.sampled_from(TIMES)
    if pa.types.is_map(kind):
        names, numbers = values("", kind.key_type), values("", kind.item_type)
        return st.none() | st.dictionaries(names.filter(bool), numbers, max_size=3)
    return st.none() | st.lists(values("", kind.value_type), max_size=4)


def _is_utf8(text: str) -> bool:
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text


def changes(table: str) -> st.SearchStrategy[Mapping[str, Any]]:
    """New values of a few columns of a row; one in ten times of all."""
    fields = {f.name: values(f.name, f.type) for f in SCHEMAS[table] if f.name != "trial_id"}
    few = st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
    )
    return few | few | few | st.fixed_dictionaries(fields)


DRIVERS = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["running", "finished", "paused", "", 5, None]),
        "heartbeat": st.sampled_from(["2026-03-01T12:00:00", "0001-01-01T00:00:00+00:00", 1e300]),
        "started_at": st.sampled_from(["2026-03-01T12:00:00", "9999-12-31T23:59:59Z", None, "x"]),
        "slots": st.sampled_from([None, 0, -1, 2**70, "2"]),
        "eta_seconds": st.sampled_from([None, -1.0, 1e308, 0.0, "soon"]),
        "host": st.sampled_from([None, "", "<b>"]),
        "sweep": st.sampled_from(["demo", "another"]),
    },
)
# Of each table: which of its rows are changed, and how.
CONTENTS = st.fixed_dictionaries(
    {
        table: st.lists(st.tuples(st.integers(0, 40), changes(table)), max_size=3)
        for table in TABLES
    }
    | {"driver": DRIVERS, "cut": st.booleans()}
)
# Streams without an end, what is read from pictures and checkpoints, which the store lacks, and
# SQL, which a process of its own answers.
NOT_ASKED = {
    "/events", "/sweeps/{name}/events", "/trials/{trial_id}/generate",
    "/trials/{trial_id}/generator", "/trials/{trial_id}/samples/{iteration}", "/sql",
}  # fmt: skip


# The strategies are long to print, which Hypothesis warns of.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The rows of a store of three trials, by file, before anything is changed."""
    store = Store(tmp_path_factory.mktemp("original"))
    trials = [
        identity("C_32-32", "sn", 0), identity("C_32-32", "sr-static", 0),
        identity("A_64-128", "sn", 0), identity("A_64-128", "sn", 1),
    ]  # fmt: skip
    ends = ("completed", "completed", "running", "running")
    for who, status in zip(trials, ends, strict=True):
        write_trial(store, who, status)
    write_plan(store, "demo", [*trials, identity("B_64-64", "sn", 2)])
    return {
        f"{table}/{file.key}": store.read_rows(table, file.key)
        for table in TABLES
        for file in store.list(table)
        if file.path.endswith(".parquet")
    }


def write_changed(
    store: Store, original: Mapping[str, list[dict[str, Any]]], contents: Mapping[str, Any]
) -> None:
    for path, rows in original.items():
        table, _, key = path.partition("/")
        changed = [dict(row) for row in rows]
        for place, new_values in contents[table]:
            # A change is of all trials' rows but one's.
            if table != "trials" or "A_64-128.sn.-.s0" not in key:
                changed[place % len(changed)] |= new_values
        if table == "sweeps":
            changed = [row | {"sweep": key} for row in changed]
        store.write_rows(table, key, changed)
        if table == "trials" and "sn.-.s1" in key and contents.get("cut"):
            store.write(f"{table}/{key}.parquet", b"PAR1 half a fi")
    write_driver(store, "demo")
    driver = json.loads(store.read("sweeps/demo.json") or b"{}")
    store.write("sweeps/demo.json", json.dumps(driver | contents["driver"]).encode())


def check(examples: int, original: dict[str, list[dict[str, Any]]]) -> None:
    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None,
        # An example takes seconds: one that fails is not made smaller.
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(contents=CONTENTS)
    def no_answer_is_a_failure(contents: Mapping[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            write_changed(store, original, contents)
            for address, status, text in ask_everything(store):
                assert status < 500, f"{address}: {text}"

    no_answer_is_a_failure()


def test_unchanged_everything_is_answered(
    original: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    write_changed(store, original, {table: [] for table in TABLES} | {"driver": {}})
    refused = [
        f"{url} {status} {text}" for url, status, text in ask_everything(store) if status != 200
    ]
    assert not refused, "\n".join(refused)


def test_every_route_is_asked() -> None:
    description = json.loads((Path(api.__file__).parent / "openapi.json").read_text())
    routes = {path for path, methods in description["paths"].items() if "get" in methods}
    addresses = [re.sub(r"\{id\}|demo", "1", query.partition("?")[0]) for query in QUERIES]
    asked = {
        route
        for route in routes
        if any(re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", route), a) for a in addresses)
    }
    assert routes - asked == NOT_ASKED


def test_no_content_is_a_failure(original: dict[str, list[dict[str, Any]]]) -> None:
    check(6, original)


@pytest.mark.slow
def test_no_content_is_a_failure_at_length(original: dict[str, list[dict[str, Any]]]) -> None:
    check(80, original)
