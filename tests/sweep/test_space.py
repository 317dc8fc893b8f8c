from __future__ import annotations

from pathlib import Path

import pytest

from sweep.space import grid, seeds
from trainer.settings import SETTINGS, UsageError


def test_the_whole_of_table_i_longest_first_each_once() -> None:
    plan = grid("digits", ["*"], ["sn", "sr-static"], [0, 0])
    assert len(plan.trials) == len({c.trial_id for c in plan.trials}) == 2 * len(SETTINGS)
    assert {c.setting for c in plan.trials} == set(SETTINGS)
    lengths = [c.operations for c in plan.trials]
    assert lengths == sorted(lengths, reverse=True)
    assert plan.skipped == {}


def test_no_two_settings_run_the_same(tmp_path: Path) -> None:
    trials = grid("digits", ["*"], ["sn"], [0]).trials
    assert len({(c.dataset, c.batch_size, c.channels) for c in trials}) == len(SETTINGS)


def test_settings_without_their_data_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    plan = grid("paper", ["*"], ["sn"], [0], data_root=tmp_path)
    assert {c.dataset for c in plan.trials} == {"cifar10"}
    assert set(plan.skipped) == {name for name in SETTINGS if name.startswith("E")}
    assert "stl10" in plan.skipped["E_64-128"]
    assert "imagenet" in plan.skipped["E_512-64"]


def test_no_data_at_all_is_bad_input() -> None:
    with pytest.raises(UsageError, match="--data-root"):
        grid("paper", ["C_*"], ["sn"], [0])


def test_download_plans_what_can_be_downloaded(tmp_path: Path) -> None:
    plan = grid("paper", ["E_*"], ["sn"], [0], data_root=tmp_path, download=True)
    assert {c.dataset for c in plan.trials} == {"stl10"}


@pytest.mark.parametrize(
    ("text", "expected"), [("0", [0]), ("0,2", [0, 2]), ("1-3,2,7", [1, 2, 3, 7])]
)
def test_seeds(text: str, expected: list[int]) -> None:
    assert seeds(text) == expected


@pytest.mark.parametrize("text", ["-1", "", "a", "1,", "3-1", "1-", "0.5"])
def test_bad_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="seeds"):
        seeds(text)
