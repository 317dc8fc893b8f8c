"""`python -m sweep.rivals_page`: a page from a store and from its folder again, and refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sweep.rivals_page import BEGIN, END, main
from sweep.run.rows import identity_row, plan_rows
from sweep.store.store import Store
from trainer.config.trial import trial_config

METHODS = ("sn", "pacgan")
SEEDS = (10, 11, 12)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A comparison of two methods, of which the last trial has not begun."""
    store = Store(str(tmp_path / "results"))
    trials = {m: [trial_config("digits", "C_32-32", m, seed) for seed in SEEDS] for m in METHODS}
    plan = [config for configs in trials.values() for config in configs]
    store.write_rows("sweeps", "rivals", plan_rows("rivals", plan))
    for place, config in enumerate(plan[:-1]):
        done = {"status": "completed", "updated_at": datetime.now(UTC), "host": "node-7"}
        final = {"final_fd_digits": 1000.0 - 10 * place}
        store.write_rows("trials", config.trial_id, [identity_row(config) | done | final])
    winner = {"values": {}, "candidates": 0, "objective": None}
    methods = [
        {
            "method": method,
            "note": None,
            "budget": 0,
            "candidates": [],
            "winner": winner,
            "final_trials": [config.trial_id for config in configs],
        }
        for method, configs in trials.items()
    ]
    contest = {
        "space": "rivals",
        "settings": ["C_32-32"],
        "seeds": [*SEEDS],
        "tuning_setting": "C_32-32",
        "tuning_seeds": [0, 1],
        "methods": methods,
    }
    store.write("sweeps/rivals.study.json", json.dumps(contest).encode())
    return store


def write(folder: Path, *flags: str) -> int:
    return main([str(folder / "study"), str(folder / "STUDY.md"), *flags])


def test_the_page_is_written_from_the_store_and_again_from_the_folder(
    store: Store, tmp_path: Path
) -> None:
    assert write(tmp_path, "--results", store.root, "--take", "rivals") == 0
    page = (tmp_path / "STUDY.md").read_text()
    assert "| C_32-32 | pacgan | 2 of 3 | 965 ± 7 |" in page
    assert "![paired differences to SN by setting and method](study/minus-sn.svg)" in page
    assert (tmp_path / "study" / "minus-sn.svg").read_text().count("<circle") == 2
    assert b"node-7" not in (tmp_path / "study" / "trials.parquet").read_bytes()
    (tmp_path / "results").rename(tmp_path / "gone")
    assert write(tmp_path) == 0
    assert (tmp_path / "STUDY.md").read_text() == page


def test_words_around_the_marks_are_kept(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "STUDY.md"
    page.write_text(f"# What we found\n\n{BEGIN}\nold\n{END}\n\nAnd what we did not.\n")
    assert write(tmp_path, "--results", store.root, "--take", "rivals") == 0
    text = page.read_text()
    assert text.startswith(f"# What we found\n\n{BEGIN}\n\n**Final FD-digits")
    assert text.endswith(f"{END}\n\nAnd what we did not.\n")
    assert "old" not in text


@pytest.mark.parametrize("text", ["# Mine\n", f"# Mine\n{END}\n{BEGIN}\n"])
def test_a_page_without_the_marks_is_left_alone(
    text: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "STUDY.md"
    page.write_text(text)
    assert write(tmp_path, "--results", store.root, "--take", "rivals") == 2
    assert "STUDY.md lacks the lines <!-- written by" in capsys.readouterr().err
    assert page.read_text() == text


def test_bad_input_is_one_line(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write(tmp_path) == 2
    assert "--take NAME fills it" in capsys.readouterr().err
    assert write(tmp_path, "--results", store.root, "--take", "rival") == 2
    assert "unknown sweep 'rival'; did you mean: rivals" in capsys.readouterr().err
    store.delete("sweeps/rivals.study.json")
    assert write(tmp_path, "--results", store.root, "--take", "rivals") == 2
    said = "sweep rivals is none of sweep.rivals: it has no record of a tuning\n"
    assert capsys.readouterr().err == f"python -m sweep.rivals_page: {said}"
