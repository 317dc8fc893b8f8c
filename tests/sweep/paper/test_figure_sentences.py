"""The paper's sentence on each figure, on courses made by hand."""

from __future__ import annotations

import pytest

from sweep.paper.figure_sentences import Course, agreements, branched


@pytest.fixture
def course(trial):
    def make(kept=None, end=None, **row) -> Course:
        """`kept`: per layer the share of its first mean sigma/sigma_1 that is left."""
        place = {"setting": "C_32-32", "method": "sn", "i_ratio": None, "seed": 0} | row
        name = "-".join(str(place[key]) for key in ("setting", "method", "i_ratio", "seed"))
        layers = kept or [1.0] * 10
        first = {"mean_ratio": [0.8] * len(layers), "sigma2_ratio": [1.0]}
        last = {
            "mean_ratio": [0.8 * share for share in layers],
            "sigma2_ratio": [0.7],
            "d_real": 0.0,
            "d_fake": 0.0,
            "d_test": 0.0,
            "d_spread": 1.0,
        }
        config = {} if "config" not in row else {"config": row.pop("config")}
        written = trial(**row) | {"trial_id": name, "group": place["setting"][0]} | config
        return Course(row=written, first=first, last=last | (end or {}))

    return make


def test_fig2_a_healthy_run_whose_spectrum_falls(course) -> None:
    """The last layer at 0.50, 0.55 and 0.60 of its first value: the shape has changed."""
    runs = [
        course([1.0, left], setting="A_64-128", seed=s) for s, left in enumerate((0.5, 0.55, 0.6))
    ]
    found = agreements(runs)["fig2"]
    assert (found.verdict, found.n) == ("disagrees", 3)
    assert found.says.startswith("mean σ/σ₁ of the last layer ends at 0.55 [0.43, 0.67]")
    kept = [course([0.1, 0.97], setting="A_64-128", seed=s) for s in range(3)]
    assert agreements(kept)["fig2"].verdict == "agrees"
    assert agreements(kept[:2])["fig2"].verdict == "not enough"
    fell = [course([1.0, 0.5], setting="A_64-128", seed=s, mode_collapse_at=300) for s in range(3)]
    assert agreements(fell)["fig2"].n == 0


def test_a_run_whose_modes_were_not_judged_is_not_called_healthy(course) -> None:
    reasons = '{"mode_collapse": "the run was too short"}'
    runs = [course([1.0, 0.97], setting="A_64-128", seed=s) for s in range(3)]
    unjudged = [
        Course(row={**r.row, "not_judged": reasons}, first=r.first, last=r.last) for r in runs
    ]
    assert agreements(unjudged)["fig2"].n == 0
    assert agreements(unjudged)["fig4"].n == 3


def test_fig14_where_a_shortcut_falls_most(course) -> None:
    falls = [1.0] * 5 + [0.2] + [0.7] * 4
    runs = [course(falls, seed=s, spectral_collapse_at=300) for s in range(3)]
    found = agreements(runs)["fig14"]
    assert (found.verdict, found.n) == ("disagrees", 3)
    assert found.says.endswith("what fell most: layer_5 in 3")
    holds = [0.3, 0.5, 0.95, 0.5, 0.5, 0.9, 0.4, 0.5, 0.5, 0.5]
    runs = [course(holds, seed=s, spectral_collapse_at=300) for s in range(3)]
    assert agreements(runs)["fig14"].verdict == "agrees"
    assert agreements([course(falls)])["fig14"].n == 0


def test_fig4_takes_both_kinds_of_groups(course) -> None:
    wide = [course(setting="A_64-128", seed=s) for s in range(3)]
    narrow = [course(seed=s, spectral_collapse_at=300) for s in range(3)]
    assert agreements([*wide, *narrow])["fig4"].verdict == "agrees"
    assert agreements(wide)["fig4"].verdict == "not enough"
    assert agreements([*wide, course(seed=9), *narrow])["fig4"].verdict == "disagrees"


def test_fig5_and_fig7(course) -> None:
    both = [course(seed=s, mode_collapse_at=200, spectral_collapse_at=150) for s in range(2)]
    alone = course(seed=2, mode_collapse_at=200)
    found = agreements([*both, alone])
    assert found["fig5"].verdict == "disagrees"
    assert "in 2 of 3 runs of SN with mode collapse, in 2 of them not later" in found["fig5"].says
    sr = [
        course(end={"sigma2_ratio": [1.0]}, method="sr-static", i_ratio=0.5, seed=s)
        for s in range(2)
    ]
    assert agreements([*both, *sr])["fig7"].verdict == "agrees"


def best(course, i_ratio: float, values, setting: str = "A_64-128", method: str = "sr-static"):
    return [
        course(setting=setting, method=method, i_ratio=i_ratio, seed=s, best_fd_digits=value)
        for s, value in enumerate(values)
    ]


def test_fig8_needs_resolved_steps(course) -> None:
    quarter, half = best(course, 0.25, (300, 310, 320)), best(course, 0.5, (200, 211, 219))
    assert agreements([*quarter, *half])["fig8"].verdict == "agrees"
    worse = [*quarter, *half, *best(course, 1.0, (250, 262, 270))]
    assert agreements(worse)["fig8"].verdict == "agrees"
    better = [*quarter, *half, *best(course, 1.0, (100, 112, 118))]
    found = agreements(better)["fig8"]
    assert (found.verdict, found.n) == ("disagrees", 3)
    # Where the differences are -20, 180 and -90 nothing is resolved.
    assert (
        agreements([*quarter, *best(course, 0.5, (280, 490, 230))])["fig8"].verdict == "not enough"
    )


def test_fig9_to_fig11_are_of_d_at_the_end(course) -> None:
    def outputs(i_ratio: float, real: float, fake: float, test: float):
        runs = []
        for s in range(3):
            end = {"d_real": real + s / 100, "d_fake": fake - s / 100, "d_test": test + s / 100}
            place = {"setting": "A_64-128", "method": "sr-static", "i_ratio": i_ratio, "seed": s}
            runs.append(course(end=end, **place))
        return runs

    found = agreements([*outputs(0.25, 0.2, -0.2, 0.2), *outputs(1.0, 0.9, -0.8, 0.1)])
    assert {name: found[name].verdict for name in ("fig9", "fig10")} == {
        "fig9": "agrees", "fig10": "agrees",
    }  # fmt: skip
    assert found["fig11"].verdict == "not enough"  # 0 with i = 0.25, 0.8 with i = 1
    flat = agreements([*outputs(0.25, 0.2, -0.2, 0.2), *outputs(1.0, 0.1, 0.3, 0.1)])
    assert {name: flat[name].verdict for name in ("fig9", "fig10", "fig11")} == {
        "fig9": "disagrees", "fig10": "disagrees", "fig11": "agrees",
    }  # fmt: skip


def test_fig12_is_paired(course) -> None:
    static = best(course, 0.5, (300, 310, 320), "A_128-128")
    dynamic = [
        course(setting="A_128-128", method="sr-dynamic", seed=s, best_fd_digits=v)
        for s, v in enumerate((400, 411, 420))
    ]
    assert agreements([*static, *dynamic])["fig12"].verdict == "agrees"
    dynamic = [
        course(setting="A_128-128", method="sr-dynamic", seed=s, best_fd_digits=v)
        for s, v in enumerate((200, 211, 220))
    ]
    assert agreements([*static, *dynamic])["fig12"].verdict == "disagrees"


def test_fig6_is_of_the_resumed_runs(course) -> None:
    runs = [course(seed=s, parent="p", method="sr-dynamic") for s in range(3)]
    assert branched(runs).verdict == "agrees"
    fell = course(seed=4, parent="p", mode_collapse_at=400)
    assert branched([*runs, fell]).verdict == "disagrees"
    assert branched([course()]).verdict == "not enough"


def test_runs_of_another_configuration_are_left_out(course) -> None:
    runs = [course([1.0, 0.9], setting="A_64-128", seed=s) for s in range(3)]
    other = course([1.0, 0.1], setting="A_64-128", seed=3, config='{"n_critic": 5}', iterations=3)
    assert agreements([*runs, other])["fig2"].n == 3
