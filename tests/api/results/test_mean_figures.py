"""The figure of means: where it is thin, where it has a band, what its texts tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from api.drawing.look import COLOURS
from api.results.mean_curves import MeanCurve, MeanCurves, Run, mean_curve
from api.results.mean_figures import MOST_BANDS, MOST_NAMED, MOST_PANELS, mean_figure
from sweep.store.vocabulary import SIGNALS

X = [0.0, 10.0, 20.0]


def group(
    by: dict[str, Any], *ys: Sequence[float], seeds: Sequence[int] | None = None, **signals: int
) -> MeanCurve:
    """A group of runs, the first of which has the signals."""
    runs = []
    for k, y in enumerate(ys):
        row: dict[str, Any] = dict.fromkeys(SIGNALS)
        row |= {"trial_id": f"t{k}", "seed": seeds[k] if seeds else k} | (
            signals if k == 0 else {}
        )
        runs.append(Run(record=row, iterations=[0, 10, 20], x=X[: len(y)], y=y))
    return mean_curve(by, runs)


def curves(*items: MeanCurve, without_x: int = 0) -> MeanCurves:
    by = [*items[0].by] if items else ["method"]
    return MeanCurves(
        score="fd_digits",
        title="FD-digits",
        x="iteration",
        by=by,
        items=[*items],
        without_x=without_x,
        snapshot="s",
    )


SN = {"setting": "C_32-32", "method": "sn"}


def trace(figure: Any, name: str) -> dict[str, Any]:
    (found,) = [trace for trace in figure.data if trace["name"] == name]
    return found


def test_it_is_thin_where_a_run_has_ended() -> None:
    figure = mean_figure(curves(group(SN, [9, 6, 3], [5, 4])), "/source")
    mean, full = trace(figure, "sn"), trace(figure, "sn: every run")
    assert mean["y"] == [7, 5, 3]
    assert full["y"] == [7, 5, None]
    assert mean["line"]["width"] < full["line"]["width"]
    assert mean["line"]["color"] == full["line"]["color"] == COLOURS["sn"]
    assert (
        mean["text"][0]
        == "sn<br>at 0: mean 7 ± 2.83 (sd)<br>2 of 2 runs<br>seed 0: 9<br>seed 1: 5"
    )
    assert mean["text"][2].split("<br>")[1:3] == [
        "at 20: mean 3, too few for a band", "1 of 2 runs, 1 not here",
    ]  # fmt: skip
    assert "1 of them thin out" in (figure.says or "")
    whole = mean_figure(curves(group(SN, [9, 6, 3], [5, 4, 3])), "/source")
    assert "thin" not in (whole.says or "")
    assert figure.trials == 2


def test_a_band_is_of_as_many_runs_as_it_takes() -> None:
    pair = curves(group(SN, [9, 6, 3], [5, 4, 3]))
    band = trace(mean_figure(pair, "/"), "sn: range")
    assert max(band["y"]) == pytest.approx(7 + math.sqrt(8))
    assert not [t for t in mean_figure(pair, "/", band="ci95").data if t["name"] == "sn: range"]
    three = curves(group(SN, [9, 6, 3], [5, 4, 3], [1, 2, 3]))
    # Student's t of two degrees of freedom, 4.302653.
    half = 4.302653 * 4 / math.sqrt(3)
    interval = trace(mean_figure(three, "/", band="ci95"), "sn: range")
    assert max(interval["y"]) == pytest.approx(5 + half)
    assert min(interval["y"]) == pytest.approx(5 - half)
    logarithmic = trace(mean_figure(three, "/", band="ci95", log=True), "sn: range")
    assert min(logarithmic["y"]) == pytest.approx(0.1 * 3)


def test_runs_that_are_not_finite_are_told() -> None:
    figure = mean_figure(curves(group(SN, [9, math.nan, math.nan], [5, 4, 3])), "/")
    assert "1 of 2 runs, 1 not finite" in trace(figure, "sn")["text"][1]
    assert trace(figure, "sn: every run")["y"] == [7, None, None]
    assert any(a["text"] == "✕ 2 not finite" for a in figure.layout["annotations"])


def test_runs_that_collapsed_at_one_moment_share_a_mark() -> None:
    item = group(SN, [9, 6, 3], [5, 4, 3], mode_collapse_at=10, spectral_collapse_at=20)
    twice = item.model_copy(
        update={"onsets": [*item.onsets, item.onsets[0].model_copy(update={"seed": 1})]}
    )
    figure = mean_figure(curves(twice), "/")
    marks = trace(figure, "sn: collapse")
    assert (marks["x"], marks["y"]) == ([10, 20], [5, 3])
    assert marks["text"][0] == "sn<br>mode collapse of seeds 0, 1 from iteration 10"
    assert "✕ mode collapse. ◇ spectral collapse." in (figure.says or "")


def test_settings_are_panels_and_methods_lines() -> None:
    items = [
        group({"setting": s, "method": m, "i_ratio": i}, [3, 2, 1])
        for s in ("A_64-128", "C_32-32")
        for m, i in (("sn", None), ("sr-static", 0.25), ("sr-static", 0.5))
    ]
    figure = mean_figure(curves(*items), "/")
    titles = [a["text"].partition(":")[0] for a in figure.layout["annotations"]]
    assert titles == ["A_64-128", "C_32-32"]
    shown = [t for t in figure.data if t.get("showlegend")]
    assert [t["name"] for t in shown] == ["sn", "sr-static, i 0.25", "sr-static, i 0.5"]
    assert len({(t["line"]["color"], t["line"]["dash"]) for t in shown}) == 3


def test_bounds_are_told() -> None:
    many = [group({"setting": f"U_{k}-8", "method": "sn"}, [3, 2, 1]) for k in range(20)]
    figure = mean_figure(curves(*many), "/")
    assert f"Shown are {MOST_PANELS} of 20 panels" in (figure.says or "")
    assert len([name for name in figure.layout if name.startswith("xaxis")]) == MOST_PANELS
    lines = [group({"seed": k}, [3, 2, 1], [1, 2, 3]) for k in range(MOST_BANDS + 1)]
    crowded = mean_figure(curves(*lines), "/")
    assert "under the pointer alone" in (crowded.says or "")
    assert not [t for t in crowded.data if t["name"].endswith("range")]
    text = trace(mean_figure(curves(group(SN, *[[3, 2, 1]] * 20)), "/"), "sn")["text"][0]
    assert text.endswith(f"seed {MOST_NAMED - 1}: 3<br>and {20 - MOST_NAMED} more")
    repeated = mean_figure(curves(group(SN, [3, 2, 1], [1, 2, 3], seeds=[0, 0])), "/")
    assert "1 hold several runs of one seed" in (repeated.says or "")


def test_nothing_to_draw_says_why() -> None:
    assert (
        mean_figure(curves(), "/").empty
        == "No run like that has an evaluation with fd_digits yet."
    )
    assert "Of 3 runs none has stored its iteration" in (
        mean_figure(curves(without_x=3), "/").empty or ""
    )


def test_a_logarithmic_x_axis_has_no_zero() -> None:
    figure = mean_figure(curves(group(SN, [9, 6, 3])), "/", log_x=True)
    assert trace(figure, "sn")["x"] == [10, 20]
    assert figure.layout["xaxis"]["type"] == "log"
