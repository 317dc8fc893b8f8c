"""A launcher without Ray: each trial that a search asks for leaves a row at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sweep.plan.grid import Plan
from sweep.plan.options import Options
from sweep.recording.rows import identity_row as own_identity_row
from sweep.run.queue import Suggestions
from sweep.run.rows import identity_row, plan_rows
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED
from trainer.config.own_trial import AnyTrial, OwnTrial


class Stopped(Exception):
    """The driver has gone."""


def _identity(config: AnyTrial) -> dict[str, Any]:
    return own_identity_row(config) if isinstance(config, OwnTrial) else identity_row(config)


def one_after_the_other(
    result: Callable[[Any], Mapping[str, Any]], trials: int = 1000
) -> Callable[..., int]:
    """A launcher whose trials complete with `result`; the driver goes when so many have run."""
    left = iter(range(trials))

    def run_in_turn(
        experiment: str, plan: Plan, options: Options, suggestions: Suggestions
    ) -> int:
        assert options.results is not None
        assert options.name is not None
        store = Store(options.results)
        planned = list(plan.trials)
        rows = store.read_all("trials", [config.trial_id for config in planned])
        done = {i for i, row in rows.items() if row["status"] in FINISHED}
        for trial_id in done:
            suggestions.tell(trial_id, rows[trial_id])
        queue: Iterator[AnyTrial | None] = iter(c for c in plan.trials if c.trial_id not in done)
        while (config := next(queue, None) or suggestions.next()) is not None:
            if config not in planned:
                planned.append(config)
            store.write_rows("sweeps", options.name, plan_rows(options.name, planned))
            if next(left, None) is None:
                raise Stopped
            ended = _identity(config) | {"status": "completed"} | dict(result(config))
            store.write_rows("trials", config.trial_id, [ended])
            suggestions.tell(config.trial_id, store.read_rows("trials", config.trial_id)[0])
        assert suggestions.finished()
        sys.stdout.write("\n".join(suggestions.lines()) + "\n")
        return 0

    return run_in_turn
