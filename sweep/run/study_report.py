"""Findings of a study: its best trials and what mattered, as text and as a stored record.

Standard library only, but for the importance, which is Optuna's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from sweep.plan.search_space import I_STEPS, Space
from sweep.report.table2_text import DECIMALS, SCORE_TITLES
from sweep.run.rows import PENALTY
from sweep.store.judgement import reasons_not_judged, standing_reason

BEST = 5
# With fewer trials an importance is noise.
LEAST_TRIALS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A trial of a study that finished, or was stopped at a rung; `objective` is finite,
    `best_iteration` where it was seen; `not_judged` why its mode collapse was not judged."""

    trial_id: str
    parameters: Mapping[str, Any]
    objective: float
    best_iteration: int | None
    mode_collapse_at: int | None
    status: str
    not_judged: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A study at the end of a run: `suggested` trials of the `trials` asked for, `findings` of
    those that finished, best first."""

    space: Space
    trials: int
    suggested: int
    findings: Sequence[Finding]

    @property
    def exhausted(self) -> bool:
        return self.suggested == len(self.space.trials)

    @cached_property
    def importances(self) -> dict[str, dict[str, float] | str]:
        """Importances by the trials that they are taken over: each parameter's share, highest
        first, or a sentence on why there is none.

        i_ratio is a parameter of the trials that lift only, so its share is taken over those.
        Kept, as both the text and the record have them: of a thousand trials they take seconds.
        """
        space, findings = self.space, self.findings
        if not space.categories:
            return {f"{len(findings)} trials": "i_ratio is all that is searched over"}
        lifting = [result for result in findings if "i_ratio" in result.parameters]
        return {
            f"{len(findings)} trials": _shares(space, findings, [*space.categories]),
            f"{len(lifting)} that lift": _shares(space, lifting, [*space.categories, "i_ratio"]),
        }


def objective(row: Mapping[str, Any]) -> float:
    """The objective of a finished row of `trials`. Always finite: Optuna takes no NaN."""
    value = row["objective"]
    return float(value) if value is not None and math.isfinite(value) else PENALTY


def finding(parameters: Mapping[str, Any], row: Mapping[str, Any]) -> Finding:
    return Finding(
        trial_id=row["trial_id"],
        parameters=dict(parameters),
        objective=objective(row),
        best_iteration=row["best_iteration"],
        mode_collapse_at=row["mode_collapse_at"],
        status=row["status"],
        not_judged=standing_reason("mode_collapse_at", reasons_not_judged(row)),
    )


def _shares(space: Space, findings: Sequence[Finding], names: list[str]) -> dict[str, float] | str:
    """fANOVA's shares of the variance of the objective's rank: a penalty would drown a value."""
    if len(findings) < LEAST_TRIALS:
        return f"too few trials to tell, {LEAST_TRIALS} are needed"
    ranks = {value: rank for rank, value in enumerate(sorted({f.objective for f in findings}))}
    if len(ranks) == 1:
        return "nothing to tell, all have the same objective"
    import optuna

    i = optuna.distributions.FloatDistribution(1 / I_STEPS, 1.0, step=1 / I_STEPS)
    distributions = {
        name: optuna.distributions.CategoricalDistribution(list(values))
        for name, values in space.categories.items()
    } | {"i_ratio": i}
    # A study of its own, with each trial once: a sampler's study has those asked for again, too.
    study = optuna.create_study()
    for result in findings:
        study.add_trial(
            optuna.create_trial(
                params={name: result.parameters[name] for name in names},
                distributions={name: distributions[name] for name in names},
                value=ranks[result.objective],
            )
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def lines(outcome: Outcome) -> list[str]:
    """The outcome as it is printed at the end of a sweep."""
    space, findings = outcome.space, outcome.findings
    score = next(iter(space.trials.values())).score_name
    title = f"study {space.name}: {len(findings)} of {outcome.suggested} trials finished"
    if n_stopped := sum(result.status == "stopped" for result in findings):
        title += f", {n_stopped} of them stopped at a rung"
    if outcome.suggested < outcome.trials:
        title += f", {outcome.trials} asked for"
    if outcome.exhausted:
        title += f"; the space is exhausted: it has no more than {len(space.trials)} trials"
    text_lines = [title]
    if not findings:
        return text_lines
    text_lines.append(f"  best {SCORE_TITLES[score]} before mode collapse, lower is better:")
    text_lines += [f"    {_in_words(result, DECIMALS[score])}" for result in findings[:BEST]]
    if reasons := [result.not_judged for result in findings if result.not_judged is not None]:
        text_lines.append(
            f"  mode collapse was not judged in {len(reasons)} of {len(findings)}, whose best may "
            f"lie after one: {reasons[0]}"
        )
    for trial_group, shares in outcome.importances.items():
        if not isinstance(shares, str):
            shares = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        text_lines.append(f"  importance over {trial_group}: {shares}")
    return text_lines


def record(outcome: Outcome) -> dict[str, Any]:
    """The outcome as it is stored, with every finished trial."""
    return {
        "study": outcome.space.name,
        "dataset": outcome.space.dataset,
        "method": outcome.space.method,
        "categories": {name: list(values) for name, values in outcome.space.categories.items()},
        "possible": len(outcome.space.trials),
        "asked_for": outcome.trials,
        "suggested": outcome.suggested,
        "exhausted": outcome.exhausted,
        "importances": outcome.importances,
        "finished": [asdict(result) for result in outcome.findings],
    }


def _in_words(result: Finding, decimals: int) -> str:
    parameters = ", ".join(f"{name} {value}" for name, value in result.parameters.items())
    if result.best_iteration is None:
        value = f"no score before mode collapse, counted as {PENALTY:.0f}"
    else:
        value = f"{result.objective:.{decimals}f} at iteration {result.best_iteration}"
    return f"{value:26} {parameters}  ({result.trial_id}, {result.status})"
