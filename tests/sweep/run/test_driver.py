"""A running sweep without a cluster: what it hands out, hears and obeys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.grid import Plan
from sweep.plan.halving import Halving
from sweep.plan.inception_weights import Weights
from sweep.plan.options import Options
from sweep.report.progress import Progress, progress_of
from sweep.run import driver, foreign_owners
from sweep.run.cluster_watch import Cluster, ClusterLost, ClusterWatch
from sweep.run.driver import Driver
from sweep.run.rows import identity_row
from sweep.run.sharing import SharedRecord
from sweep.run.stop_orders import EVERY_TRIAL
from sweep.store import requests
from sweep.store.ownership import acquire
from sweep.store.store import Store
from trainer.config.lookup import UsageError
from trainer.config.trial import TrialConfig, trial_config

TRIALS = [trial_config("digits", "C_8-32", "sn", seed, iterations=2) for seed in range(3)]
ONE_NODE = [{"CPU": 2.0}]


def one_node() -> list[dict[str, float]]:
    return ONE_NODE


Make = Callable[..., Driver]


class Two:
    """Suggests two trials, one after the other."""

    def __init__(self) -> None:
        self.left = TRIALS[1:]
        self.told: list[str] = []

    def next(self) -> TrialConfig | None:
        return self.left.pop(0) if self.left else None

    def finished(self) -> bool:
        return not self.left

    def tell(self, trial_id: str, row: Mapping[str, Any] | None) -> None:
        self.told.append(trial_id)

    def group(self, trial_id: str) -> str | None:
        return None

    def lines(self) -> list[str]:
        return []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(
    store: Store, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Driver]]:
    """A driver of the sweep `s` of TRIALS that looks at the store at every tick."""
    monkeypatch.setattr(driver, "LOOK_SECONDS", -1.0)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ownership = acquire(store, "sweeps/s.json", state="running")
    assert ownership is not None

    def show(event: str, *, text: str = "", **_: Any) -> None:
        said.append(text or event)

    def made(trials: list[TrialConfig] = TRIALS, suggestions: Any = None, **says: Any) -> Driver:
        options: dict[str, Any] = {
            "results": None, "name": None, "max_concurrent": None, "cpus_per_trial": None,
            "gpus_per_trial": None, "time_budget": None, "max_failures": 3, "data_root": None,
            "download": False, "weights": Weights(path=None, sha256=None),
            "allow_other_weights": False, "fresh": False, "stop_on_collapse": True,
            "controls": False, "as_json": False, "command": "",
        }  # fmt: skip
        plan = Plan(profile=trials[0].profile, trials=list(trials), skipped={})
        progress = progress_of(plan.trials, {})
        return Driver(
            store, ownership, "s", plan, Options(**options | says), progress, show, suggestions
        )

    yield made
    ownership.release()


def started(driver: Driver, n: int = 1) -> list[str]:
    """Ids of the next n trials, handed out, or of as many as there are and have room."""
    assert driver.backlog is not None
    backlog, ids, deadline = driver.backlog, [], time.monotonic() + 60
    while len(ids) < n and time.monotonic() < deadline:
        if (job := backlog.next()) is not None:
            ids.append(job.config.trial_id)
        elif backlog.exhausted() or len(backlog.running) >= (backlog.limit or n):
            break
        elif len(backlog.waiting) >= (backlog.limit or n):
            break  # for other starts, and no more is suggested before it is known what came of it
        else:
            time.sleep(0.01)  # a suggestion is being prepared
    return ids


def test_slots_are_what_the_nodes_have_room_for(make: Make) -> None:
    for nodes, options, slots in (
        (ONE_NODE, {}, 2),
        (ONE_NODE, {"max_concurrent": 1}, 1),
        (ONE_NODE * 4, {}, 3),  # there are no more trials
        (ONE_NODE, {"cpus_per_trial": 2.0}, 1),
    ):
        driver = make(**options)
        driver.prepare(TRIALS, lambda nodes=nodes: nodes)
        assert driver.progress.slots == slots, (nodes, options)


def test_what_no_node_can_give_is_an_error_that_names_both_sides(make: Make) -> None:
    with pytest.raises(UsageError) as raised:
        make(cpus_per_trial=5.0).prepare(TRIALS, one_node)
    said = str(raised.value)
    assert "\n" not in said
    assert "5" in said
    assert "2" in said


def test_without_a_gpu_a_machine_says_so_and_a_cluster_waits(
    make: Make, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = [trial_config("paper", "C_8-32", "sn", 0)]
    for address in (None, ""):
        if address is not None:
            monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(UsageError, match="this machine has no GPU"):
            make(trials).prepare(trials, one_node)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    waiting = make(trials)
    waiting.prepare(trials, one_node)
    assert said == ["the cluster has no GPU yet: trials wait for a node with one"]
    assert started(waiting) == [trials[0].trial_id]
    make().prepare(TRIALS, lambda: [{"CPU": 0.0}])
    assert said.pop() == "the cluster has no CPU yet: trials wait for a node with one"
    monkeypatch.setattr(driver, "FIRST_NODE_SECONDS", -1.0)
    with pytest.raises(UsageError, match="no trial could start"):
        waiting.on_tick()


def test_asked_to_stop_nothing_more_is_started(make: Make, store: Store, said: list[str]) -> None:
    driver = make()
    driver.prepare(TRIALS, one_node)
    started(driver)
    requests.ask(store, "s", requests.STOP_SWEEP)
    driver.on_tick()
    driver.on_tick()
    assert driver.stopped
    assert started(driver) == []
    assert said == ["asked to stop-sweep"], "once"


def test_the_time_budget_is_a_request_to_stop(make: Make, store: Store, said: list[str]) -> None:
    driver = make(time_budget=1e-6)
    driver.prepare(TRIALS, one_node)
    driver.on_tick()
    driver.on_tick()
    assert driver.stopped
    assert requests.stops(store, "s", TRIALS[0].trial_id), "running trials hear of it"
    assert len(requests.read_requests(store, "s")) == 1
    assert said[0].startswith("the time budget is used up")


def test_a_trial_that_waits_can_be_stopped(make: Make, store: Store) -> None:
    driver = make()
    driver.prepare(TRIALS, one_node)
    requests.ask(store, "s", requests.STOP_TRIAL, TRIALS[1].trial_id)
    driver.on_tick()
    assert started(driver, 3) == [TRIALS[0].trial_id, TRIALS[2].trial_id]


def test_a_failed_trial_is_tried_again_on_request(make: Make, store: Store) -> None:
    driver = make(TRIALS[:1], max_failures=0)
    driver.prepare(TRIALS[:1], one_node)
    (trial_id,) = started(driver)
    requests.ask(store, "s", requests.RETRY_TRIAL, trial_id)
    driver.on_tick()
    assert started(driver) == [], "it runs"
    driver.on_death(trial_id, "the node is gone", counts=True)
    assert driver.errors == {trial_id: "the node is gone"}
    requests.ask(store, "s", requests.RETRY_TRIAL, trial_id)
    driver.on_tick()
    assert started(driver) == [trial_id]
    assert driver.errors == {}


def test_what_the_lost_cluster_ran_is_queued_again(make: Make) -> None:
    """So is what died with it; what had died before, or has ended, is not."""
    trials = [*TRIALS, trial_config("digits", "C_8-32", "sn", 3, iterations=2)]
    made = make(trials, max_failures=0)
    made.prepare(trials, lambda: ONE_NODE * 2)
    failed, ended, died, ran = started(made, 4)
    made.on_death(failed, "the worker died", counts=True)
    made.death_times[failed] -= driver.DYING_SECONDS
    made.on_report({"trial": ended, "status": "completed"})
    made.on_end(ended, {})
    made.on_report({"trial": ran, "status": "running"})
    made.on_death(died, "the node died", counts=True)
    made.take_back()
    assert made.errors == {failed: "the worker died"}
    statuses = {i: trial.status for i, trial in made.progress.trials.items()}
    assert statuses == {failed: "failed", ended: "completed", died: "planned", ran: "planned"}
    assert started(made, 4) == [ran, died]


def test_a_lost_cluster_is_heard_of_at_the_next_tick(make: Make) -> None:
    made = make()
    made.prepare(TRIALS, one_node)
    cluster = Cluster(
        own_node="mine", head=("127.0.0.1", 1), alive_nodes=lambda: {"mine": {}}, patience=600
    )
    made.watch = ClusterWatch(cluster, lambda text: None, lambda reason: None)
    made.on_tick()
    made.watch.loss = ClusterLost("it is dead")
    with pytest.raises(ClusterLost, match="it is dead"):
        made.on_tick()


def test_a_trial_whose_worker_died_goes_first(make: Make, said: list[str]) -> None:
    driver = make(max_failures=1, max_concurrent=1)
    driver.prepare(TRIALS, one_node)
    (trial_id,) = started(driver)
    driver.on_death(trial_id, "the node is gone\n and more", counts=True)
    assert said == [f"{trial_id} lost its worker: the node is gone"]
    assert driver.progress.counts == {"planned": 3}
    assert started(driver) == [trial_id]
    driver.on_death(trial_id, "the node is gone", counts=True)
    assert said[1:] == ["trial"]
    assert driver.progress.trials[trial_id].status == "failed"
    assert driver.errors == {trial_id: "the node is gone"}
    assert started(driver) == [TRIALS[1].trial_id]


def test_a_search_hears_of_a_trial_that_dies_for_good(make: Make) -> None:
    suggestions = Two()
    driver = make(TRIALS[:1], suggestions, max_failures=0)
    driver.prepare(TRIALS[:1], one_node)
    (trial_id,) = started(driver)
    driver.on_death(trial_id, "the node is gone", counts=True)
    assert driver.suggester is not None
    driver.suggester.finish()
    assert suggestions.told == [trial_id]


def test_a_trial_that_dies_once_its_sweep_is_stopped_is_stopped(make: Make, store: Store) -> None:
    driver = make(TRIALS[:1])
    driver.prepare(TRIALS[:1], one_node)
    (trial_id,) = started(driver)
    requests.ask(store, "s", requests.STOP_SWEEP)
    driver.on_tick()
    driver.on_death(trial_id, "the node is gone", counts=True)
    assert driver.progress.counts == {"stopped": 1}
    assert driver.lost_at_stop == {trial_id}
    assert driver.errors == {}


def foreign(store: Store, trial_id: str) -> None:
    """Lets a process of another host own a trial."""
    owner = {"host": "far", "pid": 7, "attempt": "x", "heartbeat": datetime.now(UTC).isoformat()}
    store.write(f"claims/{trial_id}.json", json.dumps(owner).encode())


def test_a_trial_that_another_start_trains_leaves_its_place(
    make: Make, store: Store, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_owners, "LONGEST_LOOK_SECONDS", 0.0)
    driver = make(max_concurrent=1)
    driver.prepare(TRIALS, one_node)
    first, second, _ = (config.trial_id for config in TRIALS)
    foreign(store, first)
    assert started(driver, 2) == [second]
    driver.on_tick()
    (line,) = said
    assert line.startswith(f"{first} is being trained by process 7 on far (last sign of life")
    assert driver.progress.counts == {"waiting": 1, "planned": 2}
    driver.on_end(second, {"status": "completed"})
    store.delete(f"claims/{first}.json")
    driver.on_tick()
    assert driver.progress.counts == {"planned": 3}
    assert started(driver) == [first]


def test_a_trial_that_another_start_has_ended_needs_no_worker(
    make: Make, store: Store, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_owners, "LONGEST_LOOK_SECONDS", 0.0)
    suggestions, (known, *_) = Two(), TRIALS
    driver = make(TRIALS[:1], suggestions, max_concurrent=1)
    driver.prepare(TRIALS[:1], one_node)
    foreign(store, known.trial_id)
    assert started(driver) == [], "the one place is as good as taken"
    row = identity_row(known) | {"status": "completed", "iteration": 2, "config": "{}"}
    store.write_rows("trials", known.trial_id, [row])
    driver.on_tick()
    assert driver.progress.counts == {"waiting": 1}
    store.delete(f"claims/{known.trial_id}.json")
    driver.on_tick()
    assert driver.progress.counts == {"completed": 1}
    assert said[1:] == ["trial"]
    assert started(driver) == [TRIALS[1].trial_id]
    assert suggestions.told == [known.trial_id]


def test_a_worker_that_finds_another_owner_gives_its_trial_back(
    make: Make, store: Store, said: list[str]
) -> None:
    """As where the driver looked before the other start was there."""
    driver = make(max_concurrent=1)
    driver.prepare(TRIALS, one_node)
    first, second, _ = (config.trial_id for config in TRIALS)
    assert started(driver) == [first]
    owner = {"owner_host": "far", "owner_pid": 7, "owner_heartbeat": None}
    report = {"trial": first, "status": "waiting", **owner}
    driver.on_report(report)
    driver.on_end(first, report)
    assert said == [f"{first} is being trained by process 7 on far: it waits, others run"]
    assert started(driver) == [second]
    assert driver.progress.trials[first].status == "waiting"


def test_a_trial_that_was_superseded_is_not_given_up(make: Make) -> None:
    driver = make(TRIALS[:1])
    driver.prepare(TRIALS[:1], one_node)
    (trial_id,) = started(driver)
    driver.on_report({"trial": trial_id, "status": "superseded"})
    driver.on_end(trial_id, {"trial": trial_id, "status": "superseded"})
    assert started(driver) == [trial_id]


def test_a_stop_ends_the_wait_for_another_start(make: Make, store: Store) -> None:
    driver = make(TRIALS[:1])
    driver.prepare(TRIALS[:1], one_node)
    foreign(store, TRIALS[0].trial_id)
    assert started(driver) == []
    requests.ask(store, "s", requests.STOP_SWEEP)
    driver.on_tick()
    assert driver.backlog is not None
    assert driver.backlog.finished
    assert driver.owners.waits == {}


def test_a_wait_for_another_start_is_no_wait_for_a_node(
    make: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "FIRST_NODE_SECONDS", -1.0)
    made = make(TRIALS[:1])
    made.prepare(TRIALS[:1], one_node)
    foreign(store, TRIALS[0].trial_id)
    assert started(made) == []
    made.on_tick()


def test_out_of_memory_is_tried_again_with_more(make: Make, said: list[str]) -> None:
    driver = make(TRIALS[:1], gpus_per_trial=0.25)
    driver.prepare(TRIALS[:1], lambda: [{"CPU": 2.0, "GPU": 1.0}])
    (trial_id,) = started(driver)
    driver.on_end(trial_id, {"status": "failed", "out_of_memory": True})
    assert said[-1].startswith(f"{trial_id} ran out of memory: again with 0.5 of a GPU")
    assert driver.progress.trials[trial_id].status == "planned"
    assert started(driver) == [trial_id]


def test_a_suggestion_stands_in_the_plan_before_it_starts(make: Make, store: Store) -> None:
    suggestions = Two()
    driver = make(TRIALS[:1], suggestions)
    driver.prepare(TRIALS[:1], one_node)
    assert started(driver, 3) == [c.trial_id for c in TRIALS[:2]], "two at once, for two CPUs"
    planned = [row["trial_id"] for row in store.read_rows("sweeps", "s")]
    assert planned == [c.trial_id for c in TRIALS[:2]]
    assert driver.progress.trials.keys() == set(planned)
    driver.on_end(TRIALS[0].trial_id, {})
    assert started(driver) == [TRIALS[2].trial_id]
    assert suggestions.told == [TRIALS[0].trial_id], "before it was asked again"


def test_a_suggestion_that_another_sweep_has_run_is_told_at_once(make: Make, store: Store) -> None:
    suggestions, (_, known, other) = Two(), TRIALS
    row = identity_row(known) | {"status": "completed", "iteration": 2, "config": "{}"}
    store.write_rows("trials", known.trial_id, [row])
    driver = make(TRIALS[:1], suggestions)
    driver.prepare(TRIALS[:1], one_node)
    assert started(driver, 2) == [TRIALS[0].trial_id, other.trial_id]
    assert suggestions.told == [known.trial_id]
    assert driver.progress.trials[known.trial_id].status == "completed"
    assert len(store.read_rows("sweeps", "s")) == 3


def test_a_search_begins_with_a_suggestion(make: Make) -> None:
    driver = make(TRIALS[:1], Two())
    driver.plan.trials.clear()
    driver.prepare([], one_node)
    assert driver.progress.slots == 2
    assert started(driver, 3) == [c.trial_id for c in TRIALS[1:]]


def test_the_share_follows_the_gpu_that_the_cluster_adds(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    nodes = [{"CPU": 8.0}]
    trials = [trial_config("paper", "A_16-128", "sn", seed) for seed in range(2)]
    driver = make(trials)
    driver.prepare(trials, lambda: nodes)
    assert driver.backlog is not None
    before = driver.backlog.next()
    nodes.append({"CPU": 8.0, "GPU": 1.0, "accelerator_type:H200": 1.0})
    driver.on_tick()
    after = driver.backlog.next()
    assert before is not None
    assert after is not None
    assert after.share.gpus < before.share.gpus


def test_what_was_asked_for_while_ray_started_stands(
    make: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = make()
    driver.prepare(TRIALS, one_node)
    requests.ask(store, "s", requests.STOP_SWEEP)
    monkeypatch.setattr("sweep.run.cluster_loss.run_through_losses", lambda *_: None)
    driver.run()
    assert [request["action"] for request in requests.read_requests(store, "s")] == [
        requests.STOP_SWEEP
    ]


def test_a_summary_comes_every_minute(
    make: Make, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    made.prepare(TRIALS, one_node)
    made.on_tick()
    assert said == []
    monkeypatch.setattr(driver, "SUMMARY_SECONDS", -1.0)
    made.on_tick()
    assert said == ["summary"]


def saved(trial_id: str, iteration: int) -> dict[str, Any]:
    return {"trial": trial_id, "status": "stopped", "saved_at": iteration}


def test_an_interrupt_waits_until_what_runs_has_saved(make: Make, said: list[str]) -> None:
    driver = make()
    driver.prepare(TRIALS, one_node)
    first, second = started(driver, 2)
    driver.interruption.asked_at = time.monotonic()
    driver.on_tick(lambda: [first, second])
    assert EVERY_TRIAL in driver.ordered
    assert driver.backlog is not None
    assert driver.backlog.next() is None
    driver.on_report(saved(first, 7))
    driver.on_tick(lambda: [first, second])
    with pytest.raises(KeyboardInterrupt):
        driver.on_report(saved(second, 9))
    assert f"{first} saved at iteration 7" in said
    assert f"{second} saved at iteration 9" in said


def test_an_interrupt_waits_neither_for_the_dead_nor_for_what_has_not_begun(make: Make) -> None:
    driver = make()
    driver.prepare(TRIALS, one_node)
    first, second = started(driver, 2)
    driver.interruption.asked_at = time.monotonic()
    driver.on_tick(lambda: [first])
    driver.on_death(first, "it died", counts=True)
    with pytest.raises(KeyboardInterrupt):
        driver.on_tick(lambda: [])
    assert second in driver.progress.trials


def test_a_worker_that_was_told_to_end_is_no_failure(make: Make, said: list[str]) -> None:
    driver = make(max_failures=1)
    driver.prepare(TRIALS, one_node)
    (trial_id,) = started(driver)
    for iteration in (3, 5, 8):
        driver.on_report(saved(trial_id, iteration))
        driver.on_death(trial_id, "the process receives a SIGTERM", counts=True)
        assert said[-1] == f"{trial_id}: its worker was told to end; it goes on from there"
        assert started(driver) == [trial_id]
    driver.on_death(trial_id, "it died", counts=True)
    driver.on_report(saved(trial_id, 8) | {"status": "running"})
    assert driver.progress.trials[trial_id].status == "running"


def test_requests_reach_the_workers(store: Store, make: Make) -> None:
    driver = make()
    driver.prepare(TRIALS, one_node)
    (trial_id,) = started(driver)
    requests.ask(store, "s", requests.STOP_TRIAL, trial_id)
    driver.on_tick()
    assert driver.ordered == {trial_id}
    requests.ask(store, "s", requests.RETRY_TRIAL, trial_id)
    driver.on_tick()
    assert driver.ordered == frozenset()
    requests.ask(store, "s", requests.STOP_SWEEP)
    driver.on_tick()
    assert EVERY_TRIAL in driver.ordered


def hold(store: Store, trial_id: str, heartbeat: str) -> None:
    """Writes the record of a live owner elsewhere."""
    owner = {"host": "far", "pid": 7, "attempt": "x", "heartbeat": heartbeat}
    store.write(f"claims/{trial_id}.json", json.dumps(owner).encode())


def test_a_start_that_shares_leaves_what_others_end_or_try(make: Make, store: Store) -> None:
    driver = make(share=True)
    first, second, third = (config.trial_id for config in TRIALS)
    driver.failures_before = {third: 1}
    driver.prepare(TRIALS, one_node)
    row = {"trial_id": first, "status": "completed", "iteration": 4}
    store.write_rows("trials", first, [row])
    store.write_rows(
        "trials", second, [row | {"trial_id": second, "status": "failed", "failures": 1}]
    )
    store.write_rows(
        "trials", third, [row | {"trial_id": third, "status": "failed", "failures": 1}]
    )
    assert started(driver) == [third], "one that has failed before is tried once more"
    assert [config.trial_id for config in driver.own_trials] == [third]
    driver.on_tick()
    assert driver.progress.counts == {"completed": 1, "failed": 1, "planned": 1}
    assert driver.backlog is not None
    driver.on_end(third, {"status": "failed"})
    assert driver.backlog.finished


def test_a_start_that_shares_does_not_try_a_failure_twice_unless_asked(
    make: Make, store: Store
) -> None:
    driver = make(share=True)
    trial_id = TRIALS[0].trial_id
    store.write_rows(
        "trials", trial_id, [{"trial_id": trial_id, "status": "failed", "failures": 1}]
    )
    driver.prepare(TRIALS[:1], one_node)
    assert started(driver) == []
    driver.on_tick()
    requests.ask(store, "s", requests.RETRY_TRIAL, trial_id)
    driver.on_tick()
    assert started(driver) == [trial_id]


def test_a_start_that_shares_counts_what_the_others_train(
    make: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time left is that of all of them, and so are the places."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(Progress, "eta_seconds", 60.0)
    for share, slots, seconds in ((True, 4, 30.0), (False, 2, 60.0)):
        driver = make(share=share)
        driver.prepare(TRIALS, one_node)
        driver.progress.slots = 2
        for name in (TRIALS[1].trial_id, TRIALS[2].trial_id, "of-another-sweep"):
            hold(store, name, "2026-01-01T00:00:00+00:00")
        monkeypatch.setattr(driver.ownership, "tell", lambda **details: told.update(details))
        driver.on_tick()
        assert (told["slots"], told["eta_seconds"]) == (slots, seconds)


def test_a_start_that_could_only_wait_for_living_others_ends(
    make: Make, store: Store, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.run.foreign_owners.FIRST_LOOK_SECONDS", -1.0)
    ids = [config.trial_id for config in TRIALS]
    for trial_id in ids:
        hold(store, trial_id, "2026-01-01T00:00:00+00:00")
    driver = make(share=True)
    driver.ownership = SharedRecord(lambda: None)
    driver.prepare(TRIALS, one_node)
    assert driver.backlog is not None
    assert driver.backlog.idle
    driver.on_tick()
    assert not driver.backlog.finished, "an owner that was lost looks like this"
    for trial_id in ids:
        hold(store, trial_id, "2026-01-01T00:00:10+00:00")
    driver.on_tick()
    assert driver.backlog.finished
    assert driver.left == set(ids)
    assert said[-1] == "3 trials are left to other starts, which train them"


@pytest.mark.parametrize(("others", "state"), [(True, None), (False, "interrupted")])
def test_a_start_that_shares_does_not_end_the_sweep_of_the_others(
    make: Make, store: Store, monkeypatch: pytest.MonkeyPatch, others: bool, state: str | None
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    driver = make(share=True)
    driver.ownership = record = SharedRecord(
        lambda: acquire(store, "sweeps/shared.json", wait=False, state="running")
    )
    driver.prepare(TRIALS, one_node)
    if others:
        hold(store, TRIALS[1].trial_id, "2026-01-01T00:00:00+00:00")
    driver.on_tick()
    monkeypatch.setattr("sweep.run.cluster_loss.run_through_losses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    record.release("interrupted", wait=False)
    stored = json.loads(store.read("sweeps/shared.json") or b"{}")
    assert stored.get("state") == state


LONG = [trial_config("digits", "C_8-32", "sn", seed, iterations=90) for seed in range(3)]


class Compared(Two):
    """Suggests nothing more; its trials are compared with each other."""

    left: list[TrialConfig]

    def __init__(self) -> None:
        super().__init__()
        self.left = []

    def group(self, trial_id: str) -> str | None:
        return "all"


def evaluated(store: Store, config: TrialConfig, iteration: int, score: float) -> dict[str, Any]:
    """The report of an evaluation, whose rows are stored."""
    every = config.evaluate_every
    rows = [
        {"trial_id": config.trial_id, "iteration": at, "fd_digits": score, "finite": True}
        for at in range(0, iteration + 1, every)
    ]
    store.write_rows("evaluations", config.trial_id, rows)
    store.write_rows("trials", config.trial_id, [identity_row(config) | {"status": "running"}])
    return {
        "trial": config.trial_id, "status": "running", "iteration": iteration, "resumed_at": 0,
        "spent": 1.0, "verdict": "healthy", "distance": score,
    }  # fmt: skip


def test_a_trial_that_is_not_among_the_best_is_ordered_to_end(
    make: Make, store: Store, said: list[str]
) -> None:
    driver = make(LONG, Compared(), halving=Halving())
    driver.prepare(LONG, one_node)
    started(driver, 2)
    good, bad = LONG[:2]
    rung = Halving().rungs(good)[0]
    driver.on_report(evaluated(store, good, rung.budget, 1.0))
    driver.on_report(evaluated(store, bad, rung.budget - good.evaluate_every, 9.0))
    assert driver.ordered == frozenset()
    driver.on_report(evaluated(store, bad, rung.budget, 9.0))
    assert driver.ordered == {bad.trial_id}
    reason = driver._orders()[bad.trial_id]
    assert (reason["rung"], reason["rung_budget"]) == (1, rung.budget)
    driver.on_report(saved(bad.trial_id, rung.budget + 1))
    assert said[-1] == f"{bad.trial_id} stopped: {reason['stop_reason']}"

    # Asked for again it goes on, and no rung stops it.
    driver.on_end(bad.trial_id, saved(bad.trial_id, rung.budget + 1))
    requests.ask(store, "s", requests.RETRY_TRIAL, bad.trial_id)
    driver.on_tick()
    assert driver.ordered == frozenset()
    assert driver.backlog is not None
    assert bad.trial_id in {config.trial_id for config, _ in driver.backlog.waiting}
    driver.on_report(evaluated(store, bad, Halving().rungs(bad)[1].budget, 9.0))
    assert driver.ordered == frozenset()


def test_a_driver_works_out_the_rungs_of_an_earlier_one(make: Make, store: Store) -> None:
    good, left, new = LONG
    rung = Halving().rungs(good)[0]
    evaluated(store, good, rung.budget + good.evaluate_every, 1.0)
    evaluated(store, left, rung.budget, 9.0)
    driver = make(LONG, Compared(), halving=Halving())
    driver.prepare(LONG, one_node)
    assert driver.ordered == {left.trial_id}, "it was at its rung when the driver ended"
    driver.on_report(evaluated(store, new, rung.budget, 5.0))
    assert driver.ordered == {left.trial_id, new.trial_id}


def test_without_the_flag_no_rung_stops_anything(make: Make, store: Store) -> None:
    driver = make(LONG, Compared())
    driver.prepare(LONG, one_node)
    for config, score in zip(LONG, (1.0, 2.0, 3.0), strict=True):
        driver.on_report(evaluated(store, config, 60, score))
    assert driver.ordered == frozenset()
