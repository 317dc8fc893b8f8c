from __future__ import annotations

from datetime import UTC, datetime
from statistics import fmean

import pytest

from sweep.paper.table2 import DEFAULT_I_RATIO, TABLE_II, table2
from trainer.config import methods
from trainer.config.settings import SETTINGS


def no_curves(trial_id: str) -> list[dict]:
    return []


def row_of(rows, setting: str = "C_32-32"):
    return next(row for row in rows if row.setting == setting)


def test_the_table_is_the_papers() -> None:
    assert list(TABLE_II) == list(SETTINGS)
    collapsed = {name for name, row in TABLE_II.items() if row.mode_collapse}
    assert len(collapsed) == 10
    assert collapsed == {name for name, row in TABLE_II.items() if row.spectral_collapse}
    # The mean FID reduction over the printed cells; the text's 21.8 % is not reproducible.
    assert fmean(1 - r.sr_fid / r.sn_fid for r in TABLE_II.values()) == pytest.approx(
        0.1216, abs=1e-4
    )
    assert [name for name, r in TABLE_II.items() if r.sr_fid > r.sn_fid] == ["A_16-128"]


def test_an_empty_store_still_has_all_rows() -> None:
    rows = table2([], no_curves)
    assert [row.setting for row in rows] == list(TABLE_II)
    assert all(row.measured == {} and row.pairs == {} for row in rows)


def test_mean_and_sd_over_finished_seeds(trial) -> None:
    trials = [
        trial(seed=1, best_fd_digits=1000.0, status="collapsed", mode_collapse_at=375),
        trial(seed=0, best_fd_digits=900.0),
        trial(seed=2, best_fd_digits=100.0, status="running"),
        trial(seed=3, best_fd_digits=100.0, status="failed"),
    ]
    result = row_of(table2(trials, no_curves)).measured["digits"]["sn"]
    assert (result.n, result.mean, result.score) == (2, 950.0, "fd_digits")
    assert result.sd == pytest.approx(70.7107, abs=1e-4)
    assert [(s.seed, s.status, s.mode_collapse_at) for s in result.seeds] == [
        (0, "completed", None),
        (1, "collapsed", 375),
        (2, "running", None),
        (3, "failed", None),
    ]


def test_one_seed_has_no_spread_and_says_so(trial) -> None:
    result = row_of(table2([trial()], no_curves)).measured["digits"]["sn"]
    assert (result.n, result.mean, result.sd, result.comparable) == (1, 900.0, None, False)
    assert result.reasons == [
        "data set: digits8, the paper's is cifar10",
        "score: fd_digits, the paper's is fid",
        "iterations: 1500, the paper's is 50000",
        "n_critic: 1, the paper's is 5",
        "batch size: 16, the paper's is 32",
        "CH: 16, the paper's is 32",
        "1 seed",
    ]


def test_the_papers_own_protocol_is_comparable(trial) -> None:
    trials = [
        trial(
            seed=seed,
            profile="paper",
            dataset="cifar10",
            iterations=50_000,
            batch_size=32,
            channels=32,
            best_fid=78.0 + seed,
        )
        for seed in (0, 1)
    ]
    for row in trials:
        row["config"] = '{"n_critic": 5}'
    result = row_of(table2(trials, no_curves)).measured["paper"]["sn"]
    assert (result.comparable, result.reasons, result.mean) == (True, [], 78.5)


def test_other_weights_are_not_comparable(trial) -> None:
    row = trial(profile="paper", dataset="cifar10", best_fid=78.0)
    row["protocol"] = '{"weights_sha256": "ab", "reference_weights": false}'
    reasons = row_of(table2([row], no_curves)).measured["paper"]["sn"].reasons
    assert "Inception weights: not the reference file" in reasons
    row["protocol"] = '{"reference_weights": true}'
    reasons = row_of(table2([row], no_curves)).measured["paper"]["sn"].reasons
    assert not any("weights" in reason for reason in reasons)


def test_a_branch_is_not_table_ii(trial) -> None:
    trials = [trial(trial_id="whole"), trial(trial_id="branch", seed=1, parent="whole")]
    measured = row_of(table2(trials, no_curves)).measured["digits"]
    assert [seed.trial_id for seed in measured["sn"].seeds] == ["whole"]


def test_a_trial_on_a_share_of_the_images_is_not_table_ii(trial) -> None:
    trials = [trial(trial_id="whole"), trial(trial_id="part", seed=1, data_share=0.1)]
    measured = row_of(table2(trials, no_curves)).measured["digits"]
    assert [seed.trial_id for seed in measured["sn"].seeds] == ["whole"]


def test_a_run_with_a_score_of_its_own_is_not_table_ii(trial) -> None:
    """A setting may be called like one of the paper's, and its curve has none of these scores."""
    own = trial(trial_id="own", seed=1) | {"score": "accuracy"}
    measured = row_of(table2([trial(trial_id="whole"), own], no_curves)).measured["digits"]
    assert [seed.trial_id for seed in measured["sn"].seeds] == ["whole"]


def test_lengths_are_never_mixed(trial) -> None:
    trials = [
        trial(trial_id="short", seed=0, iterations=40, best_fd_digits=1.0),
        trial(trial_id="long", seed=0, best_fd_digits=900.0),
        trial(trial_id="short-1", seed=1, iterations=40, best_fd_digits=1.0),
        trial(trial_id="longer", seed=0, iterations=9000, status="running", best_fd_digits=2.0),
    ]
    result = row_of(table2(trials, no_curves)).measured["digits"]["sn"]
    assert [seed.trial_id for seed in result.seeds] == ["long"]
    assert (result.n, result.mean) == (1, 900.0)


def test_of_equally_long_configurations_the_last_written_counts(trial) -> None:
    later = datetime(2026, 2, 1, tzinfo=UTC)
    trials = [trial(trial_id="new", updated_at=later), trial(trial_id="old", best_fd_digits=1.0)]
    trials[1]["config"] = '{"semantics": 0}'
    result = row_of(table2(trials, no_curves)).measured["digits"]["sn"]
    assert [seed.trial_id for seed in result.seeds] == ["new"]


def test_a_trial_whose_file_cannot_be_read_has_no_score_and_hides_none(trial) -> None:
    unknown = dict.fromkeys(("updated_at", "best_fd_digits", "final_fd_digits", "protocol"))
    trials = [
        trial(seed=0),
        trial(seed=1) | unknown | {"status": "unreadable", "config": None},
        trial(seed=2) | unknown | {"status": "unreadable", "config": None},
    ]
    for rows in (trials, trials[::-1]):
        measured = row_of(table2(rows, no_curves)).measured["digits"]["sn"]
        assert (measured.n, measured.mean) == (1, 900.0)
    alone = row_of(table2(trials[1:], no_curves)).measured["digits"]["sn"]
    assert (alone.n, alone.mean) == (0, None)


def test_another_i_is_not_table_ii(trial) -> None:
    trials = [
        trial(method="sr-static", i_ratio=0.25, best_fd_digits=1.0, trial_id="quarter"),
        trial(method="sr-static", i_ratio=0.5, trial_id="half"),
    ]
    measured = row_of(table2(trials, no_curves)).measured["digits"]
    assert [s.trial_id for s in measured["sr-static"].seeds] == ["half"]


def test_profiles_and_pairs_stand_apart(trial) -> None:
    trials = [trial(), trial(method="sr-static", i_ratio=0.5), trial(method="sn-renorm")]
    ends = {"sn-0": 900.0, "sr-static-0": 600.0, "sn-renorm-0": 950.0}
    row = row_of(table2(trials, lambda i: [{"iteration": 1500, "fd_digits": ends[i]}]))
    assert list(row.measured["digits"]) == ["sn", "sn-renorm", "sr-static"]
    assert {m: pair.mean for m, pair in row.pairs["digits"].items()} == {
        "sr-static": -300.0,
        "sn-renorm": 50.0,
    }


def test_the_default_share_of_lifted_values_is_the_trainers() -> None:
    assert DEFAULT_I_RATIO == methods.DEFAULT_I_RATIO
