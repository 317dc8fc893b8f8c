"""A study of three trials, one of which has no score."""

from __future__ import annotations

from api.searches.models import BestStep, SearchParameter, SearchStudy, SearchTrial

AXES = [
    SearchParameter(
        name="method", title="method", choices=["sn", "sr-static"], low=None, high=None,
        log=False, trials=3,
    ),
    SearchParameter(
        name="i_ratio", title="i", choices=None, low=0.0, high=1.0, log=False, trials=2
    ),
    SearchParameter(
        name="batch_size", title="batch size", choices=None, low=8.0, high=2048.0, log=True,
        trials=3,
    ),
]  # fmt: skip


def trial(number: int, score: float | None, **parameters: str | float) -> SearchTrial:
    return SearchTrial(
        number=number,
        trial_id=f"t{number}",
        status="completed",
        rung=None,
        iteration=100,
        parameters=dict(parameters),
        objective=10_000.0 if score is None else score,
        score=score,
        best_iteration=None if score is None else 50,
        mode_collapse_at=None,
    )


TRIALS = [
    trial(1, 900.0, method="sr-static", i_ratio=0.0, batch_size=8),
    trial(2, 500.0, method="sr-static", i_ratio=1.0, batch_size=2048),
    trial(3, None, method="sn", batch_size=128),
]


def study(trials: list[SearchTrial] = TRIALS) -> SearchStudy:
    return SearchStudy(
        study="digits8",
        dataset="digits8",
        score="FD-digits",
        higher_is_better=False,
        asked_for=None,
        possible=None,
        planned=3,
        iterations=300,
        parameters=AXES,
        best=TRIALS[1],
        worst=900.0,
        steps=[
            BestStep(iterations=100, score=900.0, number=1, trial_id="t1"),
            BestStep(iterations=200, score=500.0, number=2, trial_id="t2"),
        ],
        trials=trials,
    )
