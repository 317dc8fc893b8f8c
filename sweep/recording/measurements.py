"""Everything that a loop has logged of a run: records, spectra, layers. Knows no store."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sweep.recording import rows
from sweep.recording.spectra import (
    Layers,
    blocks_by_layer,
    descending,
    layers_of,
    mean_of_voting,
    summaries,
)
from sweep.recording.values import number, whole
from trainer.config.lookup import UsageError
from trainer.config.own_trial import OwnTrial

Record = dict[str, Any]


class Measurements:
    """Records of a run, oldest first, those of earlier processes before this one's.

    A record has the columns of `evaluations`, and numbers of the loop's own under their names.
    """

    def __init__(
        self,
        trial: OwnTrial,
        evaluations: Iterable[Mapping[str, Any]],
        spectra: Iterable[Mapping[str, Any]],
        layers: Layers,
        votes: Sequence[str] | None = None,
    ) -> None:
        self.trial, self.votes, self.layers = trial, votes, layers
        self.history: list[Record] = [{**row, **(row["own_values"] or {})} for row in evaluations]
        self.spectra: list[Record] = [dict(row) for row in spectra]
        self.has_logged = False
        self._begun = time.monotonic()
        self._note_start()

    def _note_start(self) -> None:
        self.resumed_at = self.last_iteration or 0
        self._seconds_before = self.history[-1]["seconds"] if self.history else 0.0

    @property
    def last_iteration(self) -> int | None:
        return self.history[-1]["iteration"] if self.history else None

    @property
    def spent(self) -> float:
        """Seconds of this process."""
        return time.monotonic() - self._begun

    @property
    def seconds(self) -> float:
        """Seconds of all processes, of what was not dropped."""
        return self._seconds_before + self.spent

    @property
    def evaluations(self) -> list[Record]:
        """Rows of `evaluations`."""
        columns = rows.EVALUATION_COLUMNS
        return [{k: v for k, v in r.items() if k in columns} for r in self.history]

    def add(self, iteration: Any, spectra: Any, values: Mapping[str, Any]) -> None:
        """Adds a record; the first one of this process drops those from its iteration on.

        `spectra` and `values` are as `Run.log` takes them. Raises UsageError, with nothing
        added, for what is no number, for other layers than before, and where iterations do not
        rise.
        """
        iteration = whole("iteration", iteration)
        last = self.last_iteration
        if iteration < 0 or (self.has_logged and last is not None and iteration <= last):
            raise UsageError(
                f"iterations rise from 0, but {iteration} was logged"
                + (f" after {last}" if self.has_logged else "")
            )
        record, own = self._numbers(iteration, values)
        blocks = {} if spectra is None else blocks_by_layer(spectra)
        kept = self._kept_layers(iteration)
        layers = self._layers(blocks, kept) if blocks else kept
        if blocks:
            record |= summaries(blocks)
            record["spectrum_left"] = mean_of_voting(record["sigma2_ratio"], layers)
            record["spectrum_low"] = mean_of_voting(record["low_share"], layers)
        sigma = [descending(each) for each in blocks.values()]
        record["finite"] = self._is_finite({**record, **own}, sigma)
        if not self.has_logged:
            self._drop_from(iteration)
        self.layers, self.has_logged = layers, True
        self.history.append({**record, **own, "own_values": own or None, "seconds": self.seconds})
        self.spectra += [
            {
                "trial_id": self.trial.trial_id,
                "iteration": iteration,
                "layer": layer,
                "singular_values": values_of_layer,
                "stable_ranks": [],
            }
            for layer, values_of_layer in enumerate(sigma)
        ]

    def _numbers(
        self, iteration: int, values: Mapping[str, Any]
    ) -> tuple[Record, dict[str, float]]:
        """Columns of `evaluations`, and numbers under other names."""
        record: Record = {"trial_id": self.trial.trial_id, "iteration": iteration}
        own: dict[str, float] = {}
        for name, value in values.items():
            if name in rows.RESERVED:
                raise UsageError(f"{name} is worked out here: give spectra, or another name")
            if name in rows.WHOLE:
                record[name] = whole(name, value)
            else:
                (record if name in rows.LOGGED else own)[name] = number(name, value)
        if "gap" not in record and {"d_real", "d_fake"} <= record.keys():
            record["gap"] = record["d_real"] - record["d_fake"]
        if self.trial.score is not None and self.trial.score_name == rows.OWN_SCORE:
            record[rows.OWN_SCORE] = {**own, **record}.get(self.trial.score)
        return record, own

    def _kept_layers(self, iteration: int) -> Layers:
        """The layers that spectra before `iteration` have; none if this record is the first."""
        if self.has_logged or any(row["iteration"] < iteration for row in self.spectra):
            return self.layers
        return Layers()

    def _layers(self, blocks: Mapping[str, Any], kept: Layers) -> Layers:
        if not kept.names:
            return layers_of(blocks, self.votes)
        if list(blocks) != list(kept.names):
            raise UsageError(
                f"spectra are of the layers {', '.join(blocks)}, and the first ones were of "
                f"{', '.join(kept.names)}"
            )
        return kept

    def _is_finite(self, values: Mapping[str, Any], sigma: Sequence[Sequence[float]]) -> bool:
        """Whether the loop is sound: a score may be NaN, as where nothing could be scored, and
        the ratios of a layer of rank 1 are."""
        scores = {*rows.SCORE_NAMES, *self.trial.scores, "spectrum_left", "spectrum_low"}
        numbers = [
            value
            for name, value in values.items()
            if isinstance(value, int | float) and name not in scores
        ]
        return all(
            math.isfinite(value) for value in [*numbers, *(s for each in sigma for s in each)]
        )

    def _drop_from(self, iteration: int) -> None:
        self.history = [r for r in self.history if r["iteration"] < iteration]
        self.spectra = [r for r in self.spectra if r["iteration"] < iteration]
        self._note_start()
