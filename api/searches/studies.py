"""The studies of a sweep: its trials by what they vary, the best so far, importances."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.reading import plans
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.searches.models import BestStep, RatedStudy, SearchParameter, SearchStudy, SearchTrial
from sweep.paper.scores import is_higher_better, score_title
from sweep.report import importance
from sweep.report.importance import Axis, axis_of
from sweep.store.vocabulary import FINISHED, is_halved
from trainer.config.lookup import lookup

# What a search of this project varies, in words; the sizes are the paper's where a trial has them.
TITLES = {
    "method": "method",
    "i_ratio": "i",
    "batch_size": "batch size",
    "channels": "width CH",
    "discriminator_rate_factor": "D's rate ×",
    "data_share": "share of the images",
}
# Numbers beyond it, as a sampler of somebody else's may choose, are on no axis.
LARGEST = 1e300
# SN at another rate of D has a name of its own; among parameters it is SN, beside its rate.
NAMED_FOR_ITS_RATE = {"sn-ttur": "sn"}
# Searched as text: parsing the configurations of ten thousand trials takes a tenth of a second.
_RATE = re.compile(r'"discriminator_rate_factor": ?([0-9]+(?:\.[0-9]+)?)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A study as its search has recorded it: of a `method`, or over a data set."""

    study: str
    method: str | None
    asked_for: int | None
    possible: int | None


def recorded_studies(content: bytes | None) -> tuple[Recorded, ...]:
    """The studies in the file beside a sweep; none if it has no such file, or another's."""
    try:
        record = json.loads(content or b"{}")
    except ValueError:
        return ()
    studies = record.get("studies") if isinstance(record, dict) else None
    return tuple(_recorded(study) for study in studies or () if _is_named(study))


def _is_named(study: Any) -> bool:
    return isinstance(study, dict) and isinstance(study.get("study"), str)


def _recorded(study: Mapping[str, Any]) -> Recorded:
    counts = [n if isinstance(n := study.get(k), int) else None for k in ("asked_for", "possible")]
    method = study.get("method")
    return Recorded(
        study=study["study"],
        method=method if isinstance(method, str) else None,
        asked_for=counts[0],
        possible=counts[1],
    )


@memoise_by_snapshot(size=4)
def studies(
    snapshot: Snapshot, name: str, recorded: tuple[Recorded, ...]
) -> Mapping[str, SearchStudy]:
    """The studies of a sweep by name, in the order of its plan. Raises NotFound.

    One is a setting or a data set, as the search has recorded; without a record it is what one
    score is measured on: a data set.
    """
    plans.plan_records(snapshot, name)
    plan = snapshot.plans.get(name, ())
    members: dict[str, list[tuple[int, Row, Row]]] = {}
    for number, planned in enumerate(plan, start=1):
        record = snapshot.records[planned["trial_id"]]
        members.setdefault(_study_of(record, recorded), []).append((number, planned, record))
    by_name = {each.study: each for each in recorded}
    return {study: _study(study, rows, by_name.get(study)) for study, rows in members.items()}


def _study_of(record: Row, recorded: Sequence[Recorded]) -> str:
    for each in recorded:
        column = "dataset" if each.method is None else "setting"
        if record[column] == each.study and each.method in (None, record["method"]):
            return each.study
    own = f", {score_title(record)}" if record.get("score") else ""
    return f"{record['dataset']}{own}"


def chosen_study(by_name: Mapping[str, SearchStudy], study: str | None) -> SearchStudy | None:
    """The study of that name, or the one with most trials; None if there is none at all.

    Raises UsageError for a name that no study has.
    """
    if study is not None:
        return lookup("study", by_name, study)
    return max(by_name.values(), key=lambda each: each.planned, default=None)


def _study(
    study: str, members: Sequence[tuple[int, Row, Row]], recorded: Recorded | None
) -> SearchStudy:
    first = members[0][2]
    trials = [_trial(*member) for member in members if _objective(member[2]) is not None]
    varied = [parameter for name in _names(trials) if (parameter := _parameter(name, trials))]
    names = {parameter.name for parameter in varied}
    for trial in trials:
        trial.parameters = {n: v for n, v in trial.parameters.items() if n in names}
    scored = sorted((t for t in trials if t.score is not None), key=lambda t: t.objective)
    iterations, steps = _steps(members, {trial.number: trial for trial in trials})
    return SearchStudy(
        study=study,
        dataset=first["dataset"],
        score=score_title(first),
        higher_is_better=is_higher_better(first),
        asked_for=recorded and recorded.asked_for,
        possible=recorded and recorded.possible,
        planned=len(members),
        iterations=iterations,
        parameters=varied,
        best=scored[0] if scored else None,
        worst=scored[-1].score if scored else None,
        steps=steps,
        trials=trials,
    )


def _objective(record: Row) -> float | None:
    """The objective of a trial that a search would count."""
    value = record["objective"]
    counts = record["status"] in FINISHED or is_halved(record)
    return value if counts and value is not None and math.isfinite(value) else None


def _trial(number: int, planned: Row, record: Row) -> SearchTrial:
    objective = record["objective"]
    has_score = record["best_iteration"] is not None
    sign = -1 if is_higher_better(record) else 1
    return SearchTrial(
        number=number,
        trial_id=record["trial_id"],
        status=record["status"],
        rung=record.get("rung"),
        iteration=record["iteration"] or 0,
        parameters=dict(_parameters(planned, record)),
        objective=objective,
        score=sign * objective if has_score else None,
        best_iteration=record["best_iteration"],
        mode_collapse_at=record["mode_collapse_at"],
    )


def _parameters(planned: Row, record: Row) -> Iterator[tuple[str, Any]]:
    """What a trial's search has chosen: a sampler's own choices, or what this project varies."""
    choices = _json_object(planned.get("parameters"))
    if choices:
        yield from ((name, value) for name, value in choices.items() if _is_value(value))
        return
    rate = _RATE.search(record["config"] or "")
    values = {
        "method": NAMED_FOR_ITS_RATE.get(record["method"], record["method"]),
        "i_ratio": record["i_ratio"],
        "batch_size": record["setting_batch_size"] or record["batch_size"],
        "channels": record["setting_channels"] or record["channels"],
        "discriminator_rate_factor": float(rate[1]) if rate else 1.0,
        "data_share": record["data_share"],
    }
    yield from ((name, value) for name, value in values.items() if _is_value(value))


def _json_object(text: str | None) -> Mapping[str, Any]:
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _is_value(value: Any) -> bool:
    return isinstance(value, str | bool) or (
        isinstance(value, int | float) and abs(value) < LARGEST
    )


def _names(trials: Sequence[SearchTrial]) -> list[str]:
    """Names of all parameters, those of this project's searches in their order."""
    present = dict.fromkeys(name for trial in trials for name in trial.parameters)
    return [n for n in TITLES if n in present] + [n for n in present if n not in TITLES]


def _parameter(name: str, trials: Sequence[SearchTrial]) -> SearchParameter | None:
    """The parameter; None if all trials have the same value of it."""
    values = [trial.parameters[name] for trial in trials if name in trial.parameters]
    if len(set(values)) < 2:
        return None
    its_axis = axis_of(values)
    return SearchParameter(
        name=name,
        title=TITLES.get(name, name.replace("_", " ")),
        choices=[*its_axis.choices] or None,
        low=None if its_axis.choices else its_axis.low,
        high=None if its_axis.choices else its_axis.high,
        log=its_axis.log,
        trials=len(values),
    )


def axis(parameter: SearchParameter) -> Axis:
    """The cells of a parameter's values."""
    if parameter.choices is not None:
        return Axis(choices=parameter.choices)
    assert parameter.low is not None
    assert parameter.high is not None
    return Axis(low=parameter.low, high=parameter.high, log=parameter.log)


def _steps(
    members: Sequence[tuple[int, Row, Row]], trials: Mapping[int, SearchTrial]
) -> tuple[int, list[BestStep]]:
    """Iterations of all trials, and the trials that ended better than those that ended before."""
    started = [member for member in members if member[2]["updated_at"] is not None]
    steps: list[BestStep] = []
    iterations, best = 0, math.inf
    for number, _, record in sorted(
        started, key=lambda member: (member[2]["updated_at"], member[0])
    ):
        iterations += record["iteration"] or 0
        trial = trials.get(number)
        if trial is not None and trial.score is not None and trial.objective < best:
            best = trial.objective
            steps.append(
                BestStep(
                    iterations=iterations,
                    score=trial.score,
                    number=number,
                    trial_id=trial.trial_id,
                )
            )
    return iterations, steps


@memoise_by_snapshot(size=4)
def rated_study(
    snapshot: Snapshot, name: str, recorded: tuple[Recorded, ...], study: str
) -> RatedStudy:
    """A study with its importances, which take up to a second."""
    plain = studies(snapshot, name, recorded)[study]
    fields = {field: getattr(plain, field) for field in SearchStudy.model_fields}
    reason = _no_importances(plain)
    if reason is not None:
        nothing = {"importances": [], "no_importances": reason, "target_share": None}
        return RatedStudy.model_validate(fields | nothing)
    results = importance.importances(
        [trial.parameters for trial in plain.trials],
        [trial.objective for trial in plain.trials],
        {parameter.name: axis(parameter) for parameter in plain.parameters},
    )
    rated = [{name: getattr(each, name) for name in each.__slots__} for each in results]
    target = importance.target_share(len(plain.trials))
    return RatedStudy.model_validate(
        fields | {"importances": rated, "no_importances": None, "target_share": target}
    )


def _no_importances(study: SearchStudy) -> str | None:
    least_trials = importance.LEAST_TRIALS
    if len(study.trials) < least_trials:
        return f"{len(study.trials)} trials are too few to tell: {least_trials} are needed."
    if len(study.parameters) < 2:
        return (
            f"{study.parameters[0].title} is all that varies."
            if study.parameters
            else ("No parameter varies.")
        )
    if len({trial.objective for trial in study.trials}) == 1:
        return "All trials have the same objective."
    return None
