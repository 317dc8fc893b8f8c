"""Writes what a trial measures, in the order that a resume relies on, and reports it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sweep.run.provenance import protocol, software
from sweep.run.rows import best_record, evaluation_rows, output_rows, spectrum_rows, trial_row
from sweep.store.judgement import reasons_not_judged
from sweep.store.ownership import Ownership
from sweep.store.store import StoredFile
from trainer.collapse import Record, verdict_on
from trainer.config.lookup import UsageError
from trainer.config.trial import TrialConfig
from trainer.loop import Evaluation
from trainer.scores.scorers import Scorer
from trainer.state import TrainState, branch, from_bytes, initial_state, to_bytes
from trainer.thresholds import thresholds_for
from trainer.verdict import Verdict, in_words

KEPT_CHECKPOINTS = 2


class Recorder:
    """The files of one trial. Every write is covered by the trial's ownership.

    `report` is told of every evaluation and of the end: a small dict of finite values.
    """

    def __init__(
        self,
        config: TrialConfig,
        ownership: Ownership,
        report: Callable[[dict[str, Any]], None],
        *,
        cpus: float = 1.0,
        gpus: float = 0.0,
    ) -> None:
        self.config = config
        self.id = config.trial_id
        self.ownership = ownership
        self.report = report
        self.share = {"cpus": cpus, "gpus": gpus}
        self.protocol: dict[str, Any] = {}
        self.history: Sequence[Record] = ()
        self.verdict: Verdict | None = None
        self.resumed = False
        self.resumed_at = 0
        self.seconds = self.seconds_before = 0.0
        # Rows of every evaluation that are too big for the state to carry.
        self.measured: dict[str, list[dict[str, Any]]] = {"spectra": [], "outputs": []}
        self.stored = next(iter(ownership.store.read_rows("trials", self.id)), None)
        self.failures = (self.stored or {}).get("failures") or 0
        self.started_at = self.stored["started_at"] if self.stored else datetime.now(UTC)

    def resume(self, state: TrainState, scorer: Scorer | None) -> None:
        """Cuts the trial's files back to `state`, the one that it goes on from."""
        self.protocol = protocol(self.config, scorer)
        iteration = state.iteration if state.history else -1
        # Later samples are replaced as they are drawn again: in a bucket a removal may be applied
        # late, and take the new one.
        for table, rows in self.measured.items():
            stored = self.ownership.store.read_rows(table, self.id)
            rows[:] = [row for row in stored if row["iteration"] <= iteration]
        self.history = state.history
        if state.history:
            self.verdict = verdict_on(self.config, state.history)
        self.resumed, self.resumed_at = True, state.iteration
        self.seconds = self.seconds_before = state.seconds
        self._write_curves()
        self._write_trial("running")

    def latest_state(self) -> TrainState:
        """The state of the latest checkpoint, else a new one, or the one that it branches off.

        Raises UsageError if the parent's checkpoint is not there.
        """
        checkpoints = sorted(self._files("checkpoints"), key=_iteration)
        content = self.ownership.store.read(checkpoints[-1].path) if checkpoints else None
        if content is not None:
            return from_bytes(self.config, content)
        if self.config.parent is None:
            return initial_state(self.config)
        origin = f"checkpoints/{self.config.parent}/{self.config.parent_iteration}.pt"
        content = self.ownership.store.read(origin)
        if content is None:
            raise UsageError(f"{origin}, from which this trial branches off, is not there")
        return branch(self.config, content)

    def record_evaluation(self, state: TrainState, evaluation: Evaluation) -> None:
        """Writes rows first, then the checkpoint, then reports."""
        iteration = evaluation.iteration
        self.history, self.verdict, self.seconds = state.history, evaluation.verdict, state.seconds
        self.ownership.write(f"samples/{self.id}/{iteration}.png", evaluation.samples)
        self.measured["spectra"] += spectrum_rows(
            self.id, iteration, evaluation.spectra, evaluation.stable_ranks
        )
        self.measured["outputs"] += output_rows(self.id, iteration, evaluation.outputs)
        self._write_curves()
        self._write_trial("running")
        self._write_checkpoint(state)
        self._drop_checkpoints(thresholds_for(self.config).patience)
        self._report("running", evaluation.record)

    def record_end(self, state: TrainState, scores: Mapping[str, float]) -> None:
        """Writes the trial's last row: one stopped before its planned end has collapsed.

        What no longer belongs to it goes before: nobody looks after a trial that has ended.
        """
        self.seconds = state.seconds
        is_complete = state.iteration == self.config.iterations and self.history[-1]["finite"]
        status = "completed" if is_complete else "collapsed"
        reason = None if is_complete or self.verdict is None else self.verdict.stop
        self._drop_samples()
        self._drop_checkpoints(0)
        self._write_trial(status, scores=scores, stop_reason=reason)
        self._report(status, {**self.history[-1], **scores})

    def record_stop(self, state: TrainState, reason: Mapping[str, Any] | None = None) -> None:
        """Saves what was trained since the last evaluation, and records an end on request.

        `reason` has the columns that say why: those of a rung, or none. The next start goes on
        from there. The checkpoint comes first, and the report last, when nothing is owned any
        more: a process that is told to end may not have much time.
        """
        self.seconds = state.seconds
        if state.interval is not None:
            self._write_checkpoint(state)
        self._write_trial("stopped", reason=reason or {})
        self._drop_samples()
        self._drop_checkpoints(thresholds_for(self.config).patience, state.iteration)
        self.ownership.release()
        rung = {name: value for name, value in (reason or {}).items() if name == "rung"}
        self.report({"trial": self.id, "status": "stopped", "saved_at": state.iteration, **rung})

    def report_earlier_end(self) -> None:
        """Reports the end that another start of this trial has recorded; writes nothing."""
        assert self.stored is not None
        iteration = self.stored["iteration"]
        measured = {
            "distance": self.stored[f"final_{self.config.score_name}"],
            "best": self.stored[f"best_{self.config.score_name}"],
            "modes": self.stored["final_modes"],
            "spectrum_left": self.stored["final_spectrum_left"],
        }
        self._tell(
            self.stored["status"], iteration, iteration, 0.0, _verdict_words(self.stored), measured
        )

    def record_failure(self, traceback: str, *, out_of_memory: bool = False) -> None:
        """Keeps what was measured before the failure, also by a start before this one."""
        if self.stored is None or self.resumed:
            self._write_trial("failed", traceback=traceback)
        else:
            row = self._bookkeeping("failed", traceback=traceback)
            for name in ("protocol", "seconds"):
                del row[name]
            self.ownership.write_rows("trials", self.id, [self.stored | row])
        self.report({"trial": self.id, "status": "failed", "out_of_memory": out_of_memory})

    def _write_trial(
        self,
        status: str,
        *,
        scores: Mapping[str, float] | None = None,
        stop_reason: str | None = None,
        reason: Mapping[str, Any] = MappingProxyType({}),
        traceback: str | None = None,
    ) -> None:
        row = trial_row(
            self.config, self.history, self.verdict, thresholds_for(self.config), scores
        )
        row |= self._bookkeeping(status, stop_reason=stop_reason, traceback=traceback)
        row |= reason
        self.ownership.write_rows("trials", self.id, [row])

    def _bookkeeping(
        self, status: str, *, stop_reason: str | None = None, traceback: str | None = None
    ) -> dict[str, Any]:
        return {
            "status": status,
            "stop_reason": stop_reason,
            "rung": None,
            "rung_budget": None,
            "protocol": json.dumps(self.protocol),
            "software": json.dumps(software()),
            "host": platform.node(),
            "attempt": self.ownership.attempt,
            "seconds": self.seconds,
            "started_at": self.started_at,
            "updated_at": datetime.now(UTC),
            "traceback": traceback,
            "failures": self.failures + (status == "failed"),
            **self.share,
        }

    def _write_checkpoint(self, state: TrainState) -> None:
        path = f"checkpoints/{self.id}/{state.iteration}.pt"
        self.ownership.write(path, to_bytes(self.config, state))

    def _write_curves(self) -> None:
        for table, rows in self.measured.items():
            self.ownership.write_rows(table, self.id, rows)
        self.ownership.write_rows(
            "evaluations", self.id, evaluation_rows(self.config, self.history)
        )

    def _files(self, folder: str) -> list[StoredFile]:
        return self.ownership.store.list(f"{folder}/{self.id}")

    def _drop_samples(self) -> None:
        """Drops samples of iterations that an earlier start has reached and this one has not."""
        evaluated = {record["iteration"] for record in self.history}
        for sample in self._files("samples"):
            if _iteration(sample) not in evaluated:
                self.ownership.delete(sample.path)

    def _drop_checkpoints(self, patience: int, saved_at: int | None = None) -> None:
        """Keeps the newest two, the best before mode collapse, and that of iteration `saved_at`.

        A collapse is seen `patience` evaluations late and then takes the best back to before it,
        so until the end what was the best up to so many evaluations ago is kept too.
        """
        histories = [self.history[: len(self.history) - k] for k in range(patience + 1)]
        bests = [self._best(history) for history in histories]
        kept_iterations = {best["iteration"] for best in bests if best is not None}
        kept_iterations |= {record["iteration"] for record in self.history[-KEPT_CHECKPOINTS:]}
        kept_iterations.add(saved_at)
        for checkpoint in self._files("checkpoints"):
            if _iteration(checkpoint) not in kept_iterations:
                self.ownership.delete(checkpoint.path)

    def _best(self, history: Sequence[Record]) -> Record | None:
        collapse_iteration = None if self.verdict is None else self.verdict.mode_collapse_at
        return best_record(history, self.config.score_name, collapse_iteration)

    def _report(self, status: str, record: Record) -> None:
        best = self._best(self.history)
        measured = {
            "distance": record.get(self.config.score_name),
            "best": best and best[self.config.score_name],
            "modes": record.get("modes"),
            "spectrum_left": record["spectrum_left"],
        }
        words = self.verdict.words if self.verdict else "not judged yet"
        spent = self.seconds - self.seconds_before
        self._tell(status, record["iteration"], self.resumed_at, spent, words, measured)

    def _tell(
        self,
        status: str,
        iteration: int,
        resumed_at: int,
        spent: float,
        verdict: str,
        measured: Mapping[str, float | None],
    ) -> None:
        self.report(
            {
                # Not `trial_id`: Tune puts an id of its own there.
                "trial": self.id,
                "status": status,
                "iteration": iteration,
                "resumed_at": resumed_at,
                "spent": spent,
                "verdict": verdict,
                # Tune's schedulers and searchers refuse what is not finite.
                **{k: v for k, v in measured.items() if v is not None and math.isfinite(v)},
            }
        )


def _verdict_words(row: Mapping[str, Any]) -> str:
    return in_words(row, reasons_not_judged(row))


def _iteration(file: StoredFile) -> int:
    return int(file.key)
