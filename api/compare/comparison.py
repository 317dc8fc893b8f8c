"""Comparison of trials: their ids from a request, their labels, their differences."""

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
from api.web.words import number
from sweep.store.nonfinite import without_nonfinite
from trainer.config.lookup import UsageError
from trainer.config.own_trial import PROFILE as OWN

FEWEST, MOST = 2, 8
# Names are long and alike: only those that sort near an unknown one are compared with it.
NEAR = 100
LABELLED = ("profile", "setting", "method", "i_ratio", "seed", "iterations", "parent")


def ids_of(values: Sequence[str]) -> list[str]:
    """Trial ids in order, each once, from parameters that may hold several, or addresses."""
    names = [name for text in values for name in text.replace(",", " ").split()]
    return list(dict.fromkeys(name.rstrip("/").rpartition("/")[2] for name in names))


def selected_records(snapshot: Snapshot, ids: Sequence[str]) -> list[Row]:
    """Records of the trials. Raises UsageError for an unknown one, too few or too many."""
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
    """Ids of the store that resemble it, three at most, the likest first."""
    position = bisect.bisect(snapshot.ids, trial_id)
    candidates = snapshot.ids[max(0, position - NEAR) : position + NEAR]
    return difflib.get_close_matches(trial_id[:200], candidates, n=3, cutoff=0.3)


def compare_records(
    snapshot: Snapshot,
    records: Sequence[Row],
    curves: Callable[[str], Sequence[Row]],
    *,
    every: bool = False,
) -> Comparison:
    """Compares trials; `curves` gives the evaluations of one, none if they cannot be read."""
    details = [queries.trial_detail(snapshot, record) for record in records]
    matched = _rows_at_common_iteration([curves(trial.trial_id) for trial in details])
    first = details[0]
    return Comparison(
        trials=[
            _compared_trial(trial, first, label, (row, rows[0]))
            for rows in [matched]
            for trial, label, row in zip(details, labels(details), rows, strict=True)
        ],
        keys=differences(details, every=every),
        latent_vectors=latent_vectors(details),
        snapshot=snapshot.id,
    )


def labels(trials: Sequence[Trial]) -> list[str]:
    """Labels: a letter each, and the parts of their names that differ between them."""
    differing = [name for name in LABELLED if len({getattr(t, name) for t in trials}) > 1]
    if len({t.setting for t in trials}) == len({(t.profile, t.setting) for t in trials}):
        differing = [name for name in differing if name != "profile"]
    return [
        " ".join([chr(ord("A") + k), *(w for name in differing if (w := _word(name, trial)))])
        for k, trial in enumerate(trials)
    ]


def _word(name: str, trial: Trial) -> str:
    value = getattr(trial, name)
    if value is None:
        return ""
    formats: dict[str, Callable[[Any], str]] = {
        "i_ratio": lambda i: f"i {number(i)}",
        "seed": lambda seed: f"seed {seed}",
        "iterations": lambda n: f"{n} it.",
        "parent": lambda _: f"from {trial.parent_iteration}",
    }
    return formats.get(name, str)(value)


def latent_vectors(trials: Sequence[TrialDetail]) -> str | None:
    """Returns why latent vectors differ: they follow from the seed and their own size alone."""
    if any(trial.profile == OWN for trial in trials):
        return "a loop of its own draws them as it likes"
    if len({trial.seed for trial in trials}) > 1:
        return "seeds differ"
    configs = [trial.config for trial in trials if trial.config is not None]
    sizes = {config["latent_size"] for config in configs if "latent_size" in config}
    return "their sizes differ" if len(sizes) > 1 else None


def _rows_at_common_iteration(curves: Sequence[Sequence[Row]]) -> list[Row | None]:
    """The evaluation of each trial at the last iteration that all with a curve evaluated."""
    by_iteration = [{row["iteration"]: row for row in rows} for rows in curves]
    iteration_sets = [set(rows) for rows in by_iteration if rows]
    common = set.intersection(*iteration_sets) - {0} if len(iteration_sets) > 1 else set()
    return [rows[max(common)] if common and rows else None for rows in by_iteration]


def _compared_trial(
    trial: TrialDetail, first: TrialDetail, label: str, matched: tuple[Row | None, Row | None]
) -> ComparedTrial:
    score, title = dataset_facts.score_of(trial), dataset_facts.title_of(trial)
    comparable = title == dataset_facts.title_of(first) and trial.trial_id != first.trial_id
    scores, first_scores = (
        None if row is None else ScoresAt.model_validate(_scores(row)) for row in matched
    )
    shared_fields = {
        name: getattr(trial, name) for name in ComparedTrial.model_fields if hasattr(trial, name)
    }
    return ComparedTrial.model_validate(
        shared_fields
        | {
            "label": label,
            "score": trial.score or score,
            "best_distance": _distance(trial.best, first.best, score, comparable),
            "final_distance": _distance(trial.final, first.final, score, comparable),
            "matched_distance": _distance(scores, first_scores, score, comparable),
        }
    )


def _scores(row: Row) -> dict[str, Any]:
    return without_nonfinite({name: row[name] for name in ScoresAt.model_fields if name in row})


def _distance(
    scores: ScoresAt | None, first_scores: ScoresAt | None, score: str, comparable: bool
) -> DistanceAt:
    value = getattr(scores, score) if scores else None
    first_value = getattr(first_scores, score) if first_scores and comparable else None
    above_first = value - first_value if value is not None and first_value is not None else None
    return DistanceAt(
        value=value, iteration=scores.iteration if scores else None, above_first=above_first
    )
