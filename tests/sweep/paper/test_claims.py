"""The paper's claims, against its own table and against stored trials."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sweep.paper.claims import Claim, claims
from sweep.paper.table2 import table2
from trainer.config.settings import METHODS


def trial(setting: str, method: str, seed: int, best: float, **changes: Any) -> dict[str, Any]:
    lifts = METHODS[method].lifts
    return {
        "trial_id": f"{setting}.{method}.{seed}", "profile": "digits", "setting": setting,
        "method": method, "i_ratio": 0.5 if lifts else None, "seed": seed, "parent": None,
        "dataset": "digits8", "iterations": 1000, "batch_size": 32, "channels": 16,
        "status": "completed", "config": json.dumps({"n_critic": 1}), "protocol": "{}",
        "best_fd_digits": best, "best_fid": None, "best_iteration": 900, "final_fd_digits": best,
        "final_modes": 500, "final_spectrum_left": 0.9, "updated_at": 0,
        "mode_collapse_at": None, "spectral_collapse_at": None, "dead_at": None,
        "diverged_at": None, "not_judged": "{}", **changes,
    }  # fmt: skip


def audit(*trials: dict[str, Any], scores: dict[str, float] | None = None) -> dict[str, Claim]:
    rows = table2(trials, lambda trial_id: [])
    return {claim.name: claim for claim in claims(rows, scores or {})}


def test_the_published_table() -> None:
    """The numbers were worked out by hand from the table, apart from this code."""
    claim_by_name = audit()
    assert {name: claim.table.verdict for name, claim in claim_by_name.items()} == {
        "is_gain": "does not hold",
        "fid_gain": "does not hold",
        "all_cases": "does not hold",
        "is_gain_E_512-64": "holds",
        "is_gain_E_2048-64": "holds",
        "fid_gain_E_2048-64": "does not hold",
        "collapses_of_sn": "holds",
        "no_collapse_with_sr": "holds",
        "side_by_side": "holds",
    }
    assert claim_by_name["is_gain"].table.value == pytest.approx(7.96, abs=0.005)
    assert "13.74 %" in claim_by_name["is_gain"].table.says
    assert claim_by_name["fid_gain"].table.value == pytest.approx(12.16, abs=0.005)
    assert "18.71 %" in claim_by_name["fid_gain"].table.says
    assert claim_by_name["all_cases"].table.value == 25
    assert "not in FID in A_16-128 (10.6 % worse)" in claim_by_name["all_cases"].table.says
    assert claim_by_name["is_gain_E_512-64"].table.value == pytest.approx(19.43, abs=0.005)
    assert claim_by_name["fid_gain_E_2048-64"].table.value == pytest.approx(14.42, abs=0.005)
    assert claim_by_name["side_by_side"].table.value == 10
    assert all(claim.measured == {} for claim in claim_by_name.values())


def test_another_data_set_is_not_comparable() -> None:
    answer = audit(
        trial("C_8-32", "sn", 0, 200), trial("C_8-32", "sr-static", 0, 100),
        trial("A_64-128", "sn", 0, 100), trial("A_64-128", "sr-static", 0, 90),
    )["fid_gain"].measured["digits"]  # fmt: skip
    assert (answer.verdict, answer.comparable, answer.n) == ("not comparable", False, 2)
    assert answer.value == pytest.approx((50 + 10) / 2)
    assert answer.says == "mean gain in FD-digits: 30.00 % (settings: 2, 10.0 to 50.0 %)"


def paper(setting: str, method: str, seed: int, fid: float, n_critic: int = 5) -> dict[str, Any]:
    _, sizes = setting.split("_")
    batch, channels = map(int, sizes.split("-"))
    return trial(
        setting,
        method,
        seed,
        0,
        profile="paper",
        dataset="cifar10",
        batch_size=batch,
        channels=channels,
        iterations=50_000,
        config=json.dumps({"n_critic": n_critic}),
        best_fd_digits=None,
        best_fid=fid,
        final_fid=fid,
    )


def test_comparable_trials_decide() -> None:
    trials = [
        paper("A_64-128", method, seed, fid)
        for method, fid in (("sn", 20.0), ("sr-static", 15.0))
        for seed in (0, 1)
    ]
    scores = {t["trial_id"]: 8.0 if t["method"] == "sn" else 8.4 for t in trials}
    claim_by_name = audit(*trials, scores=scores)
    fid, inception = (claim_by_name[name].measured["paper"] for name in ("fid_gain", "is_gain"))
    assert (fid.verdict, fid.comparable) == ("holds", True)
    assert fid.value == pytest.approx(25)
    assert inception.verdict == "does not hold"
    assert inception.value == pytest.approx(5)
    assert claim_by_name["is_gain_E_512-64"].measured["paper"].verdict == "not measured"


def test_the_controls_stand_beside() -> None:
    claim = audit(
        trial("C_8-32", "sn", 0, 200),
        trial("C_8-32", "sr-static", 0, 210),
        trial("C_8-32", "sn-renorm", 0, 100),
    )["all_cases"]
    assert claim.measured["digits"].verdict == "does not hold"
    assert "not in C_8-32" in claim.measured["digits"].says
    assert {m: a.verdict for m, a in claim.beside["digits"].items()} == {"sn-renorm": "holds"}


def test_collapses_are_counted_together() -> None:
    fell = {"mode_collapse_at": 300, "spectral_collapse_at": 200, "status": "collapsed"}
    trials = [
        trial("C_8-32", "sn", 0, 200, **fell),
        trial("C_8-32", "sn", 1, 200, mode_collapse_at=300),
        trial("A_64-128", "sn", 0, 100, spectral_collapse_at=400),
        trial("A_64-128", "sn", 1, 100, mode_collapse_at=5, status="running"),
        trial("C_8-32", "sr-static", 0, 100),
        trial("A_64-128", "sr-static", 0, 90, mode_collapse_at=100),
    ]
    claim_by_name = audit(*trials)
    side_by_side = claim_by_name["side_by_side"].measured["digits"]
    assert (side_by_side.verdict, side_by_side.value, side_by_side.n) == ("does not hold", 1, 3)
    assert side_by_side.says == (
        "both in 1 of 3 trials, mode collapse alone in 1, spectral collapse alone in 1; "
        "of both, the spectrum fell first in 1, the modes in 0"
    )
    rescued = claim_by_name["no_collapse_with_sr"].measured["digits"]
    assert (rescued.verdict, rescued.value, rescued.n) == ("does not hold", 1, 2)
    assert "of 1 settings in which SN collapsed, 1 did not" in rescued.says
    flags = claim_by_name["collapses_of_sn"].measured["digits"]
    assert (flags.verdict, flags.value, flags.n) == ("holds", 1, 2)
    short = json.dumps(dict.fromkeys(("mode_collapse", "spectral_collapse", "dead"), "short"))
    unjudged = audit(*(row | {"not_judged": short, "mode_collapse_at": None} for row in trials))
    assert {
        unjudged[name].measured["digits"].verdict
        for name in ("side_by_side", "no_collapse_with_sr", "collapses_of_sn")
    } == {"not measured"}
    half = json.dumps({"spectral_collapse": "short"})
    alone = audit(*(row | {"not_judged": half} for row in trials))
    assert alone["side_by_side"].measured["digits"].n == 0
    assert alone["collapses_of_sn"].measured["digits"].n == 2
    healthy = audit(trial("A_64-128", "sn", 0, 100))
    assert healthy["side_by_side"].measured["digits"].verdict == "not measured"
    assert healthy["no_collapse_with_sr"].measured["digits"].verdict == "not measured"
