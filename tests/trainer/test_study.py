"""The study's page against its stored trials: written again, and counted without our code."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sweep import rivals_page

STUDY = Path(__file__).parents[2] / "trainer" / "study"
PAGE = STUDY.with_name("STUDY.md")
SCORE = "final_fd_digits"


@pytest.fixture(scope="module")
def finals() -> pd.DataFrame:
    """Trials of winners on fresh seeds that have run to their end."""
    contest = json.loads((STUDY / "contest.json").read_text())
    ids = [trial for method in contest["methods"] for trial in method["final_trials"]]
    trials = pd.read_parquet(STUDY / "trials.parquet").set_index("trial_id")
    return trials.loc[[i for i in ids if i in trials.index]].dropna(subset=[SCORE])


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, str], list[str]]:
    """Cells of the page's first table, by setting and method."""
    lines = re.findall(r"^\| ([A-E]_\d+-\d+) \| ([a-z0-9-]+) \| (.*) \|$", PAGE.read_text(), re.M)
    return {(setting, method): rest.split(" | ") for setting, method, rest in lines}


def test_the_page_is_what_the_command_writes(tmp_path: Path) -> None:
    folder, page = tmp_path / STUDY.name, tmp_path / PAGE.name
    shutil.copytree(STUDY, folder)
    shutil.copy(PAGE, page)
    assert rivals_page.main([str(folder), str(page)]) == 0
    assert page.read_text() == PAGE.read_text()
    for file in STUDY.iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()


def test_means_and_spreads(finals: pd.DataFrame, table: dict[tuple[str, str], list[str]]) -> None:
    for cell, trials in finals.groupby(["setting", "method"]):
        n, score, _, modes, *_ = table[cell]
        assert int(n.partition(" of ")[0]) == len(trials)
        numbers = [float(text) for text in score.split(" ± ")]
        expected = [trials[SCORE].mean(), trials[SCORE].std()][: len(numbers)]
        assert numbers == pytest.approx(expected, abs=0.51)
        assert float(modes) == pytest.approx(trials["final_modes"].mean(), abs=0.51)
    done = set(finals.groupby(["setting", "method"]).groups)
    assert all(table[cell][-1] == "not run" for cell in table.keys() - done)


def test_paired_differences_to_sn(
    finals: pd.DataFrame, table: dict[tuple[str, str], list[str]]
) -> None:
    compared = 0
    by_seed = finals.set_index(["setting", "method", "seed"])[SCORE].sort_index()
    for setting, method in table:
        if method == "sn" or (setting, method) not in by_seed or (setting, "sn") not in by_seed:
            continue
        pairs = (by_seed[setting, method] - by_seed[setting, "sn"]).dropna()
        if len(pairs) < 3:
            continue
        half = stats.t.ppf(0.975, len(pairs) - 1) * pairs.std() / np.sqrt(len(pairs))
        text = table[setting, method][4].replace("−", "-")
        numbers = [float(number) for number in re.findall(r"[-+]?\d+", text)]
        assert numbers == pytest.approx(
            [pairs.mean(), pairs.mean() - half, pairs.mean() + half], abs=0.51
        )
        compared += 1
    assert compared


def test_the_stored_trials_are_small() -> None:
    assert (STUDY / "trials.parquet").stat().st_size <= 2**20
