"""A sweep while it runs: what is handed out, what is heard, what is asked from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweep.plan.grid import Plan
from sweep.plan.options import Options
from sweep.plan.remaining import is_done, settle
from sweep.plan.resources import Share, check_fits, gpu_bytes, share, slots
from sweep.report.display import Show
from sweep.report.progress import Progress
from sweep.run.queue import Backlog, Suggestions
from sweep.run.rows import plan_rows
from sweep.store import requests
from sweep.store.ownership import Claim
from sweep.store.store import Store
from trainer.config.lookup import UsageError
from trainer.config.trial import TrialConfig

# The resources of each node, as Ray gives them.
Nodes = Callable[[], Sequence[Mapping[str, float]]]

LOOK_SECONDS = 2.0
SUMMARY_SECONDS = 60.0
# For a cluster that has to add a node first: image pulls and GPU quotas take minutes.
FIRST_NODE_SECONDS = 1800.0


class Driver:
    """Runs the trials of a plan. Raises UsageError if the cluster has no room for one of them."""

    def __init__(
        self,
        store: Store,
        claim: Claim,
        name: str,
        plan: Plan,
        options: Options,
        progress: Progress,
        show: Show,
        suggestions: Suggestions | None = None,
    ) -> None:
        self.store = store
        self.claim = claim
        self.name = name
        self.plan = plan
        self.options = options
        self.progress = progress
        self.show = show
        self.suggestions = suggestions
        self.backlog: Backlog | None = None
        self.nodes: Nodes = lambda: ()
        self.gpu_bytes: float | None = None
        self.errors: dict[str, str] = {}
        self.obeyed: set[str] = set()
        self.began = self.looked = self.summed_up = time.monotonic()
        self.started = self.over_budget = self.stopped = False
        self.hopeless: UsageError | None = None

    def prepare(self, todo: Sequence[TrialConfig], nodes: Nodes) -> None:
        """Queues the trials and looks whether there is room for each, and for how many at once.

        Where nothing is planned yet the first suggestion shows what the others ask for.
        """
        if not todo and (first := self.suggest()) is not None:
            todo = [first]
        there = nodes()
        self.nodes = nodes
        self.gpu_bytes = gpu_bytes(there)
        shares = {config.trial_id: self.share_of(config) for config in todo}
        kind = "GPU" if any(asked.gpus for asked in shares.values()) else "CPU"
        if any(node.get(kind) for node in there):
            check_fits(shares, there)
        elif self.options.remote:
            text = f"the cluster has no {kind} yet: trials wait for a node with one"
            self.show("note", text=text)
        else:
            raise UsageError(
                f"this machine has no {kind} for a trial of the {self.plan.profile} profile: "
                "submit the command to a cluster that has one, or try --profile digits"
            )
        asked = list(shares.values())
        if self.suggestions is not None:
            # As many as there are CPUs, of which each takes one: more are to come.
            asked = asked[:1] * max(1, round(sum(node.get("CPU", 0) for node in there)))
        room = max(1, slots(asked, there))
        most = self.options.max_concurrent
        self.progress.slots = min(room, most or room)
        self.backlog = Backlog(
            todo,
            self.share_of,
            # A cluster that may grow is shown more than it has room for; a search is not asked
            # for a trial before it can start, knowing what came of the others.
            limit=most if self.options.remote and not self.suggestions else self.progress.slots,
            suggest=self.suggest,
            exhausted=lambda: self.suggestions is None or self.suggestions.finished(),
        )

    def share_of(self, config: TrialConfig) -> Share:
        return share(
            config,
            self.gpu_bytes,
            gpus=self.options.gpus_per_trial,
            cpus=self.options.cpus_per_trial,
        )

    def run(self) -> None:
        """Until every trial has ended, or nothing more is wanted. May raise KeyboardInterrupt."""
        from sweep.run import ray_cluster

        assert self.backlog is not None  # prepare() comes first
        requests.clear(self.store, self.name)
        options = self.options
        task = {
            "results": self.store.root,
            "sweep": self.name,
            "data_root": None if options.data_root is None else str(options.data_root),
            "download": options.download,
            "inception_weights": options.weights.path and str(options.weights.path),
            "allow_other_weights": options.allow_other_weights,
            "stop_on_collapse": options.stop_on_collapse,
        }
        try:
            ray_cluster.run_trials(
                self.backlog,
                task,
                # A CUDA context that is used again keeps its memory.
                reuse=all(config.device == "cpu" for config in self.plan.trials),
                max_deaths=options.max_failures,
                reported=self.reported,
                died=self.died,
                ended=self.ended,
                tick=self.tick,
            )
        except KeyboardInterrupt:
            # Only when its process has gone is a trial's claim free.
            ray_cluster.disconnect()
            settle(self.store, self.plan.trials, "stopped", {})
            raise
        except Exception:
            if self.hopeless is not None:
                raise self.hopeless from None
            self.claim.check()  # Tune wraps what a callback raises
            raise
        settle(self.store, self.plan.trials, "failed", self.errors)

    def suggest(self) -> TrialConfig | None:
        """A suggested trial, once it stands in the stored plan. One that another sweep has run
        is told of at once."""
        while self.suggestions is not None and (config := self.suggestions.next()) is not None:
            self.plan.trials.append(config)
            self.claim.check()
            self.store.write_rows("sweeps", self.name, plan_rows(self.name, self.plan.trials))
            row = self.store.read_all("trials", [config.trial_id]).get(config.trial_id)
            done = is_done(row, stop_on_collapse=self.options.stop_on_collapse)
            self.progress.add(config, row if done else None)
            if not done:
                return config
            self.suggestions.tell(config.trial_id, row)
        return None

    def reported(self, result: Mapping[str, Any]) -> None:
        self.started = True
        trial = self.progress.report(result)
        self._tell()
        self.show("trial", progress=self.progress, trial=trial, trial_id=result["trial"])
        self.claim.check()

    def died(self, trial_id: str, error: str) -> None:
        """Its worker died more often than it is replaced."""
        self.errors[trial_id] = error
        trial = self.progress.trials[trial_id]
        trial.status = "failed"
        self.show("trial", progress=self.progress, trial=trial, trial_id=trial_id)

    def ended(self, trial_id: str, result: Mapping[str, Any]) -> None:
        assert self.backlog is not None
        again = self.backlog.ended(trial_id, out_of_memory=bool(result.get("out_of_memory")))
        if again is not None:
            self.progress.trials[trial_id].status = "planned"
            text = f"{trial_id} ran out of memory: again with {again.gpus:g} of a GPU"
            self.show("note", text=text)
        elif self.suggestions is not None:
            row = self.store.read_all("trials", [trial_id]).get(trial_id)
            self.suggestions.tell(trial_id, row)

    def tick(self) -> None:
        """Called several times a second; looks at the store every few."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        self.claim.check()
        budget = self.options.time_budget
        if budget is not None and now - self.began > budget and not self.over_budget:
            self.over_budget = True
            requests.ask(self.store, self.name, requests.STOP_SWEEP)
            self.show("note", text="the time budget is used up: trials stop as they evaluate")
        there = self.nodes()
        if self.gpu_bytes is None:
            self.gpu_bytes = gpu_bytes(there)
        self.progress.slots = max(self.progress.slots, slots(self._handed_out(), there))
        self._obey()
        if now - self.summed_up > SUMMARY_SECONDS:
            self.summed_up = now
            self._tell()
            self.show("summary", progress=self.progress)
        if not self.started and now - self.began > FIRST_NODE_SECONDS:
            minutes = FIRST_NODE_SECONDS / 60
            self.hopeless = UsageError(
                f"no trial could start in {minutes:.0f} minutes: each asks for "
                f"{self._largest_request()}, and the cluster has added no node with that"
            )
            raise self.hopeless

    def _obey(self) -> None:
        assert self.backlog is not None
        for asked in requests.asked(self.store, self.name):
            if asked["id"] in self.obeyed:
                continue
            self.obeyed.add(asked["id"])
            trial_id = asked["trial_id"]
            if asked["action"] == requests.STOP_SWEEP:
                self.stopped = True
                self.backlog.stop()
            elif asked["action"] == requests.STOP_TRIAL:
                self.backlog.drop(trial_id)
            else:
                self._retry(trial_id)
            text = " ".join(filter(None, (asked["action"], trial_id)))
            self.show("note", text=f"asked to {text}")

    def _retry(self, trial_id: str) -> None:
        assert self.backlog is not None
        config = next((c for c in self.plan.trials if c.trial_id == trial_id), None)
        if config is not None and self.progress.trials[trial_id].status in ("failed", "stopped"):
            self.errors.pop(trial_id, None)
            if self.backlog.again(config):
                self.progress.trials[trial_id].status = "planned"

    def _handed_out(self) -> list[Share]:
        assert self.backlog is not None
        return [job.share for job in self.backlog.running.values()]

    def _largest_request(self) -> str:
        most = max(self._handed_out(), key=lambda asked: (asked.gpus, asked.cpus))
        return f"{most.cpus:g} CPUs and {most.gpus:g} GPUs"

    def _tell(self) -> None:
        progress = self.progress
        self.claim.tell(
            slots=progress.slots, counts=progress.counts, eta_seconds=progress.eta_seconds
        )
