from __future__ import annotations

from pathlib import Path

import pytest

from sweep.plan.grid import grid, ratios, seeds
from trainer.config.costs import operations
from trainer.config.lookup import UsageError
from trainer.config.own_images import OwnImages
from trainer.config.settings import METHODS, SETTINGS
from trainer.config.trial import trial_config


def test_the_whole_of_table_i_longest_first_each_once() -> None:
    plan = grid("digits", ["*"], ["sn", "sr-static"], [0, 0])
    assert len(plan.trials) == len({c.trial_id for c in plan.trials}) == 2 * len(SETTINGS)
    assert {c.setting for c in plan.trials} == set(SETTINGS)
    lengths = [operations(c) for c in plan.trials]
    assert lengths == sorted(lengths, reverse=True)
    assert plan.skipped == {}


def test_a_trial_of_any_seed_is_the_one_of_that_name() -> None:
    plan = grid("digits", ["C_8-32"], ["sn", "sr-static"], [3, 1, 2], i_ratios=[0.25, 1])
    named = [trial_config("digits", "C_8-32", "sn", seed) for seed in (3, 1, 2)]
    named += [
        trial_config("digits", "C_8-32", "sr-static", seed, i_ratio=i)
        for i in (0.25, 1)
        for seed in (3, 1, 2)
    ]
    assert plan.trials == sorted(named, key=operations, reverse=True)


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


def test_every_trial_runs_on_each_share_of_the_images() -> None:
    shares = [0.1, 1.0]
    plan = grid("digits", ["C_8-32"], ["sn", "sr-static"], [0, 1], data_shares=shares)
    found = [(c.method, c.data_share, c.seed) for c in plan.trials]
    assert len(set(found)) == 8
    assert {share for _, share, _ in found} == {0.1, None}
    whole = grid("digits", ["C_8-32"], ["sn", "sr-static"], [0, 1]).trials
    assert {c.trial_id for c in whole} < {c.trial_id for c in plan.trials}


def test_methods_that_lift_run_with_each_i_and_the_others_once() -> None:
    plan = grid(
        "digits", ["C_8-32"], ["sn", "sr-static", "sr-dynamic"], [0, 1], i_ratios=[0.25, 1]
    )
    assert {(c.method, c.i_ratio, c.seed) for c in plan.trials} == {
        *((method, None, seed) for method in ("sn", "sr-dynamic") for seed in (0, 1)),
        *(("sr-static", i, seed) for i in (0.25, 1) for seed in (0, 1)),
    }
    half = grid("digits", ["C_8-32"], ["sr-static"], [0], i_ratios=[0.5])
    assert half.trials == grid("digits", ["C_8-32"], ["sr-static"], [0]).trials


def test_what_does_not_go_together_is_said_and_the_rest_runs(tmp_path: Path) -> None:
    """JARE's penalty cannot be taken over parts of a batch, and ImageNet's batch is divided."""
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    plan = grid("paper", ["E_512-64"], ["sn", "jare"], [0], data_root=tmp_path)
    assert [c.method for c in plan.trials] == ["sn"]
    assert list(plan.skipped) == ["E_512-64 with jare"]
    assert "micro_batch must be 512, not 32" in plan.skipped["E_512-64 with jare"]
    with pytest.raises(UsageError, match="no sum over parts"):
        grid("paper", ["E_512-64"], ["jare", "conopt"], [0], data_root=tmp_path)


def test_every_method_can_be_planned_for_every_setting_of_the_digits() -> None:
    plan = grid("digits", ["*"], ["*"], [0])
    assert plan.skipped == {}
    assert len(plan.trials) == len(SETTINGS) * len(METHODS)


def test_the_weights_hash_is_part_of_what_runs(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    with_it, without = (
        grid("paper", ["C_8-32"], ["sn"], [0], data_root=tmp_path, scorer=scorer).trials[0]
        for scorer in ("ab" * 32, None)
    )
    assert (with_it.scorer, with_it.curve_protocol) == ("ab" * 32, "paper-5k")
    assert (without.scorer, without.curve_protocol) == (None, None)
    assert with_it.trial_id != without.trial_id


@pytest.mark.parametrize("text", ["0", "1.5", "-0.5", "nan", "x", "", "0.5,"])
def test_bad_ratios(text: str) -> None:
    with pytest.raises(UsageError, match=r"--i-ratios are numbers in \(0, 1\]"):
        ratios(text)


def test_ratios() -> None:
    assert ratios("0.25, 0.5,1,0.25") == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("text", "expected"), [("0", [0]), ("0,2", [0, 2]), ("1-3,2,7", [1, 2, 3, 7])]
)
def test_seeds(text: str, expected: list[int]) -> None:
    assert seeds(text) == expected


def test_the_largest_seed_is_one_that_a_store_holds() -> None:
    assert seeds(f"{2**63 - 2}-{2**63 - 1},000") == [2**63 - 2, 2**63 - 1, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{2**63}", r"at most 2\^63 - 1, not '9223372036854775808'"),
        (f"0-{2**63}", r"at most 2\^63 - 1"),
        (f"1,{2**63 - 1}-{'9' * 5000}", r"at most 2\^63 - 1, not '.{40}\.\.\.'$"),
        (f"0-{2**63 - 1}", "are more than 100,000 in all"),
        ("0-60000,100000-160000", "are more than 100,000 in all"),
    ],
)
def test_seeds_beyond_reason(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        seeds(text)


@pytest.mark.parametrize("text", ["-1", "", "a", "1,", "3-1", "1-", "0.5"])
def test_bad_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="seeds"):
        seeds(text)


def test_sr_is_what_the_paper_used_on_the_settings_data() -> None:
    plan = grid("digits", ["C_8-32", "E_64-128", "E_*-64"], ["sn", "sr"], [0], iterations=2)
    methods = {c.setting: c.method for c in plan.trials if c.method != "sn"}
    assert methods == {
        "C_8-32": "sr-static",
        "E_64-128": "sr-static",
        "E_256-64": "sr-static",
        "E_512-64": "sr-dynamic",
        "E_2048-64": "sr-dynamic",
    }
    both = grid("digits", ["C_8-32"], ["sr", "sr-static"], [0], iterations=2)
    assert [c.method for c in both.trials] == ["sr-static"]


OWN = OwnImages(resolution=32, sha256="ab" * 32, images=900, classes=2)


def test_own_pictures_take_the_sizes_of_rows_and_of_others() -> None:
    plan = grid("small", ["C_8-32", "E_256-128", "A_256-128"], ["sn", "sr"], [0], own=OWN)
    assert {(c.setting, c.method) for c in plan.trials} == {
        (setting, method) for setting in ("U_8-32", "U_256-128") for method in ("sn", "sr-static")
    }
    assert {c.dataset for c in plan.trials} == {OWN.name}
    assert {c.own_images for c in plan.trials} == {OWN}
    others = grid("small", ["U_8-*"], ["sn"], [0], own=OWN).trials
    assert {c.setting for c in others} == {f"U_8-{width}" for width in (32, 64, 128, 256)}
    rows = grid("small", ["*"], ["sn"], [0], own=OWN).trials
    sizes = {(s.batch_size, s.channels) for s in SETTINGS.values()}
    assert len(rows) == len(sizes), "a pattern without U means the rows"


def test_another_data_set_of_the_profile_and_another_device(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    root = {"data_root": tmp_path, "device": "cpu"}
    (trial,) = grid("paper", ["C_8-32"], ["sn"], [0], dataset="cifar10-conditional", **root).trials
    assert (trial.setting, trial.classes, trial.device) == ("U_8-32", 10, "cpu")
    (row,) = grid("paper", ["C_8-32"], ["sn"], [0], dataset="cifar10", **root).trials
    assert row.setting == "C_8-32"


def test_data_sets_that_a_profile_has_not() -> None:
    for profile, dataset in (("digits", "cifar10"), ("small", "images48")):
        with pytest.raises(UsageError, match=f"unknown data set of the {profile} profile"):
            grid(profile, ["C_8-32"], ["sn"], [0], dataset=dataset)
    with pytest.raises(UsageError, match="give --dataset images and --data-root"):
        grid("small", ["C_8-32"], ["sn"], [0])
