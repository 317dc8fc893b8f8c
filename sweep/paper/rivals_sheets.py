"""Tables of a comparison of rivals: final scores with paired differences, and what was tuned.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweep.paper.final_scores import Difference, FinalScores
from sweep.paper.scores import DECIMALS, SCORE_TITLES
from sweep.paper.table2 import BASELINES
from sweep.paper.typeset import SIGNAL_MARKS, Sheet, number

# An objective of `sweep.rivals` from which on a candidate is one that never had a score.
NO_SCORE = 10_000


def scores_sheet(
    scores: Sequence[FinalScores], methods: Sequence[str], settings: Sequence[str], n_seeds: int
) -> Sheet:
    """The final scores, a block per setting and a line per method, run or not."""
    cells = {(cell.setting, cell.method): cell for cell in scores}
    title = SCORE_TITLES[scores[0].score]
    signals = ", ".join(f"{mark} {words}" for mark, words in SIGNAL_MARKS.values())
    return Sheet(
        title=f"Final {title} of tuned methods on fresh seeds",
        label="tab:rivals",
        header=(
            "setting",
            "method",
            "n",
            title,
            "of the averaged G",
            "modes",
            *(f"minus {control}" for control in BASELINES),
            "collapsed",
        ),
        blocks=[
            [
                (setting, method, *_cells(cells.get((setting, method)), n_seeds))
                for method in methods
            ]
            for setting in settings
        ],
        notes=[
            f"{title}, lower is better, and modes (of 1000, more is better) after the last "
            "iteration, whatever collapsed on the way: mean ± standard deviation over n seeds.",
            "Minus: paired, at the same seed. From three seeds on the mean with its 95 % t "
            "interval, not corrected for the number of rows; for fewer each difference.",
            f"Collapsed: finished seeds that showed {signals}.",
        ],
    )


def _cells(cell: FinalScores | None, n_seeds: int) -> Iterator[str]:
    if cell is None or not cell.by_seed:
        yield from (f"0 of {n_seeds}", *[""] * (3 + len(BASELINES)), "not run")
        return
    decimals = DECIMALS[cell.score]
    n = len(cell.by_seed)
    yield str(n) if n == n_seeds else f"{n} of {n_seeds}"
    spread = "" if cell.sd is None else f" ± {number(cell.sd, decimals)}"
    yield "–" if cell.mean is None else f"{number(cell.mean, decimals)}{spread}"
    yield "–" if cell.ema is None else number(cell.ema, decimals)
    yield "–" if cell.modes is None else number(cell.modes, 0)
    for control in BASELINES:
        yield _difference(cell.differences.get(control), decimals)
    yield ", ".join(
        f"{mark} {cell.signals[name]}/{n}"
        for name, (mark, _) in SIGNAL_MARKS.items()
        if cell.signals[name]
    )


def _difference(difference: Difference | None, decimals: int) -> str:
    if difference is None:
        return ""
    if difference.interval is None:
        return ", ".join(number(v, decimals, sign=True) for v in difference.by_seed.values())
    low, high = (number(end, decimals, sign=True) for end in difference.interval)
    return f"{number(difference.mean, decimals, sign=True)} [{low}, {high}]"


def tuning_sheet(contest: Mapping[str, Any]) -> Sheet:
    """What each method was tuned to, from the stored record of `sweep.rivals`."""
    seeds = ", ".join(map(str, contest["tuning_seeds"]))
    return Sheet(
        title=f"Tuned on {contest['tuning_setting']}, seeds {seeds}",
        label="tab:tuning",
        header=("method", "tuned to", "candidates", "objective", "as published", "remark"),
        blocks=[[_tuning(method) for method in contest["methods"]]],
        notes=[
            "Objective: mean over the tuning seeds of the best distance before mode collapse, "
            "lower is better; the first candidate is the method as published, in this profile.",
            "Knobs and their ranges, with sources: trainer/config/knobs.py.",
        ],
    )


def _tuning(method: Mapping[str, Any]) -> tuple[str, ...]:
    winner = method["winner"]
    remark = method["note"] or ""
    if winner is None:
        judged = sum(candidate["objective"] is not None for candidate in method["candidates"])
        count = f"{judged} of {method['budget']}"
        return method["method"], "not tuned to the end", count, "", "", remark
    values = ", ".join(f"{name} {value:g}" for name, value in winner["values"].items())
    objectives = [winner["objective"], winner.get("published_objective")]
    return (
        method["method"],
        values or "–",
        str(winner["candidates"]),
        *("–" if value is None else _objective(value) for value in objectives),
        remark,
    )


def _objective(value: float) -> str:
    return "no score" if value >= NO_SCORE else number(value, 0)
