from __future__ import annotations

import math

from sweep.comparison import CAVEATS, comparison, control_lines
from sweep.paper import table2
from trainer.settings import PROFILES


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
    assert "best and final are FID" in text
    assert "n = 0" in text


def test_every_profile_says_what_it_does_not_show() -> None:
    assert set(CAVEATS) == set(PROFILES)
    assert all("does not show" in text for text in CAVEATS.values())


def test_controls() -> None:
    scores = {"modes": 642, "fd_digits": 1663.2, "valid_share": 0.0, "n_samples": 10_000}
    assert control_lines({"noise, digits8": scores}) == (
        "    noise, digits8: modes 642, FD-digits 1663, valid share 0.00 (10000 images)"
    )
