"""The answer at the end of a sweep: differences to SN and its controls, and costs, in a grid."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.paper.costs import Cost
from sweep.paper.rivals import answer, difference_text, pair_of
from sweep.paper.scores import DECIMALS, SCORE_TITLES
from sweep.paper.table2 import BASELINES, SettingRow
from sweep.report.text_tables import Grid, Part, plain_lines, wrapped

COST_COLUMNS = ("time/sn", "GPU h", "CPU h")


def rival_parts(rows: Sequence[SettingRow], profile: str) -> list[Part]:
    """The grid, a line per setting and method that shares a seed with a baseline, and the answer.

    Empty where none does.
    """
    lines = [line for row in rows for line in _lines(row, profile)]
    if not lines:
        return []
    scores = {r.score for row in rows for r in row.measured.get(profile, {}).values()}
    title = " and ".join(SCORE_TITLES[score] for score in sorted(scores))
    header = ["setting", "method", *(f"minus {name}" for name in BASELINES), *COST_COLUMNS]
    heading = (
        f"differences of {title} at the same seed and last common iteration, below 0 the method "
        "is better: mean [95 % paired t interval], below three seeds each value; time per "
        "iteration over sn's, evaluations included"
    )
    grid = Grid(header=header, rows=lines, right=COST_COLUMNS, styles={})
    sentence = answer(rows, profile)
    return [wrapped(heading), grid, *([] if sentence is None else ["", wrapped(sentence)])]


def rival_lines(rows: Sequence[SettingRow], profile: str) -> list[str]:
    """The same as plain lines."""
    return [line for part in rival_parts(rows, profile) for line in plain_lines(part)]


def _lines(row: SettingRow, profile: str) -> list[list[str]]:
    lines = []
    for method, result in row.measured.get(profile, {}).items():
        pairs = [pair_of(row, profile, method, name) for name in BASELINES]
        if not any(pairs):
            continue
        decimals = DECIMALS[result.score]
        cells = [
            _own(method, name) if pair is None else difference_text(pair, decimals)
            for name, pair in zip(BASELINES, pairs, strict=True)
        ]
        lines.append([row.setting, method, *cells, *_cost_cells(row.costs[profile][method])])
    return lines


def _own(method: str, baseline: str) -> str:
    return "–" if method == baseline else "no seed of both"


def _cost_cells(cost: Cost) -> list[str]:
    ratio = "" if cost.time_ratio is None else f"{cost.time_ratio:.2f}"
    return [ratio, f"{cost.gpu_hours:.2f}", f"{cost.cpu_hours:.2f}"]
