"""Figs. 8 and 12: sentences of the text on them, and the measured trends. Standard library only.

The figures' points are not in the text, so only its sentences on them are held against the trials.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sweep.paper.answers import Answer, not_measured, verdict
from sweep.paper.table2 import (
    MethodResult,
    SettingRow,
    is_paper_run,
    one_configuration,
    summary,
)
from sweep.store.vocabulary import Row

PEAK = "better from 0.25 to 0.5, worse from 0.5 to 1"
STEADY = "better with every step of i"
TEXT_OF_FIG_8 = {"A": PEAK, "B": STEADY, "D": PEAK, "E": PEAK}
STEPS = (0.25, 0.5, 1.0)
STATIC, DYNAMIC = "sr-static", ("sr-dynamic", "sr-dynamic-renorm")
# The methods of Fig. 12.
COMPARED = ("sn", STATIC, *DYNAMIC)
TEXT_OF_FIG_12 = {
    "A_128-128": "static", "B_16-64": "dynamic", "C_64-32": "dynamic", "D_128-256": "static",
    "E_512-64": "dynamic",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A method's best distance over i on a setting; `beside` has methods that do not lift."""

    profile: str
    setting: str
    group: str
    method: str
    points: Sequence[MethodResult]
    beside: Mapping[str, MethodResult]
    text: str | None
    agrees: Answer


def fig8(trials: Iterable[Row]) -> list[Trend]:
    """Trends by profile, setting and lifting method, from the whole runs among rows of `trials`.

    As in Table II no mean goes over different configurations: of a profile, setting and method
    one is taken, over all values of i.
    """
    cells: dict[tuple[str, str, str], list[Row]] = {}
    for row in trials:
        if is_paper_run(row):
            cells.setdefault((row["profile"], row["setting"], row["method"]), []).append(row)
    trials_of = {key: one_configuration(rows) for key, rows in cells.items()}
    trends = []
    for (profile, setting, method), rows in trials_of.items():
        ratios = sorted({row["i_ratio"] for row in rows if row["i_ratio"] is not None})
        if not ratios:
            continue
        points = [summary(method, [r for r in rows if r["i_ratio"] == i]) for i in ratios]
        group = rows[0]["group"]
        text = TEXT_OF_FIG_8.get(group)
        trends.append(
            Trend(
                profile=profile,
                setting=setting,
                group=group,
                method=method,
                points=points,
                beside={
                    name: summary(name, trials_of[profile, setting, name])
                    for name in ("sn", "sn-renorm")
                    if (profile, setting, name) in trials_of
                },
                text=text,
                agrees=_agrees(text, {p.i_ratio: p.mean for p in points}, points),
            )
        )
    return trends


def _agrees(
    text: str | None, means: Mapping[float | None, float | None], points: Sequence[MethodResult]
) -> Answer:
    if text is None:
        return not_measured("the text says nothing of this group")
    measured = {i: mean for i, mean in means.items() if i is not None and mean is not None}
    missing = [f"{i:g}" for i in STEPS if i not in measured]
    if missing:
        return not_measured(f"no finished trial with i = {', '.join(missing)}")
    ratios = [i for i in sorted(measured) if i >= STEPS[0]] if text == STEADY else list(STEPS)
    path = [measured[i] for i in ratios]
    if text == STEADY:
        holds = all(after < before for before, after in itertools.pairwise(path))
    else:
        holds = path[1] < path[0] and path[1] < path[2]
    n = min(point.n for point in points if point.i_ratio in ratios)
    means_text = ", ".join(f"{measured[i]:.4g} at {i:g}" for i in ratios)
    comparable = all(point.comparable for point in points)
    return Answer(
        verdict(holds), None, n, f"mean best {points[0].score}: {means_text}", comparable
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """Static against dynamic compensation on a setting; `text` says which the paper found better.

    `agrees` is by the reading of the dynamic method that stands for it.
    """

    profile: str
    setting: str
    methods: Mapping[str, MethodResult]
    text: str | None
    agrees: Mapping[str, Answer]


def fig12(rows: Sequence[SettingRow]) -> list[Compensation]:
    """Compensations by profile and setting, from the rows of Table II with either method."""
    return [
        Compensation(
            profile=profile,
            setting=row.setting,
            methods={m: r for m, r in measured.items() if m in COMPARED},
            text=TEXT_OF_FIG_12.get(row.setting),
            agrees={m: _better(row.setting, measured, m) for m in DYNAMIC if m in measured},
        )
        for row in rows
        for profile, measured in row.measured.items()
        if measured.keys() & {STATIC, *DYNAMIC}
        and (row.setting in TEXT_OF_FIG_12 or measured.keys() & {*DYNAMIC})
    ]


def _better(setting: str, measured: Mapping[str, MethodResult], dynamic: str) -> Answer:
    pair = measured.get(STATIC), measured[dynamic]
    if pair[0] is None or pair[0].mean is None or pair[1].mean is None:
        return not_measured("no finished trial of both")
    better = "static" if pair[0].mean < pair[1].mean else "dynamic"
    text = TEXT_OF_FIG_12.get(setting)
    sentence = f"mean best {pair[0].score}: {pair[0].mean:.4g} static, {pair[1].mean:.4g} dynamic"
    if text is None:
        return not_measured(f"the text does not name this setting; {sentence}")
    n = min(pair[0].n, pair[1].n)
    comparable = pair[0].comparable and pair[1].comparable
    return Answer(verdict(better == text), None, n, sentence, comparable)
