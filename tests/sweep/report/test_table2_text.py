from __future__ import annotations

import json
import math

from sweep.paper.table2 import table2
from sweep.report.table2_text import (
    CAVEATS,
    caveats,
    comparison,
    control_lines,
    method_lines,
    other_ratio_lines,
    outside_lines,
)
from trainer.config.settings import PROFILES


def test_every_seed_its_mean_and_what_was_published(trial) -> None:
    trials = [
        trial(seed=0, mode_collapse_at=375, spectral_collapse_at=450, status="collapsed"),
        trial(seed=1, best_fd_digits=1000.0, final_fd_digits=math.nan),
        trial(method="sr-static", i_ratio=0.5, best_fd_digits=600.0),
    ]
    ends = {"sn-0": 900.0, "sn-1": 1000.0, "sr-static-0": 640.0}
    rows = table2(trials, lambda i: [{"iteration": 675, "fd_digits": ends[i]}])
    lines = [" ".join(line.split()) for line in comparison(rows, "digits").splitlines()]
    assert lines[0].startswith("modes are of 1000; best and final are FD-digits")
    assert lines[2:] == [
        "C_32-32 sn 0 collapsed 120 900 (1425) 950 0.60 mode collapse at 375, "
        "spectral collapse at 450",
        "C_32-32 sn 1 completed 120 1000 (1425) nan 0.60 healthy",
        "C_32-32 sn mean n = 2 950 ± 71",
        "C_32-32 sr-static 0 completed 120 600 (1425) 950 0.60 healthy",
        "C_32-32 sr-static mean n = 1 600",
        "sr-static minus sn, same seed and iteration: -260 (seed 0, at 675)",
        "published: FID 78.39 SN, 62.1 SR; IS 4.29 SN, 4.7 SR; "
        "mode collapse and spectral collapse of SN",
    ]


def test_columns_stand_under_their_heads(trial) -> None:
    text = comparison(table2([trial(), trial(setting="A_1024-128")], lambda i: []), "digits")
    _, header, first, *_ = text.splitlines()
    assert first.index("completed") == header.index("status")
    assert first.index("900 (1425)") == header.index("best (at)")


def test_a_sweep_without_scores_is_still_told(trial) -> None:
    row = trial(profile="paper", dataset="cifar10", final_modes=None, best_iteration=None)
    text = comparison(table2([row], lambda i: []), "paper")
    assert text.startswith("best and final are FID")
    assert "n = 0" in text


def test_a_fid_has_decimals(trial) -> None:
    rows = [
        trial(
            profile="paper", dataset="cifar10", best_fid=21.154, final_fid=22.0, final_modes=None
        ),
        trial(profile="paper", dataset="cifar10", best_fid=19.5, method="sr-static", i_ratio=0.5),
    ]
    ends = {"sn-0": 21.154, "sr-static-0": 20.0}
    text = comparison(table2(rows, lambda i: [{"iteration": 675, "fid": ends[i]}]), "paper")
    assert "21.15 (1425)" in text
    assert "-1.15 (seed 0, at 675)" in text


def test_other_weights_are_marked(trial) -> None:
    row = trial(profile="paper", dataset="cifar10", best_fid=21.154)
    for reference, mark in ((True, ";"), (False, " (Inception weights: not the reference file);")):
        row["protocol"] = json.dumps({"reference_weights": reference})
        text = comparison(table2([row], lambda i: []), "paper")
        assert text.startswith(f"best and final are FID{mark}")


def test_other_ratios_are_told_apart_from_table_ii(trial) -> None:
    rows = [
        trial(method="sr-static", i_ratio=i, seed=seed, best_fd_digits=500 + 100 * seed)
        for i in (0.25, 0.5, 1.0)
        for seed in (0, 1)
    ]
    rows += [trial(), trial(method="sr-static", i_ratio=1.0, status="running", seed=2)]
    rows += [trial(setting="U_64-256", method="sr-static", i_ratio=0.25)]
    assert other_ratio_lines(rows) == [
        "    C_32-32 sr-static with i 0.25: mean best FD-digits 550, n = 2",
        "    C_32-32 sr-static with i 1: mean best FD-digits 550, n = 2",
    ]


def test_a_reading_of_an_abstract_is_called_one() -> None:
    (line,) = method_lines(["nugan", "nugan"])
    assert "our reading of the abstract" in line
    assert [line.partition(":")[0] for line in method_lines({"jare", "sn"})] == ["sn", "jare"]


def test_every_profile_says_what_it_does_not_show() -> None:
    assert set(CAVEATS) == set(PROFILES)
    assert all("does not show" in text for text in CAVEATS.values())
    assert "IS and FID are not measured" in caveats("paper", scored=False)
    assert "not measured" not in caveats("paper", scored=True)
    assert "FD-digits is no FID" in caveats("digits", scored=True)
    gauged = caveats("small", scored=True, gauged=True)
    assert "does not show: any FID" in gauged
    assert "What this shows: FD-pictures" in gauged


def test_controls() -> None:
    scores = {"modes": 642, "fd_digits": 1663.2, "valid_share": 0.0, "n_samples": 10_000}
    assert control_lines({"noise, digits8": scores}) == (
        "    noise, digits8: modes 642, FD-digits 1663, valid share 0.00 (10000 images)"
    )


def test_trials_outside_table_i_have_a_line_each(trial) -> None:
    own = {"profile": "small", "setting": "U_32-32", "dataset": "images32-01234567"}
    unjudged = {"healthy": False, "not_judged": json.dumps({"mode_collapse": "no scores"})}
    rows = [
        trial(method="sr-static", i_ratio=0.5, best_fid=21.154, **own),
        trial(seed=1, mode_collapse_at=375, status="collapsed", best_fid=36.5, **own),
        trial(best_fid=None, final_fid=None, best_iteration=None, **own, **unjudged),
        trial(),
    ]
    lines = [" ".join(line.split()) for line in outside_lines(rows)]
    assert lines == [
        "data set setting method i seed status best at final spectrum verdict",
        "images32-01234567 U_32-32 sn 0 completed 0.60 mode collapse not judged",
        "images32-01234567 U_32-32 sn 1 collapsed 36.50 1425 0.60 mode collapse at 375",
        "images32-01234567 U_32-32 sr-static 0.5 0 completed 21.15 1425 0.60 healthy",
    ]
    assert outside_lines([trial()]) == []
