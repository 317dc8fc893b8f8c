"""What the paper's text says of each figure, held against the trials of a profile.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sweep.paper.agreement import (
    AGREES,
    DISAGREES,
    FEWEST,
    NOT_ENOUGH,
    Agreement,
    measurable,
    nothing,
    of_all,
    of_mean,
    of_steps,
    span,
)
from sweep.paper.scores import score_name, t_interval
from sweep.paper.table2 import (
    DEFAULT_I_RATIO,
    IMAGENET,
    TABLE_II,
    is_paper_run,
    one_configuration,
)
from sweep.paper.trends import PEAK, TEXT_OF_FIG_8, TEXT_OF_FIG_12
from sweep.store.judgement import is_judged, reasons_not_judged
from sweep.store.vocabulary import FINISHED, Row

# A spectrum keeps its shape while its mean sigma/sigma_1 is this share of its first value or more.
KEPT_SHARE = 0.85
# The paper gives no number for "fell": below this share of the first value.
FALLEN = 0.5
# sigma_2 of a compensated spectrum over its sigma_1.
EQUAL = 0.95
# Two distributions agree while their means lie apart less than this share of their spread.
APART = 0.2
STATIC, DYNAMIC = "sr-static", "sr-dynamic"
SHORTCUT_LAYERS = (2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A trial's row, and its first and its last evaluation; None without one."""

    row: Row
    first: Row | None
    last: Row | None


def agreements(courses: Iterable[Course]) -> dict[str, Agreement]:
    """By figure, from the finished trials of one profile that did not branch off another."""
    runs = _of_one_configuration(courses)
    sn = [run for run in runs if run.row["method"] == "sn"]
    static = [run for run in runs if run.row["method"] == STATIC]
    usual = [run for run in static if run.row["i_ratio"] == DEFAULT_I_RATIO]
    return {
        "fig2": _unchanged(_judged(sn, "mode_collapse_at")),
        "fig3": _sunken(_judged(sn, "mode_collapse_at")),
        "fig4": _groups(_judged(sn, "spectral_collapse_at")),
        "fig5": _coincidence(_judged(sn, "mode_collapse_at", "spectral_collapse_at")),
        "fig7": _first_values(sn, usual),
        "fig8": _over_i(static),
        "fig9": _moved(static),
        "fig10": _overfitted(static),
        "fig11": _alike(static),
        "fig12": _compensations(runs),
        "fig14": _shortcuts(sn),
    }


def _of_one_configuration(courses: Iterable[Course]) -> list[Course]:
    """Finished runs of Table I's rows, of each setting and method those that Table II takes."""
    cells: dict[tuple[str, str], dict[str, Course]] = {}
    for course in courses:
        row = course.row
        if is_paper_run(row) and row["setting"] in TABLE_II and row["status"] in FINISHED:
            key = (row["setting"], row["method"])
            cells.setdefault(key, {})[row["trial_id"]] = course
    return [
        cell[row["trial_id"]]
        for cell in cells.values()
        for row in one_configuration([course.row for course in cell.values()])
    ]


def _judged(runs: Iterable[Course], *signals: str) -> list[Course]:
    """Runs of which these signals were judged, or of which an older version does not say."""
    return [
        run
        for run in runs
        if all(is_judged(signal, reasons_not_judged(run.row)) for signal in signals)
    ]


def branched(courses: Iterable[Course]) -> Agreement:
    """Fig. 6, from the finished trials that branched off another."""
    branches = [c for c in courses if c.row["parent"] is not None and c.row["status"] in FINISHED]
    runs = [course.row for course in _judged(branches, "mode_collapse_at")]
    healthy = sum(row["mode_collapse_at"] is None for row in runs)
    sentence = f"{healthy} of {len(runs)} resumed runs ended without mode collapse"
    return of_all(
        "fig6", healthy, len(runs), sentence, "no finished run was resumed from one of SN"
    )


def _unchanged(sn: Sequence[Course]) -> Agreement:
    runs = [r for r in sn if not TABLE_II[r.row["setting"]].mode_collapse and _keeps_modes(r)]
    shares = _shares_kept(runs)
    return of_mean(
        "fig2",
        shares,
        "mean σ/σ₁ of the last layer ends at {} of its first value; read as kept "
        f"from {KEPT_SHARE:g} on",
        lambda low, high: (
            AGREES if low >= KEPT_SHARE else DISAGREES if high < KEPT_SHARE else NOT_ENOUGH
        ),
        "no finished run of SN, of a setting that the paper saw healthy, without mode collapse",
    )


def _sunken(sn: Sequence[Course]) -> Agreement:
    runs = [r for r in sn if TABLE_II[r.row["setting"]].mode_collapse and not _keeps_modes(r)]
    return of_mean(
        "fig3",
        _shares_kept(runs),
        "mean σ/σ₁ of the last layer ends at {} of its first value; read as fallen "
        f"below {FALLEN:g}",
        lambda low, high: AGREES if high < FALLEN else DISAGREES if low >= FALLEN else NOT_ENOUGH,
        "no finished run of SN, of a setting that the paper saw collapse, with mode collapse",
    )


def _groups(sn: Sequence[Course]) -> Agreement:
    """A and D without spectral collapse, C with it."""
    wide = [_fell(r) for r in sn if r.row["group"] in "AD"]
    narrow = [_fell(r) for r in sn if r.row["group"] == "C"]
    sentence = (
        f"spectral collapse in {sum(wide)} of {len(wide)} runs of A and D, and in "
        f"{sum(narrow)} of {len(narrow)} of C"
    )
    agreeing = len(wide) - sum(wide) + sum(narrow)
    parts_missing = not wide or not narrow
    answer = of_all("fig4", agreeing, len(wide) + len(narrow), sentence, "no finished run of SN")
    if parts_missing and answer.verdict == AGREES:
        return Agreement(figure="fig4", verdict=NOT_ENOUGH, n=answer.n, says=answer.says)
    return answer


def _coincidence(sn: Sequence[Course]) -> Agreement:
    runs = [r.row for r in sn if r.row["mode_collapse_at"] is not None]
    spectral = [row for row in runs if row["spectral_collapse_at"] is not None]
    first = sum(row["spectral_collapse_at"] <= row["mode_collapse_at"] for row in spectral)
    sentence = (
        f"spectral collapse was seen in {len(spectral)} of {len(runs)} runs of SN with mode "
        f"collapse, in {first} of them not later"
    )
    return of_all("fig5", len(spectral), len(runs), sentence, "no finished run of SN collapsed")


def _first_values(sn: Sequence[Course], sr: Sequence[Course]) -> Agreement:
    """SN's other singular values drop, static compensation holds the first ones equal."""
    of_sn = [shares for run in sn if (shares := _second(run)) is not None]
    of_sr = [shares for run in sr if (shares := _second(run)) is not None]
    low = sum(value < EQUAL for value in of_sn)
    equal = sum(value >= EQUAL for value in of_sr)
    sentence = (
        f"σ₂/σ₁ of the last layer at the end is below {EQUAL:g} in {low} of {len(of_sn)} runs of "
        f"SN and at least that in {equal} of {len(of_sr)} of {STATIC}"
    )
    if not of_sn or not of_sr:
        return nothing("fig7", f"no finished runs of both SN and {STATIC}")
    return of_all("fig7", low + equal, len(of_sn) + len(of_sr), sentence, "")


def _over_i(static: Sequence[Course]) -> Agreement:
    """By setting, steps from 0.25 to 0.5 and on to 1 as the text has them of the group."""
    signs: list[tuple[str, int, int]] = []
    for setting in TABLE_II:
        text = TEXT_OF_FIG_8.get(setting[0])
        if text is None:
            continue
        best = _best_by_seed(r for r in static if r.row["setting"] == setting)
        first = _sign(best.get(0.25, {}), best.get(0.5, {}))
        second = _sign(best.get(0.5, {}), best.get(1.0, {}))
        senses = (-1, 1) if text == PEAK else (-1, -1)
        for sign, sense in zip((first, second), senses, strict=True):
            if sign is not None:
                signs.append((setting, sign[0] * sense, sign[1]))
    needs = "three seeds with i = 0.25, 0.5 and 1 of one setting"
    return of_steps("fig8", signs, "steps of i whose paired interval excludes 0", needs)


def _moved(static: Sequence[Course]) -> Agreement:
    """D(x) with i = 1 less that with i = 0.25: training images to the right, generated left."""
    real = _differences(static, 0.25, 1.0, "d_real")
    fake = _differences(static, 0.25, 1.0, "d_fake")
    if min(len(real), len(fake)) < FEWEST or not measurable([*real, *fake]):
        return nothing("fig9", "fewer than three seeds with both i = 0.25 and i = 1", len(real))
    (low, high), (fake_low, fake_high) = t_interval(real), t_interval(fake)
    sentence = (
        f"from i = 0.25 to 1 D(x) moves by {span(real)} on training and by {span(fake)} on "
        "generated images"
    )
    if low > 0 and fake_high < 0:
        sign = AGREES
    else:
        sign = DISAGREES if high < 0 or fake_low > 0 else NOT_ENOUGH
    return Agreement(figure="fig9", verdict=sign, n=len(real), says=sentence)


def _overfitted(static: Sequence[Course]) -> Agreement:
    runs = [r for r in static if r.row["i_ratio"] == 1.0]
    return of_mean(
        "fig10",
        _gaps(runs),
        "with i = r D(x) on training images lies above that on test images by {} of its spread",
        lambda low, high: AGREES if low > APART else DISAGREES if high <= APART else NOT_ENOUGH,
        "no finished run with i = 1",
    )


def _alike(static: Sequence[Course]) -> Agreement:
    return of_mean(
        "fig11",
        [abs(gap) for gap in _gaps(static)],
        "mean D(x) on training and test images lies apart by {} of its spread; read as "
        f"agreeing below {APART:g}",
        lambda low, high: AGREES if high < APART else DISAGREES if low >= APART else NOT_ENOUGH,
        f"no finished run of {STATIC}",
    )


def _compensations(runs: Sequence[Course]) -> Agreement:
    signs = []
    for setting, better in TEXT_OF_FIG_12.items():
        of_setting = [r for r in runs if r.row["setting"] == setting]
        static, dynamic = (
            _best_by_seed(r for r in of_setting if r.row["method"] == m).get(i, {})
            for m, i in ((STATIC, DEFAULT_I_RATIO), (DYNAMIC, None))
        )
        if (sign := _sign(dynamic, static)) is not None:
            signs.append((setting, sign[0] * (-1 if better == "static" else 1), sign[1]))
    needs = "three seeds of both compensations on a setting that the text names"
    return of_steps("fig12", signs, "settings whose paired interval excludes 0", needs)


def _shortcuts(sn: Sequence[Course]) -> Agreement:
    """In runs with spectral collapse the 1x1 shortcuts keep their spectra better than the rest."""
    runs = [r for r in sn if _fell(r) and r.row["setting"] not in IMAGENET]
    falls = [shares for r in runs if len(shares := _kept_by_layer(r)) > max(SHORTCUT_LAYERS)]
    agreeing = sum(all(shares[k] >= KEPT_SHARE for k in SHORTCUT_LAYERS) for shares in falls)
    lowest: dict[int, int] = {}
    for shares in falls:
        layer = min(range(len(shares)), key=shares.__getitem__)
        lowest[layer] = lowest.get(layer, 0) + 1
    fell_most = ", ".join(f"layer_{k} in {n}" for k, n in sorted(lowest.items()))
    sentence = (
        f"layer_2 and layer_5 keep {KEPT_SHARE:g} of their mean σ/σ₁ in {agreeing} of "
        f"{len(falls)} runs of SN with spectral collapse; what fell most: {fell_most}"
    )
    return of_all(
        "fig14", agreeing, len(falls), sentence, "no finished run of SN with spectral collapse"
    )


def _keeps_modes(run: Course) -> bool:
    return run.row["mode_collapse_at"] is None


def _fell(run: Course) -> bool:
    return run.row["spectral_collapse_at"] is not None


def _kept_by_layer(run: Course) -> list[float]:
    """Mean sigma/sigma_1 at the end over that at the start, per layer."""
    if run.first is None or run.last is None:
        return []
    before, after = run.first["mean_ratio"] or [], run.last["mean_ratio"] or []
    return [b / a for a, b in zip(before, after, strict=False) if a and b is not None]


def _shares_kept(runs: Iterable[Course]) -> list[float]:
    return [shares[-1] for run in runs if (shares := _kept_by_layer(run))]


def _second(run: Course) -> float | None:
    ratios = run.last["sigma2_ratio"] if run.last else None
    return ratios[-1] if ratios else None


def _gaps(runs: Iterable[Course]) -> list[float]:
    """D(x) on training less test images, in units of its spread."""
    ends = [run.last for run in runs if run.last is not None]
    return [
        (end["d_real"] - end["d_test"]) / end["d_spread"]
        for end in ends
        if end["d_spread"] and end["d_real"] is not None and end["d_test"] is not None
    ]


def _best_by_seed(runs: Iterable[Course]) -> dict[float | None, dict[int, float]]:
    best: dict[float | None, dict[int, float]] = {}
    for run in runs:
        value = run.row[f"best_{score_name(run.row)}"]
        if value is not None:
            best.setdefault(run.row["i_ratio"], {})[run.row["seed"]] = value
    return best


def _differences(runs: Sequence[Course], before: float, after: float, key: str) -> list[float]:
    """The value at the end with the i `after` less that with `before`, by setting and seed."""
    ends: dict[tuple[str, int], dict[float, float]] = {}
    for run in runs:
        if run.last is not None and run.last[key] is not None:
            place = (run.row["setting"], run.row["seed"])
            ends.setdefault(place, {})[run.row["i_ratio"]] = run.last[key]
    return [end[after] - end[before] for end in ends.values() if before in end and after in end]


def _sign(before: Mapping[int, float], after: Mapping[int, float]) -> tuple[int, int] | None:
    """Sign of the paired difference, 0 if its interval has 0, and n; None below three seeds."""
    values = [after[seed] - before[seed] for seed in before if seed in after]
    if len(values) < FEWEST or not measurable(values):
        return None
    low, high = t_interval(values)
    return (-1 if high < 0 else 1 if low > 0 else 0), len(values)
