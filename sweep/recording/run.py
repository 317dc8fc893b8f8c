"""`Run`: the files of a run that this project does not train, written by its own loop.

    with Run("results", name="dcgan", config={"lr": 2e-4, "seed": 0}, scores=["fid"]) as run:
        for iteration in range(run.start, 10_000):
            ...
            if iteration % 100 == 0:
                run.log(iteration, d_loss=d_loss, fid=fid, spectra=sr.spectra(), samples=images)
            if run.should_stop:
                break

It works in any process and imports no torch. One process at a time writes a run: the same name,
configuration and code go on with it, wherever the last process ended.
"""

from __future__ import annotations

import logging
import math
import platform
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sweep.recording import rows
from sweep.recording.measurements import Measurements
from sweep.recording.plan_entry import enter_plan
from sweep.recording.values import picture
from sweep.store import requests
from sweep.store.index import refresh
from sweep.store.ownership import STALE_SECONDS, Ownership, Superseded, read_owner
from sweep.store.retry import PATIENCE_SECONDS
from sweep.store.store import Store, default_root
from sweep.store.trial_ownership import acquire_within, owner_in_words, record_path
from sweep.store.vocabulary import FINISHED, sweep_name_problem
from trainer.config.lookup import UsageError
from trainer.config.methods import METHODS
from trainer.config.own_trial import OwnTrial, plain_config, source_version
from trainer.partial_verdict import judge_parts
from trainer.verdict import Verdict

log = logging.getLogger("sweep.recording")

# For an owner on this machine that is about to end; of a silent one elsewhere it is not known at
# once whether it is gone.
OWNER_SECONDS = 2.0
KEPT_CHECKPOINTS = 2
Stop = Callable[[], bool]


class RunEnded(UsageError):
    """The run has ended before: nothing of it is left to do, unless `fresh` removes it."""


class Run:
    """One run of anybody's loop in the store. A context manager: what ends it is recorded."""

    def __init__(
        self,
        results: str | Path | None = None,
        *,
        name: str,
        config: Mapping[str, Any] | None = None,
        scores: Mapping[str, str] | Iterable[str] = (),
        version: str | None = None,
        votes: Iterable[str] | None = None,
        stop_on_collapse: bool = True,
        fresh: bool = False,
    ) -> None:
        """Owns the run's files and reads what an earlier process has left of them.

        `results` is the store: a folder or a URI, else $SWEEP_RESULTS, else ./results. `name` is
        the sweep that the run stands in. The identity is name, `config` and `version`, by default
        the hash of the source file that calls. `config` is of JSON's values; see OwnTrial for
        what of it becomes a column. `scores` are names of the store's, or a direction, lower or
        higher, by name; the first one decides what is best, and all together speak of a collapse.
        `votes` are shell patterns of the layers that vote on the spectrum (default: of r >= 4).
        `fresh` removes what there is.

        Raises UsageError for bad input, RunEnded for a run that has ended, and StoreError where
        the store cannot be written.
        """
        trial = OwnTrial(
            name=name,
            config=plain_config(config or {}),
            version=source_version(_caller()) if version is None else version,
            scores=directions(scores),
        )
        if (problem := sweep_name_problem(name)) is not None:
            raise UsageError(f"name {name[:40]!r} {problem}")
        store = Store(default_root() if results is None else results, PATIENCE_SECONDS)
        store.check_writable()
        self._prepare(trial, store, name, votes, stop_on_collapse=stop_on_collapse)
        self._begin_alone(fresh=fresh)

    @classmethod
    def of_sweep(
        cls,
        trial: OwnTrial,
        ownership: Ownership,
        sweep: str | None,
        *,
        stop: Stop,
        reason: Callable[[], Mapping[str, Any]],
        report: Callable[[dict[str, Any]], None],
        stop_on_collapse: bool,
        shares: Mapping[str, float],
    ) -> Run:
        """A run in a worker of `sweep`, whose driver has planned it, hears of it and stops it.

        `reason` gives the columns of `trials` that say why it is stopped, those of a rung or none.
        """
        run = cls.__new__(cls)
        run._prepare(trial, ownership.store, sweep, None, stop_on_collapse=stop_on_collapse)
        run._stop, run._reason, run._report, run._shares = stop, reason, report, dict(shares)
        run._own(ownership)
        return run

    def _begin_alone(self, *, fresh: bool) -> None:
        store = self.store
        stored = store.read_all("trials", [self.id]).get(self.id)
        if stored is not None and not fresh:
            self._check_unfinished(stored)
        ownership = _owned(store, self.id)
        try:
            assert self._sweep is not None  # the run's name
            enter_plan(store, self._sweep, self.trial)
            if fresh:
                self._erase(ownership)
            self._own(ownership)
            self.begin()
        except BaseException:
            ownership.release()
            raise

    def _prepare(
        self,
        trial: OwnTrial,
        store: Store,
        sweep: str | None,
        votes: Iterable[str] | None,
        *,
        stop_on_collapse: bool,
    ) -> None:
        self.trial, self.id, self.store = trial, trial.trial_id, store
        self._sweep, self._stop_on_collapse = sweep, stop_on_collapse
        self._votes = None if votes is None else list(votes)
        self._stop: Stop = lambda: False
        self._reason: Callable[[], Mapping[str, Any]] = dict
        self._report: Callable[[dict[str, Any]], None] = lambda result: None
        self._shares: dict[str, float] = {}

    def _own(self, ownership: Ownership) -> None:
        """Takes in what is stored of the run."""
        self._ownership = ownership
        self.stored = next(iter(self.store.read_rows("trials", self.id)), None)
        self._measured = Measurements(
            self.trial,
            self.store.read_rows("evaluations", self.id),
            self.store.read_rows("spectra", self.id),
            rows.stored_layers(self.stored),
            self._votes,
        )
        self._stop_asked = False
        self._judged: Verdict | None = None  # until more is logged
        self._checked_iteration: int | None = None

    def begin(self) -> None:
        """Says in the store that the run is at work."""
        self._write_trial("running")

    # What the loop asks.

    @property
    def last_iteration(self) -> int | None:
        """Last iteration that is logged; None before the first."""
        return self._measured.last_iteration

    @property
    def start(self) -> int:
        """Iteration at which the loop goes on: after the newest checkpoint, 0 without one."""
        saved = self.latest_checkpoint()
        return 0 if saved is None else saved[0] + 1

    @property
    def verdict(self) -> Verdict:
        """The verdict on what was logged: signals of a collapse, and why some were not judged."""
        if self._judged is None:
            self._judged = self._verdict(has_ended=False)
        return self._judged

    @property
    def should_stop(self) -> bool:
        """True if the loop is to end: its verdict says so, or somebody has asked for it.

        A run that diverged is to end always, one that collapsed with `stop_on_collapse`.
        """
        return self._collapsed() or self._is_asked_to_stop()

    # What the loop tells.

    def log(
        self,
        iteration: int,
        *,
        spectra: Any = None,
        samples: Any = None,
        **values: Any,
    ) -> None:
        """Writes what was measured after `iteration` updates of G.

        `values` are numbers of Python, NumPy or torch, NaN among them: columns of `evaluations`
        (d_loss, g_loss, d_real, d_fake, gap, d_spread, fid, ...), or names of your own. `spectra`
        are singular values by layer, as `trainer.watch` gives them, `samples` images (see
        `values.picture`). The first call drops rows of that iteration and later ones, which an
        earlier process had reached and this one repeats. Raises UsageError for what is no number
        and where iterations do not rise, Superseded if another process owns the run now.
        """
        # All is looked at before anything is written.
        image = None if samples is None else picture(samples)
        self._measured.add(iteration, spectra, values)
        self._judged = None
        if image is not None:
            self._ownership.write(f"samples/{self.id}/{self.last_iteration}.png", image)
        self._ownership.write_rows("spectra", self.id, self._measured.spectra)
        self._ownership.write_rows("evaluations", self.id, self._measured.evaluations)
        self._write_trial("running")
        self._report(self._told("running"))

    def save_checkpoint(self, content: bytes) -> None:
        """Keeps bytes of the loop's own with the last logged iteration: the newest two of them.

        Raises UsageError before the first iteration is logged.
        """
        if self.last_iteration is None or not self._measured.has_logged:
            raise UsageError("a checkpoint belongs to a logged iteration: call log() first")
        self._ownership.write(f"checkpoints/{self.id}/{self.last_iteration}.state", content)
        for file in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            self._ownership.delete(f"checkpoints/{self.id}/{file}.state")

    def latest_checkpoint(self) -> tuple[int, bytes] | None:
        """Iteration and bytes of the newest checkpoint; None if there is none."""
        for iteration in reversed(self._checkpoints()):
            content = self.store.read(f"checkpoints/{self.id}/{iteration}.state")
            if content is not None:
                return iteration, content
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, Superseded):
                return
            if error is None:
                self.end()
            elif isinstance(error, Exception):
                self.fail("".join(traceback.format_exception(kind, error, trace)))
            else:  # Ctrl-C, SystemExit
                self._finish("stopped")
        finally:
            self._ownership.release()

    def end(self) -> str:
        """Records the end of the loop, and returns the status: collapsed, stopped, completed."""
        if self._collapsed():
            status = "collapsed"
        else:
            status = "stopped" if self._is_asked_to_stop() else "completed"
        self._finish(status)
        return status

    def report_earlier_end(self) -> None:
        """Reports the end that another start of a sweep has recorded; writes nothing."""
        assert self.stored is not None
        self._report(self._told(self.stored["status"]))

    def fail(self, trace: str, *, out_of_memory: bool = False) -> None:
        """Records a failure with its traceback; what was measured before it stays."""
        self._finish("failed", trace=trace, out_of_memory=out_of_memory)

    # How it is done.

    def _check_unfinished(self, stored: Mapping[str, Any]) -> None:
        goes_on = stored["status"] == "collapsed" and not self._stop_on_collapse
        if stored["status"] in FINISHED and (not goes_on or stored["diverged_at"] is not None):
            raise RunEnded(
                f"{self.id} has ended ({stored['status']} at iteration {stored['iteration']}): "
                "fresh=True removes it and records it anew; another config or version is another "
                "run"
            )

    def _erase(self, ownership: Ownership) -> None:
        for table in ("trials", "evaluations", "spectra", "outputs"):
            ownership.delete(f"{table}/{self.id}.parquet")
        for folder in ("samples", "checkpoints"):
            for file in self.store.list(f"{folder}/{self.id}"):
                ownership.delete(file.path)

    def _verdict(self, *, has_ended: bool) -> Verdict:
        method = METHODS.get(self.trial.method)
        return judge_parts(
            self._measured.history,
            self.trial.planned_iterations,
            scores=self.trial.scores,
            voting=self._measured.layers.voting,
            projected=method is not None and method.form is not None,
            has_ended=has_ended,
        )

    def _collapsed(self) -> bool:
        verdict = self.verdict
        return verdict.diverged_at is not None or bool(verdict.stop and self._stop_on_collapse)

    def _is_asked_to_stop(self) -> bool:
        """Asks the store once per logged iteration: a request is a file."""
        if self._checked_iteration != self.last_iteration:
            self._checked_iteration = self.last_iteration
            if requests.stops(self.store, self._sweep, self.id):
                self._stop_asked = True
        return self._stop_asked or self._stop()

    def _write_trial(
        self, status: str, *, trace: str | None = None, has_ended: bool = False
    ) -> None:
        verdict = self._verdict(has_ended=has_ended)
        stored, now = self.stored or {}, datetime.now(UTC)
        row = rows.trial_row(
            self.trial, self._measured.history, verdict, self._measured.layers, has_ended=has_ended
        )
        row |= {
            "status": status,
            "stop_reason": (verdict.stop or "diverged") if status == "collapsed" else None,
            "host": platform.node(),
            "attempt": self._ownership.attempt,
            "seconds": self._measured.seconds,
            "started_at": stored.get("started_at") or now,
            "updated_at": now,
            "traceback": trace,
            "failures": (stored.get("failures") or 0) + (status == "failed"),
            **self._shares,
            **(self._reason() if status == "stopped" else {}),
        }
        self._ownership.write_rows("trials", self.id, [row])

    def _finish(
        self, status: str, *, trace: str | None = None, out_of_memory: bool = False
    ) -> None:
        evaluated = {record["iteration"] for record in self._measured.history}
        for sample in self.store.list(f"samples/{self.id}"):
            if int(sample.key) not in evaluated:
                self._ownership.delete(sample.path)
        self._write_trial(status, trace=trace, has_ended=status in FINISHED)
        if status == "stopped":
            # Nothing is owned any more: a process that is told to end may not have much time.
            self._ownership.release()
            rung = {name: value for name, value in self._reason().items() if name == "rung"}
            saved_at = self.last_iteration or 0
            self._report({"trial": self.id, "status": status, "saved_at": saved_at, **rung})
        elif status == "failed":
            self._report({"trial": self.id, "status": status, "out_of_memory": out_of_memory})
        else:
            self._report(self._told(status))
        if not self._shares:  # a sweep's driver does so at its end
            refresh(self.store)

    def _told(self, status: str) -> dict[str, Any]:
        """A report to the driver: finite numbers alone, as Tune's schedulers refuse others."""
        verdict = self.verdict
        best = rows.best_record(self.trial, self._measured.history, verdict.mode_collapse_at)
        last = self._measured.history[-1] if self._measured.history else {}
        column = self.trial.score_name
        measured = {
            "distance": last.get(column),
            "best": best and best[column],
            "modes": last.get("modes"),
            "spectrum_left": last.get("spectrum_left"),
        }
        return {
            "trial": self.id,
            "status": status,
            "iteration": self.last_iteration or 0,
            "resumed_at": self._measured.resumed_at,
            "spent": self._measured.spent,
            "verdict": verdict.words,
            **{k: v for k, v in measured.items() if v is not None and math.isfinite(v)},
        }

    def _checkpoints(self) -> list[int]:
        """Iterations of the stored checkpoints, oldest first."""
        files = self.store.list(f"checkpoints/{self.id}")
        return sorted(int(file.key) for file in files if file.path.endswith(".state"))


def directions(scores: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    """Directions by score; those of the store are known by name. Raises UsageError for others."""
    if isinstance(scores, Mapping):
        return dict(scores)
    names = [scores] if isinstance(scores, str) else list(scores)
    for name in names:
        if name not in rows.KNOWN_DIRECTIONS:
            raise UsageError(
                f"of score {name!r} it is not known whether lower or higher is better: give "
                f"scores={{{name!r}: 'lower'}}, or 'higher'"
            )
    return {name: rows.KNOWN_DIRECTIONS[name] for name in names}


def _caller() -> Path:
    """Source file of the loop that makes the run. Raises UsageError where there is none."""
    file = sys._getframe(2).f_globals.get("__file__")
    if file is None or not Path(file).is_file():
        raise UsageError("this code stands in no file that could be hashed: give version='1'")
    return Path(file)


def _owned(store: Store, trial_id: str) -> Ownership:
    """The right to write the run's files. Raises UsageError while another process has it."""
    ownership = acquire_within(store, trial_id, OWNER_SECONDS)
    owner = read_owner(store, record_path(trial_id)) or {}
    if ownership is None and owner.get("host") != platform.node():
        log.warning("%s belongs to %s: waiting", trial_id, owner_in_words(owner))
        ownership = acquire_within(store, trial_id, STALE_SECONDS + OWNER_SECONDS)
    if ownership is None:
        raise UsageError(f"{trial_id} is being recorded by {owner_in_words(owner)}")
    return ownership
