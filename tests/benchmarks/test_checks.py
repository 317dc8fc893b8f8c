"""Checks of answers: each fails for an answer to another question."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest

from sweep.store.schemas import SCHEMAS
from sweep.store.tables import csv_of, file_of

KNOWN = {
    f"t{seed}": {"profile": "digits", "setting": "C_32-32", "method": "sn", "seed": seed}
    for seed in range(3)
}


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import checks

    return checks


@pytest.fixture
def trial_questions(checks: ModuleType) -> ModuleType:
    import trial_questions

    return trial_questions


def answer(checks: ModuleType, body: Mapping[str, Any]) -> Any:
    return checks.Answer(200, checks.JSON, json.dumps(body).encode())


def curve(tmp_path: Path, distances: list[float]) -> list[dict[str, Any]]:
    """Stores a curve of the trial `t0`; returns its rows as the service answers them."""
    rows = [{"trial_id": "t0", "iteration": k, "fid": fid} for k, fid in enumerate(distances)]
    path = tmp_path / "evaluations/t0.parquet"
    path.parent.mkdir(exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=SCHEMAS["evaluations"])
    path.write_bytes(file_of("evaluations", table))
    return [{"iteration": row["iteration"], "fid": row["fid"]} for row in rows]


@pytest.mark.parametrize(
    ("values", "descending", "right"),
    [
        ([1.0, 2.0, float("nan"), None], False, True),
        ([2.0, 1.0, float("nan"), None], True, True),
        ([2.0, 1.0], False, False),
        ([None, 1.0], False, False),
        ([float("nan"), 1.0], True, False),
        (["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.500000Z"], False, True),
    ],
)
def test_rows_are_in_order(
    checks: ModuleType, values: list[Any], descending: bool, right: bool
) -> None:
    rows = [{"trial_id": f"t{k}", "by": value} for k, value in enumerate(values)]
    if right:
        checks.check_order(rows, "by", descending=descending)
    else:
        with pytest.raises(AssertionError, match="not in the order"):
            checks.check_order(rows, "by", descending=descending)


def test_a_trial_is_listed_once(checks: ModuleType) -> None:
    with pytest.raises(AssertionError, match="twice"):
        checks.check_order([{"trial_id": "t0", "by": 1}] * 2, "by", descending=False)


def test_a_row_is_of_the_trial_that_its_id_names(checks: ModuleType, tmp_path: Path) -> None:
    facts = checks.Facts(tmp_path, KNOWN, [*KNOWN], frozenset())
    checks.check_identity(facts, {"trial_id": "t1", "seed": 1})
    with pytest.raises(AssertionError, match="t1 has seed 2"):
        checks.check_identity(facts, {"trial_id": "t1", "seed": 2})
    with pytest.raises(AssertionError, match="no trial t9"):
        checks.check_identity(facts, {"trial_id": "t9"})


def test_a_curve_is_the_beginning_of_the_stored_one(
    checks: ModuleType, trial_questions: ModuleType, tmp_path: Path
) -> None:
    facts = checks.Facts(tmp_path, KNOWN, ["t0"], frozenset())
    question = next(
        asked
        for seed in range(1000)
        if (asked := trial_questions.ask_curve(facts, random.Random(seed))).path.endswith(
            "?keys=fid&format=json"
        )
    )
    items = curve(tmp_path, [9.0, 8.0, 7.0])
    question.check(answer(checks, {"trial_id": "t0", "items": items}))
    question.check(answer(checks, {"trial_id": "t0", "items": items[:2]}))
    others = [
        {"trial_id": "t1", "items": items},
        {"trial_id": "t0", "items": [*items, {"iteration": 3, "fid": 6.0}]},
        {"trial_id": "t0", "items": [{**items[0], "fid": 5.0}]},
        {"trial_id": "t0", "items": [{**items[0], "gap": 0.5}]},
    ]
    for other in others:
        with pytest.raises(AssertionError):
            question.check(answer(checks, other))


@pytest.mark.parametrize("wrong", [None, "setting", "method", "seed"])
def test_a_list_has_what_was_asked_for(
    checks: ModuleType, trial_questions: ModuleType, tmp_path: Path, wrong: str | None
) -> None:
    question = trial_questions.ask_list(None, random.Random(1))
    query = {name: texts[0] for name, texts in parse_qs(urlsplit(question.path).query).items()}
    facts = checks.Facts(tmp_path, {"t0": KNOWN["t0"] | query}, ["t0"], frozenset())
    question = trial_questions.ask_list(facts, random.Random(1))
    row = dict.fromkeys(["trial_id", *query["fields"].split(",")]) | {"trial_id": "t0"}
    row |= {"setting": query["setting"], "method": query["method"]}
    listed = answer(checks, {"items": [row | ({wrong: "another"} if wrong else {})]})
    if wrong is None:
        question.check(listed)
    else:
        with pytest.raises(AssertionError, match=r"another|columns"):
            question.check(listed)


def test_the_rows_of_every_format_are_alike(checks: ModuleType) -> None:
    table = pa.table({"trial_id": ["t0"], "seconds": [float("nan")], "seed": [1]})
    text = checks.rows_of(checks.Answer(200, checks.CSV, csv_of(table)))
    item = {"trial_id": "t0", "seconds": None, "seed": 1, "nonfinite": {"seconds": "nan"}}
    plain = checks.rows_of(answer(checks, {"items": [item]}))
    for (row,) in (text, plain):
        assert row["seed"] == 1
        assert checks.same(row["seconds"], float("nan"))
