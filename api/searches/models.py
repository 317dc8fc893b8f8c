"""Response models of `/searches/{name}`: what the service promises of a search."""

from __future__ import annotations

from pydantic import BaseModel, Field

Value = str | int | float | bool


class SearchParameter(BaseModel):
    """A parameter that the trials of a study vary: choices, or numbers from `low` to `high`."""

    name: str
    title: str
    choices: list[Value] | None = Field(description="null where there are many numbers")
    low: float | None
    high: float | None
    log: bool = Field(description="the numbers are far apart: a logarithmic axis shows them")
    trials: int = Field(description="scored or counted as a penalty, that have it")


class SearchTrial(BaseModel):
    """A trial of a study that has ended, or was stopped at a rung, with an objective."""

    number: int = Field(description="its place in the plan, from 1: the order of suggestions")
    trial_id: str
    status: str
    rung: int | None = Field(description="of successive halving, that stopped it")
    iteration: int = Field(description="iterations done")
    parameters: dict[str, Value] = Field(description="those that it has, as i where it lifts")
    objective: float = Field(description="lower is better; finite, a penalty without a score")
    score: float | None = Field(description="best before mode collapse; null if there is none")
    best_iteration: int | None
    mode_collapse_at: int | None


class Importance(BaseModel):
    """The share of a parameter in what the best trials have in common (PED-ANOVA)."""

    name: str
    share: float = Field(description="0 to 1; those of a study add up to 1")
    low: float = Field(description="5 % quantile of it over resamples of the trials")
    high: float = Field(description="95 % quantile")
    trials: int = Field(description="that have the parameter")


class BestStep(BaseModel):
    """A trial that ended better than all before it in its study."""

    iterations: int = Field(description="that all trials had done by then, this one included")
    score: float
    number: int
    trial_id: str


class SearchStudy(BaseModel):
    """Trials with one objective: of a setting or of a data set."""

    study: str
    dataset: str
    score: str = Field(description="title of the score that is searched for")
    higher_is_better: bool
    asked_for: int | None = Field(description="trials, as the search says; null if it does not")
    possible: int | None = Field(description="different trials that its space has")
    planned: int = Field(description="trials of the plan")
    iterations: int = Field(description="that all its trials have done")
    parameters: list[SearchParameter]
    best: SearchTrial | None
    worst: float | None = Field(description="the worst score that a trial has")
    steps: list[BestStep]
    trials: list[SearchTrial]


class RatedStudy(SearchStudy):
    """A study with the importances of its parameters."""

    importances: list[Importance] = Field(description="highest first; none if nothing can be told")
    no_importances: str | None = Field(description="why there are none")
    target_share: float | None = Field(description="share of the trials that count as the best")


class Search(BaseModel):
    sweep: str
    studies: list[RatedStudy]
    snapshot: str
