"""The driver of a running sweep: hands out trials, hears their reports, obeys requests."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sweep.plan.grid import Plan
from sweep.plan.options import Options
from sweep.plan.remaining import is_done, settle
from sweep.plan.resources import Share, check_fits, gpu_bytes, share, slots
from sweep.report.display import Show
from sweep.report.progress import Progress
from sweep.run import stop_orders
from sweep.run.cluster_watch import ClusterLost, ClusterWatch
from sweep.run.foreign_owners import ForeignOwners
from sweep.run.interruption import Interruption
from sweep.run.plan_file import PlanFile
from sweep.run.queue import Backlog, Suggestions
from sweep.run.scheduler import Halt, Scheduler
from sweep.run.sharing import SharedRecord, own_first, task_and_tasks
from sweep.run.signs_of_life import SignsOfLife
from sweep.run.stop_orders import EVERY_TRIAL
from sweep.run.suggester import Suggester
from sweep.store import requests
from sweep.store.owners import owned_keys
from sweep.store.ownership import Ownership
from sweep.store.retry import READER_PATIENCE_SECONDS
from sweep.store.store import Store, StoreError
from sweep.store.trial_ownership import owner_in_words
from sweep.store.vocabulary import FINISHED
from trainer.config.lookup import UsageError
from trainer.config.own_trial import AnyTrial

# The resources of each node, as Ray gives them.
Nodes = Callable[[], Sequence[Mapping[str, float]]]

LOOK_SECONDS = 2.0
# A trial that a rung stops is to train little more.
LOOK_SECONDS_AT_RUNGS = 0.2
SUMMARY_SECONDS = 60.0
COUNT_SECONDS = 10.0
# What a worker reports of a trial that it leaves to another start.
LEFT = ("waiting", "superseded")
# Time for a cluster to add its first node: image pulls and GPU quotas take minutes.
FIRST_NODE_SECONDS = 1800.0
# For Ray to end after an interrupt: a cluster whose processes end too may take longer.
DISCONNECT_SECONDS = 3.0
# Ray tells of the deaths of a node's workers up to so long before the node's own is seen.
DYING_SECONDS = 30.0


class Driver:
    """Runs the trials of a plan. Raises UsageError if the cluster has no room for one of them."""

    def __init__(
        self,
        store: Store,
        ownership: Ownership | SharedRecord,
        name: str,
        plan: Plan,
        options: Options,
        progress: Progress,
        show: Show,
        suggestions: Suggestions | None = None,
        interruption: Interruption | None = None,
    ) -> None:
        self.store = store
        self.ownership = ownership
        self.name = name
        self.plan = plan
        self.options = options
        self.progress = progress
        self.show = show
        self.interruption = interruption or Interruption()
        self.is_done = functools.partial(
            is_done,
            stop_on_collapse=options.stop_on_collapse,
            stop_at_rungs=options.halving is not None,
        )
        self.suggester = None if suggestions is None else self._suggester(suggestions)
        self.scheduler: Scheduler | None = None
        if suggestions is not None and options.halving is not None:
            patient = store.with_patience(READER_PATIENCE_SECONDS)
            self.scheduler = Scheduler(options.halving, patient, suggestions.group)
        # What the scheduler has stopped, and what it is to leave alone from now on.
        self.halts: dict[str, Halt] = {}
        self.unscheduled: set[str] = set()
        self.backlog: Backlog | None = None
        self.nodes: Nodes = lambda: ()
        self.gpu_bytes: float | None = None
        self.watch: ClusterWatch | None = None
        self.signs_of_life = SignsOfLife(store)
        self.owners = ForeignOwners(store, progress, show)
        # Trials that another start of a shared sweep has ended, and those that one is to end.
        self.ended_elsewhere: set[str] = set()
        self.left: set[str] = set()
        self.failures_before: dict[str, float] = {}
        self.trained_elsewhere = 0
        self.last_count = -math.inf
        self.errors: dict[str, str] = {}
        self.death_times: dict[str, float] = {}
        self.lost_at_stop: set[str] = set()
        self.obeyed: set[str] = set()
        # What is told to end (sweep/run/stop_orders.py), and what has saved since it last ran.
        self.ordered: frozenset[str] = frozenset()
        self.saved: dict[str, int] = {}
        # Of an interrupted sweep: what runs and has not saved yet.
        self.unsaved: set[str] | None = None
        self.start_time = self.last_look = self.last_summary = time.monotonic()
        self.requested_at = self.start_time
        self.started = self.over_budget = self.stopped = False
        self.hopeless: UsageError | None = None

    def prepare(self, todo: Sequence[AnyTrial], nodes: Nodes) -> None:
        """Queues the trials and looks whether there is room for each, and for how many at once.

        Where nothing is planned yet the first suggestion shows what the others ask for.
        """
        if self.scheduler is not None:
            self._recall_rungs(self.scheduler, todo)
        if not todo and (first := self.suggest()) is not None:
            todo = [first]
        if self.options.share:
            todo = own_first(todo, *task_and_tasks())
        node_resources = nodes()
        self.nodes = nodes
        self.gpu_bytes = gpu_bytes(node_resources)
        shares = {config.trial_id: self.share_of(config) for config in todo}
        kind = "GPU" if any(request.gpus for request in shares.values()) else "CPU"
        if any(node.get(kind) for node in node_resources):
            check_fits(shares, node_resources)
        elif self.options.remote:
            text = f"the cluster has no {kind} yet: trials wait for a node with one"
            self.show("note", text=text)
        else:
            raise UsageError(
                f"this machine has no {kind} for a trial of the {self.plan.profile} profile: "
                "submit the command to a cluster that has one, or try --profile digits"
            )
        requested_shares = list(shares.values())
        if self.suggester is not None:
            # A search is to suggest more: room is counted for one trial per CPU.
            requested_shares = requested_shares[:1] * max(
                1, round(sum(node.get("CPU", 0) for node in node_resources))
            )
        room = max(1, slots(requested_shares, node_resources))
        limit = self.options.max_concurrent
        self.progress.slots = min(room, limit or room)
        self.backlog = Backlog(
            todo,
            self.share_of,
            # A cluster that may grow is shown more than it has room for; a search is not asked
            # for a trial before it can start, knowing what came of the others.
            limit=limit if self.options.remote and not self.suggester else self.progress.slots,
            suggest=self.suggest,
            exhausted=lambda: self.suggester is None or self.suggester.finished(),
            ready=self._is_free if self.options.share else self.owners.allow,
            max_deaths=self.options.max_failures,
        )

    def share_of(self, config: AnyTrial) -> Share:
        return share(
            config,
            self.gpu_bytes,
            gpus=self.options.gpus_per_trial,
            cpus=self.options.cpus_per_trial,
        )

    @property
    def own_trials(self) -> list[AnyTrial]:
        """The trials that this start answers for: of a shared sweep those that it handed out."""
        if not self.options.share:
            return self.plan.trials
        handed_out = set() if self.backlog is None else self.backlog.handed_out
        return [config for config in self.plan.trials if config.trial_id in handed_out]

    def run(self) -> None:
        """Runs trials until all have ended or are stopped.

        May raise KeyboardInterrupt, when trials have had time to save, and ClusterLost if the
        cluster is gone for good.
        """
        from sweep.run import cluster_loss, ray_cluster

        assert self.backlog is not None  # prepare() comes first
        options = self.options
        task = {
            "results": self.store.root,
            "sweep": self.name,
            "data_root": None if options.data_root is None else str(options.data_root),
            "download": options.download,
            "inception_weights": options.weights.path and str(options.weights.path),
            "allow_other_weights": options.allow_other_weights,
            "stop_on_collapse": options.stop_on_collapse,
            "reading": dataclasses.asdict(options.reading),
            "look_seconds": LOOK_SECONDS_AT_RUNGS if self.scheduler else stop_orders.LOOK_SECONDS,
        }
        run_trials = functools.partial(
            ray_cluster.run_trials,
            self.backlog,
            task,
            # A CUDA context that is used again keeps its memory.
            reuse=all(config.device_type == "cpu" for config in self.plan.trials),
            on_report=self.on_report,
            on_death=self.on_death,
            on_end=self.on_end,
            on_tick=self.on_tick,
        )
        try:
            with self.interruption.saving_first():
                cluster_loss.run_through_losses(self, run_trials)
        except ClusterLost as lost:
            if self.suggester is not None:
                self.suggester.abandon()
            self._leave_record()
            cluster_loss.leave(self, str(lost))
            raise
        except KeyboardInterrupt:
            if self.suggester is not None:
                self.suggester.abandon()
            self._leave_record()
            # A trial's files have an owner until its process has gone.
            ray_cluster.disconnect(DISCONNECT_SECONDS)
            # Who interrupts is not kept waiting for a store: the next start settles the rest.
            with contextlib.suppress(StoreError):
                store = self.store.with_patience(READER_PATIENCE_SECONDS)
                self.settle(self.own_trials, "stopped", store)
            raise
        except Exception:
            if self.hopeless is not None:
                raise self.hopeless from None
            self.ownership.check()  # Tune wraps what a callback raises
            raise
        if self.lost_at_stop:
            lost = [c for c in self.plan.trials if c.trial_id in self.lost_at_stop]
            self.settle(lost, "stopped")
        if self.suggester is not None:
            self.suggester.finish()
        self.settle(self.own_trials, "failed")

    def settle(self, trials: Sequence[AnyTrial], status: str, store: Store | None = None) -> None:
        """Settles what was left running; of trials that are known to have ended, reads nothing."""
        errors = self.errors if status == "failed" else {}
        final = (*FINISHED, "failed")
        ended = {i for i, trial in self.progress.trials.items() if trial.status in final}
        ended -= self.errors.keys()  # of these the worker died, and not the row says so
        owners = settle(store or self.store, trials, status, errors, ended)
        for trial_id, owner in owners.items():
            text = f"{trial_id} is left to {owner_in_words(owner)}, which trains it"
            self.show("note", text=text)

    def _suggester(self, suggestions: Suggestions) -> Suggester:
        ownership = self.ownership
        assert isinstance(ownership, Ownership)  # a search is not shared
        return Suggester(
            suggestions,
            self.store,
            lambda: PlanFile(ownership, self.name, self.plan.trials),
            self.is_done,
        )

    def suggest(self) -> AnyTrial | None:
        """A suggested trial, once it stands in the stored plan; None if there is none yet.

        Only while nothing runs it waits for one, as there is nothing else to do.
        """
        if self.suggester is None:
            return None
        suggested = self.suggester.next(wait=self.backlog is None or not self.backlog.running)
        for config, row in suggested:
            self.plan.trials.append(config)
            self.progress.add(config, row)
            if self.scheduler is not None and row is not None:
                with contextlib.suppress(StoreError):  # then the others have one rival less
                    self.scheduler.recall([config], {config.trial_id: row})
        config, row = suggested[-1] if suggested else (None, None)
        return config if row is None else None

    def on_report(self, result: Mapping[str, Any]) -> None:
        self.started = True
        self.signs_of_life.note()
        if result["status"] in LEFT:
            return  # on_end() hears of it too
        trial_id = result["trial"]
        self.owners.forget(trial_id)
        trial = self.progress.report(result)
        self._tell()
        self.show("trial", progress=self.progress, trial=trial, trial_id=trial_id)
        self.saved.pop(trial_id, None)
        if "saved_at" in result:
            self.saved[trial_id] = result["saved_at"]
            text = f"{trial_id} saved at iteration {result['saved_at']}"
            if (halt := self.halts.get(trial_id)) is not None:
                text = f"{trial_id} stopped: {halt.reason}"
            self.show("note", text=text)
        if result["status"] == "running" and self.scheduler is not None:
            self._schedule(self.scheduler, trial_id, result["iteration"])
        if self.unsaved:
            # At once: to take down the actor, Tune asks a cluster that may be about to end too.
            self._let_save(self.unsaved)

    def _recall_rungs(self, scheduler: Scheduler, todo: Sequence[AnyTrial]) -> None:
        """Works out the rungs of earlier starts, and decides what the last one left undecided."""
        rows = self.store.read_all("trials", [config.trial_id for config in self.plan.trials])
        todo_ids = {config.trial_id for config in todo}
        for config in scheduler.recall(self.plan.trials, rows):
            if config.trial_id in todo_ids:
                self._halt(config.trial_id, scheduler.decide_again(config))

    def _schedule(self, scheduler: Scheduler, trial_id: str, iteration: int) -> None:
        """Lets a trial that has evaluated end if it is at a rung and not good enough."""
        if trial_id in self.unscheduled or trial_id in self.ordered:
            return
        config = next(config for config in self.plan.trials if config.trial_id == trial_id)
        try:
            self._halt(trial_id, scheduler.decide(config, iteration))
        except StoreError as error:
            self.show("note", text=f"{trial_id} goes on past its rung: {error}")

    def _halt(self, trial_id: str, halt: Halt | None) -> None:
        if halt is not None:
            self.halts[trial_id] = halt
            self._order(self.ordered | {trial_id})

    def _orders(self) -> stop_orders.Orders:
        """The orders to end, each with its reason."""
        halts = {trial_id: self.halts.get(trial_id) for trial_id in self.ordered}
        return {i: {} if halt is None else halt.columns for i, halt in halts.items()}

    def on_death(self, trial_id: str, error: str, *, counts: bool) -> None:
        """Lets a trial whose worker died go on first; marks it failed if it dies too often."""
        assert self.backlog is not None
        self.death_times[trial_id] = time.monotonic()
        saved_at = self.saved.pop(trial_id, None)
        if self.backlog.lose(trial_id, counts=counts and saved_at is None):
            if self.backlog.stopped:
                self.lost_at_stop.add(trial_id)
            self.progress.set_status(trial_id, "stopped" if self.backlog.stopped else "planned")
            text = f"{trial_id} lost its worker: {error.partition(chr(10))[0]}"
            if saved_at is not None:
                text = f"{trial_id}: its worker was told to end; it goes on from there"
            if saved_at is None or not self.backlog.stopped:
                self.show("note", text=text)
            return
        self.errors[trial_id] = error
        trial = self.progress.set_status(trial_id, "failed")
        self.show("trial", progress=self.progress, trial=trial, trial_id=trial_id)
        self._tell_suggestions(trial_id)

    def on_end(self, trial_id: str, result: Mapping[str, Any]) -> None:
        assert self.backlog is not None
        if result.get("status") in LEFT:
            self.backlog.put_back(trial_id)
            self.progress.set_status(trial_id, "planned")
            if result["status"] == "waiting" and not self.backlog.stopped:
                names = ("host", "pid", "heartbeat")
                self.owners.refuse(trial_id, {name: result[f"owner_{name}"] for name in names})
            return
        larger_share = self.backlog.release(
            trial_id, out_of_memory=bool(result.get("out_of_memory"))
        )
        if larger_share is not None:
            self.progress.set_status(trial_id, "planned")
            text = f"{trial_id} ran out of memory: again with {larger_share.gpus:g} of a GPU"
            self.show("note", text=text)
        else:
            self._tell_suggestions(trial_id)

    def _take_end(self, trial_id: str) -> None:
        """Needs no worker for a trial that another start has ended while this sweep waited."""
        assert self.backlog is not None
        row = self.store.read_all("trials", [trial_id]).get(trial_id)
        is_failed = self._failed_elsewhere(trial_id, row)
        if is_failed or self.is_done(row):
            config = next(c for c in self.plan.trials if c.trial_id == trial_id)
            self.backlog.drop(trial_id)
            if is_failed:
                self.progress.set_status(trial_id, "failed")
            else:
                self.progress.add(config, row)
            trial = self.progress.trials[trial_id]
            self.show("trial", progress=self.progress, trial=trial, trial_id=trial_id)
            self._tell_suggestions(trial_id)

    def _is_free(self, trial_id: str) -> bool:
        """Tells whether a trial of a shared sweep is left to do and nobody trains it."""
        if trial_id in self.ended_elsewhere or not self.owners.allow(trial_id):
            return False
        row = self.store.read_all("trials", [trial_id]).get(trial_id)
        if self.is_done(row) or self._failed_elsewhere(trial_id, row):
            self.ended_elsewhere.add(trial_id)
        return trial_id not in self.ended_elsewhere

    def _failed_elsewhere(self, trial_id: str, row: Mapping[str, Any] | None) -> bool:
        """Tells whether another start of a shared sweep has tried a trial: once is enough."""
        assert self.backlog is not None
        if not self.options.share or row is None or trial_id in self.backlog.handed_out:
            return False
        failures = self.failures_before.get(trial_id, 0)
        return row["status"] == "failed" and (row["failures"] or 0) > failures

    def _count_others(self, now: float) -> None:
        """Counts now and then what the other starts of a shared sweep train."""
        assert self.backlog is not None
        if now - self.last_count > COUNT_SECONDS:
            self.last_count = now
            planned = {config.trial_id for config in self.plan.trials}
            owned = owned_keys(self.store, "claims") & planned
            self.trained_elsewhere = len(owned - self.backlog.running.keys())

    def _leave_to_others(self) -> None:
        """Ends a start of a shared sweep that could only wait for the others."""
        assert self.backlog is not None
        waiting = [config.trial_id for config, _ in self.backlog.waiting]
        if self.backlog.running or not all(map(self.owners.is_seen_alive, waiting)):
            return
        for trial_id in waiting:
            self.left.add(trial_id)
            self.backlog.drop(trial_id)
        if waiting and isinstance(self.ownership, SharedRecord):
            self.ownership.leave()
            text = f"{len(waiting)} trials are left to other starts, which train them"
            self.show("note", text=text)

    def _leave_record(self) -> None:
        """Ends this start and not the sweep, if others train."""
        if self.trained_elsewhere and isinstance(self.ownership, SharedRecord):
            self.ownership.leave()

    def _tell_suggestions(self, trial_id: str) -> None:
        if self.suggester is not None:
            self.suggester.tell(trial_id)

    def on_tick(self, running: Callable[[], Collection[str]] = tuple) -> None:
        """Called several times a second; looks at the store every few. Raises ClusterLost.

        `running` gives the ids of the trials that Ray says it runs.
        """
        if self.interruption.asked:
            self._let_save(running())
            return
        if self.watch is not None:
            self.watch.check()
        now = time.monotonic()
        if now - self.last_look < LOOK_SECONDS:
            return
        self.last_look = now
        self.ownership.check()
        self.signs_of_life.check(running())
        budget = self.options.time_budget
        if budget is not None and now - self.start_time > budget and not self.over_budget:
            self.over_budget = True
            requests.ask(self.store, self.name, requests.STOP_SWEEP)
            self.show("note", text="the time budget is used up: trials save and stop")
        node_resources = self.nodes() if self.watch is None else self.watch.nodes()
        if self.gpu_bytes is None:
            self.gpu_bytes = gpu_bytes(node_resources)
        self.progress.slots = max(
            self.progress.slots, slots(self._running_shares(), node_resources)
        )
        self._obey()
        for trial_id in [*self.owners.look(), *self.ended_elsewhere]:
            self._take_end(trial_id)
        self.ended_elsewhere.clear()
        if self.options.share:
            self._count_others(now)
            self._leave_to_others()
        self._tell()
        if now - self.last_summary > SUMMARY_SECONDS:
            self.last_summary = now
            self.show("summary", progress=self.progress)
        self._check_hope(now)

    def _check_hope(self, now: float) -> None:
        """Raises UsageError if what a trial asks for has been wanted for long and in vain."""
        if self.started or not self._running_shares():
            self.requested_at = now  # nothing waits for a node
        elif now - self.requested_at > FIRST_NODE_SECONDS:
            minutes = FIRST_NODE_SECONDS / 60
            self.hopeless = UsageError(
                f"no trial could start in {minutes:.0f} minutes: each asks for "
                f"{self._largest_request()}, and the cluster has added no node with that"
            )
            raise self.hopeless

    def _let_save(self, running: Collection[str]) -> None:
        """Starts nothing more, and lets what runs save. Raises KeyboardInterrupt when all has."""
        assert self.backlog is not None
        if self.unsaved is None:
            self.unsaved = set(running)
            if self.watch is not None:
                self.watch.stop()  # no loss of the cluster is to come before the end asked for
            self.backlog.stop()
            self.owners.forget_all()
            self._order(self.ordered | {EVERY_TRIAL})
            if running:
                self.show("note", text="asked to end: what runs saves at its next iteration")
        self.unsaved &= set(running) - self.saved.keys()
        if not self.unsaved:
            raise KeyboardInterrupt

    def _order(self, trial_ids: frozenset[str]) -> None:
        """Lets these trials, and no other one that runs, end at their next iteration."""
        self.ordered = trial_ids
        stop_orders.give(self._orders)

    def take_back(self) -> None:
        """Queues again what the lost cluster ran. What died shortly before died of the loss."""
        assert self.backlog is not None
        now = time.monotonic()
        dead = [i for i, moment in self.death_times.items() if now - moment < DYING_SECONDS]
        for trial_id in dead:
            self.backlog.forgive(trial_id)
        taken_back = {*self.backlog.take_back(), *dead}
        for config in self.plan.trials:
            trial = self.progress.trials[config.trial_id]
            if config.trial_id in taken_back and trial.status not in FINISHED:
                self.errors.pop(config.trial_id, None)
                self.backlog.requeue(config)
                status = "stopped" if self.backlog.stopped else "planned"
                self.progress.set_status(config.trial_id, status)

    def _obey(self) -> None:
        assert self.backlog is not None
        for request in requests.read_requests(self.store, self.name):
            if request["id"] in self.obeyed:
                continue
            self.obeyed.add(request["id"])
            trial_id = request["trial_id"]
            if request["action"] == requests.STOP_SWEEP:
                self.stopped = True
                self.backlog.stop()
                self.owners.forget_all()
                self._order(self.ordered | {EVERY_TRIAL})
            elif request["action"] == requests.STOP_TRIAL:
                self.backlog.drop(trial_id)
                self.owners.forget(trial_id)
                self._order(self.ordered | {trial_id})
            else:
                self._retry(trial_id)
            text = " ".join(filter(None, (request["action"], trial_id)))
            self.show("note", text=f"asked to {text}")

    def _retry(self, trial_id: str) -> None:
        assert self.backlog is not None
        config = next((c for c in self.plan.trials if c.trial_id == trial_id), None)
        if trial_id in self.ordered:
            self._order(self.ordered - {trial_id})
        self.halts.pop(trial_id, None)
        self.unscheduled.add(trial_id)
        if config is not None and self.progress.trials[trial_id].status in ("failed", "stopped"):
            self.errors.pop(trial_id, None)
            self.failures_before[trial_id] = math.inf
            if self.backlog.requeue(config):
                self.progress.set_status(trial_id, "planned")

    def _running_shares(self) -> list[Share]:
        assert self.backlog is not None
        return [job.share for job in self.backlog.running.values()]

    def _largest_request(self) -> str:
        largest = max(self._running_shares(), key=lambda request: (request.gpus, request.cpus))
        return f"{largest.cpus:g} CPUs and {largest.gpus:g} GPUs"

    def _tell(self) -> None:
        progress, eta_seconds = self.progress, self.progress.eta_seconds
        slots = progress.slots + self.trained_elsewhere
        self.ownership.tell(
            slots=slots,
            counts=progress.counts,
            eta_seconds=eta_seconds and eta_seconds * progress.slots / slots,
            waiting=self.owners.records(),
        )
