"""Trials side by side: which ones are asked for, what they are called, how they differ."""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Callable, Sequence
from typing import Any

from api.compare.models import ComparedTrial, Comparison, DistanceAt
from api.reading.snapshot import Row, Snapshot
from api.trials import dataset_facts, queries
from api.trials.differences import differences
from api.trials.models import ScoresAt, Trial, TrialDetail
from api.web.nonfinite import without_nonfinite
from api.web.words import number
from trainer.config.lookup import UsageError

FEWEST, MOST = 2, 8
# Names are long and alike: only those that sort near an unknown one are compared with it.
NEAR = 100
LABELLED = ("profile", "setting", "method", "i_ratio", "seed", "iterations", "parent")


def ids_of(given: Sequence[str]) -> list[str]:
    """Trial ids in order, each once: of a parameter that may hold several, or addresses."""
    words = [word for text in given for word in text.replace(",", " ").split()]
    return list(dict.fromkeys(word.rstrip("/").rpartition("/")[2] for word in words))


def chosen(snapshot: Snapshot, ids: Sequence[str]) -> list[Row]:
    """Their records. Raises UsageError for an unknown one, too few or too many."""
    for trial_id in ids:
        if trial_id not in snapshot.records:
            near = nearest(snapshot, trial_id)
            hint = f"; did you mean: {', '.join(near)}?" if near else ""
            raise UsageError(f"there is no trial {trial_id[:200]!r} in the store{hint}")
    if not FEWEST <= len(ids) <= MOST:
        raise UsageError(
            f"{FEWEST} to {MOST} trials can be compared, not {len(ids)}: give each once as t=<id>"
        )
    return [snapshot.records[trial_id] for trial_id in ids]


def nearest(snapshot: Snapshot, trial_id: str) -> list[str]:
    """At most three ids of the store that resemble it, the likest first."""
    place = bisect.bisect(snapshot.ids, trial_id)
    around = snapshot.ids[max(0, place - NEAR) : place + NEAR]
    return difflib.get_close_matches(trial_id[:200], around, n=3, cutoff=0.3)


def comparison(
    snapshot: Snapshot,
    records: Sequence[Row],
    curves: Callable[[str], Sequence[Row]],
    *,
    every: bool = False,
) -> Comparison:
    """`curves` gives the evaluations of a trial, none if they cannot be read."""
    details = [queries.trial_detail(snapshot, record) for record in records]
    matched = _matched([curves(trial.trial_id) for trial in details])
    first = details[0]
    return Comparison(
        trials=[
            _compared(trial, first, label, (row, rows[0]))
            for rows in [matched]
            for trial, label, row in zip(details, labels(details), rows, strict=True)
        ],
        keys=differences(details, every=every),
        latent_vectors=latent_vectors(details),
        snapshot=snapshot.id,
    )


def labels(trials: Sequence[Trial]) -> list[str]:
    """A letter each, and what of their names differs between them."""
    shown = [name for name in LABELLED if len({getattr(t, name) for t in trials}) > 1]
    if len({t.setting for t in trials}) == len({(t.profile, t.setting) for t in trials}):
        shown = [name for name in shown if name != "profile"]
    return [
        " ".join([chr(ord("A") + k), *(w for name in shown if (w := _word(name, trial)))])
        for k, trial in enumerate(trials)
    ]  # fmt: skip


def _word(name: str, trial: Trial) -> str:
    value = getattr(trial, name)
    if value is None:
        return ""
    named: dict[str, Callable[[Any], str]] = {
        "i_ratio": lambda i: f"i {number(i)}",
        "seed": lambda seed: f"seed {seed}",
        "iterations": lambda n: f"{n} it.",
        "parent": lambda _: f"from {trial.parent_iteration}",
    }
    return named.get(name, str)(value)


def latent_vectors(trials: Sequence[TrialDetail]) -> str | None:
    """Latent vectors follow from the seed and their own size, nothing else."""
    if len({trial.seed for trial in trials}) > 1:
        return "seeds differ"
    configs = [trial.config for trial in trials if trial.config is not None]
    sizes = {config["latent_size"] for config in configs if "latent_size" in config}
    return "their sizes differ" if len(sizes) > 1 else None


def _matched(curves: Sequence[Sequence[Row]]) -> list[Row | None]:
    """The evaluation of each trial at the last iteration that all with a curve evaluated."""
    at = [{row["iteration"]: row for row in rows} for rows in curves]
    begun = [set(rows) for rows in at if rows]
    common = set.intersection(*begun) - {0} if len(begun) > 1 else set()
    return [rows[max(common)] if common and rows else None for rows in at]


def _compared(
    trial: TrialDetail, first: TrialDetail, label: str, matched: tuple[Row | None, Row | None]
) -> ComparedTrial:
    score = dataset_facts.score_of(trial)
    alike = score == dataset_facts.score_of(first) and trial.trial_id != first.trial_id
    own, other = (
        None if row is None else ScoresAt.model_validate(_scores(row)) for row in matched
    )
    about = {
        name: getattr(trial, name) for name in ComparedTrial.model_fields if hasattr(trial, name)
    }
    return ComparedTrial.model_validate(
        about
        | {
            "label": label,
            "score": score,
            "best_distance": _distance(trial.best, first.best, score, alike),
            "final_distance": _distance(trial.final, first.final, score, alike),
            "matched_distance": _distance(own, other, score, alike),
        }
    )


def _scores(row: Row) -> dict[str, Any]:
    return without_nonfinite({name: row[name] for name in ScoresAt.model_fields if name in row})


def _distance(own: ScoresAt | None, first: ScoresAt | None, score: str, alike: bool) -> DistanceAt:
    value = getattr(own, score) if own else None
    of_first = getattr(first, score) if first and alike else None
    above = value - of_first if value is not None and of_first is not None else None
    return DistanceAt(value=value, iteration=own.iteration if own else None, above_first=above)
