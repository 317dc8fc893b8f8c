"""Ray and nothing else: the cluster, and trials run on it as Ray Tune function trainables.

Ray is the executor. What was run and what came of it stands in the store; Tune's own state is
wanted by nobody: it is emptied as Tune writes it, and then kept in memory.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import ray
from ray import tune
from ray._private import ray_constants
from ray._private import utils as ray_utils
from ray._private import worker as ray_worker
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.tune.trainable import Trainable
from ray.tune.trainable.function_trainable import wrap_function

from sweep.run import memory_limit, stop_orders, temporary_folder
from sweep.run.cluster_watch import LOW_MEMORY, Cluster, ClusterLost, host_and_port, reaches
from sweep.run.precedence import Precedence
from sweep.run.queue import Backlog
from trainer import machine_limits
from trainer.config.lookup import UsageError

# Requests that wait for a place: enough for an autoscaler to see that nodes are wanted.
MAX_PENDING = 16
# Ray ends a process whose head cannot be reached for so long, unless told otherwise.
RECONNECT_VARIABLE, RECONNECT_SECONDS = "RAY_gcs_rpc_server_reconnect_timeout_s", 60.0
# The head of a cluster that was started here is not started again by anybody else.
LOCAL_PATIENCE_SECONDS = 5.0
DISCONNECT_SECONDS = 30.0
# For a cluster's servers to end their workers; SIGTERM, which Ray sends them then, is blocked.
SERVERS_SECONDS = 0.7
# Trials put next to nothing there.
OBJECT_STORE_BYTES = 500_000_000
# For a head that is started at the same moment as the sweep.
LISTENER_SECONDS = 30.0
# Starts of a cluster here whose own processes die, or are not up in Ray's 30 s, before it is lost.
STARTS = 3
# What Ray 2.60 says of such a start, which raises it without a class of its own.
DIED_AT_START = (
    "timed out during startup",
    "Failed to start GCS",
    "Timed out waiting for file",  # that a GCS writes once it listens
)
# Between two looks whether a trial may start, while none runs.
IDLE_SECONDS = 0.5
# Where Tune puts its state, by a name that pyarrow.fs knows. Workers get it too, and use it only
# for checkpoints of Tune's kind, which no trial has.
STATE_URI = "fsspec+memory://sweep-tune"
# It grows by 22 kB per trial, and Tune reads it back if it has seen no trial.
EMPTY_STATE = '{"trial_data": []}'

# In what Ray 2.60 says of a worker that its memory monitor killed. Of one that is not at work yet
# Tune makes a death like another, with nothing but these words to know it by.
KILLED_FOR_MEMORY = "killed due to the node running low on memory"

# Whether Ray was interrupted as it started: half of it cannot be ended in order.
is_half_started = False

# Trials that Tune may list before those that have ended are taken off the list.
FORGET_FROM = 200
# Of a trial's last result on_end() needs the first line, and Tune itself the others.
KEPT_OF_RESULTS = frozenset(
    (
        "trial", "status", "out_of_memory", "owner_host", "owner_pid", "owner_heartbeat",
        "trial_id", "done", "training_iteration", "should_checkpoint",
        "node_ip", "pid",
    )
)  # fmt: skip


class OnDeath(Protocol):
    """Hears of a worker that died; `counts` is false where the cluster took its node away."""

    def __call__(self, trial_id: str, error: str, *, counts: bool) -> None: ...


def run_trial(config: Mapping[str, Any]) -> None:
    """The trainable; torch is imported in the worker only, and not for a loop of its own."""
    job = json.loads(config["job"])
    if "entry" in job["trial"]:
        from sweep.run import own_trainable

        own_trainable.run_trial(job)
        return
    from sweep.run import trainable

    trainable.run_trial(job)


def _actor() -> type[Trainable]:
    """The trainable as the actor that runs it. SIGTERM lets its trial save, and then ends it.

    Tune calls run_trial() in a thread of its own, and signals are the main thread's.
    """

    class TrialActor(wrap_function(run_trial)):
        def setup(self, config: dict[str, Any]) -> None:
            stop_orders.note_termination()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            super().setup(config)

        @classmethod
        def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
            return tune.PlacementGroupFactory([{"CPU": config["cpus"], "GPU": config["gpus"]}])

    return TrialActor


def connect(*, is_awaited: bool = True, say: Callable[[str], None] = lambda text: None) -> None:
    """Connects to the cluster that RAY_ADDRESS names, else to one started here.

    One that `is_awaited` may be just coming up. Of each start here that fails, and is made again,
    `say` hears. Raises UsageError if the cluster cannot be reached or started, and ClusterLost if
    one that is started here dies each time before it is up.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _wait_for_listener(address, LISTENER_SECONDS if is_awaited else 0.0)
    else:
        temporary_folder.check_room()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(**quiet)
        else:
            # Under `uv run` Ray packs the working folder, of 512 MiB at most, and workers import
            # and read from the copy. Here they have this very folder and interpreter.
            ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False
            # A cluster that happens to run on this machine is used only if it is named.
            with _starting():
                _start_here({"include_dashboard": False, **_own_resources(), **quiet}, say)
    except Exception as error:  # Ray raises it bare when a node does not come up
        problem = f"cannot reach the cluster at {address}" if address else "Ray did not start here"
        reason = _reasons(error) if address else _token_problem(error) or _reasons(error)
        raise UsageError(f"{problem}: {reason}") from error
    finally:
        if callable(handler):  # Ray sets one of its own, which ends this process at once
            signal.signal(signal.SIGTERM, handler)


def _start_here(options: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Starts a cluster of one node, and once more if a part of it dies meanwhile."""
    for start in range(1, STARTS + 1):
        try:
            ray.init(address="local", **options)
            return
        except Exception as error:
            reason = _reasons(error)
            if not any(words in reason for words in DIED_AT_START):
                raise
            if start == STARTS:
                raise ClusterLost(f"Ray did not start here in {STARTS} tries: {reason}") from error
            say(f"Ray did not start here ({reason}): starting it again, {start} of {STARTS - 1}")


def _own_resources() -> dict[str, int]:
    """CPUs and bytes of memory for a Ray that is started here, which counts the machine's."""
    memory = memory_limit.memory_bytes()
    store = min(OBJECT_STORE_BYTES, 3 * memory // 10)  # 3/10 is Ray's own share
    cpus = machine_limits.cpus()
    return {"num_cpus": cpus, "object_store_memory": store, "_memory": memory - store}


def _token_problem(error: BaseException) -> str | None:
    """Says what to do where Ray cannot write the token of a cluster of its own, as in a container
    that runs as another user than its image's or from a root that may only be read."""
    place = os.path.expanduser("~/.ray/auth_token")
    file = getattr(error, "filename", None)
    # Without HOME and an entry in /etc/passwd there is no such place.
    if place.startswith("/") and not (file and Path(place).is_relative_to(file)):
        return None
    reason = getattr(error, "strerror", None) or error
    return (
        f"it cannot write its token file {place} ({reason}): set HOME to a folder that can be "
        "written, or RAY_AUTH_TOKEN to a secret of your own"
    )


@contextmanager
def _starting() -> Iterator[None]:
    """Keeps SIGTERM from the processes that start inside, as Ray itself keeps SIGINT from them.

    Where a whole group is told to end, trials need their cluster until they have saved, and
    disconnect() ends it. Workers let the signal in again (_actor). Of this process Ray would take
    the handler.
    """
    global is_half_started
    set_handler = ray_utils.set_sigterm_handler
    ray_utils.set_sigterm_handler = lambda handler: None
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        is_half_started = True
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        ray_utils.set_sigterm_handler = set_handler


def _wait_for_listener(address: str, seconds: float) -> None:
    """Gives a head that is just being started some time.

    Ray itself tries for minutes, each in words of its own, before it gives up. Raises UsageError.
    """
    if (listener := host_and_port(address)) is None:
        return
    deadline = time.monotonic() + seconds
    while not reaches(listener):
        if time.monotonic() > deadline:
            raise UsageError(
                f"cannot reach the cluster at {address} (--ray-address, or RAY_ADDRESS): nothing "
                + (f"has answered there for {seconds:g} s" if seconds else "answers there")
            )
        time.sleep(0.5)


def _reasons(error: BaseException) -> str:
    """Short lines on the error and those behind it, since Ray's last one may only say where."""
    lines = []
    reason: BaseException | None = error
    while reason:
        lines.append(_short_line(str(reason).strip()).rstrip("."))
        reason = reason.__cause__
    return ": ".join(dict.fromkeys(filter(None, lines)))


def _short_line(text: str) -> str:
    """The first line; where that begins a traceback, as of a wrong token, what it ends with."""
    first, _, rest = text.partition("\n")
    before, traceback, _ = first.partition("Traceback (most recent call last)")
    if not traceback or not rest:
        return first
    last = rest.rpartition("\n")[2].partition(": ")[2]  # without the name of the exception
    return before + ". ".join(last.split(". ")[:3])  # and without advice on what else to read


def nodes() -> list[dict[str, float]]:
    """The resources of every node that is alive."""
    return list(_alive_nodes().values())


def _alive_nodes() -> dict[str, dict[str, float]]:
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def connected() -> Cluster:
    """The cluster that this process is connected to, as it is watched."""
    context = ray.get_runtime_context()
    head = host_and_port(context.gcs_address)
    assert head is not None
    patience = LOCAL_PATIENCE_SECONDS
    if os.environ.get("RAY_ADDRESS"):
        # Ray waits for a head that comes back. Before Ray ends the process, what is to be said has
        # to be said, and the trials settled.
        patience = float(os.environ.get(RECONNECT_VARIABLE) or RECONNECT_SECONDS) / 3
    return Cluster(
        own_node=context.get_node_id(),
        head=head,
        alive_nodes=_alive_nodes,
        patience=patience,
    )


def disconnect(seconds: float = DISCONNECT_SECONDS) -> bool:
    """Ends this driver's workers, and the cluster if it was started here.

    False if Ray has not returned in so many seconds, as it may not where the cluster is gone.
    """
    servers = _own_servers()
    thread = threading.Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(min(SERVERS_SECONDS, seconds))
    if thread.is_alive():
        for server in servers:
            server.kill()
        thread.join(max(0.0, seconds - SERVERS_SECONDS))
    return not thread.is_alive()


def _own_servers() -> list[subprocess.Popen[bytes]]:
    """The processes of a cluster that was started here; none of another's."""
    node: Any = ray_worker._global_node
    infos = [] if node is None else [*node.all_processes.values()]
    return [info.process for processes in infos for info in processes]


class _Queue(Searcher):
    """Tune's way to ask for the next trial. `on_end` hears of each that ended by itself."""

    def __init__(
        self,
        backlog: Backlog,
        task: Mapping[str, Any],
        on_end: Callable[..., None],
        on_tick: Callable[[], None],
    ) -> None:
        super().__init__()
        self.backlog = backlog
        self.task = dict(task)
        self.on_end = on_end
        self.on_tick = on_tick
        self.folder = temporary_folder.folder()
        self.trial_ids: dict[str, str] = {}

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        # Tune pickles its searcher into a state that is thrown away.
        return Searcher, ()

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Empties Tune's state, which was just written here: the store has all there is to save.

        Tune copies this folder to STATE_URI next.
        """
        for state in Path(checkpoint_dir).glob("experiment_state-*.json"):
            state.write_text(EMPTY_STATE)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        has_room = temporary_folder.shortage(self.folder) is None
        job = self.backlog.next() if has_room else None
        if job is None:
            if not has_room and not self.backlog.running:
                self.on_tick()  # Tune asks again and again, and does nothing else meanwhile
            # FINISHED is a word, whatever the base class declares. While trials only wait, Tune
            # ends and keeps no place: run_trials() starts it again.
            is_over = self.backlog.finished or (has_room and self.backlog.idle)
            return cast(Any, Searcher.FINISHED) if is_over else None
        self.trial_ids[trial_id] = job.config.trial_id
        share = dataclasses.asdict(job.share)
        # Tune copies, flattens, reports and keeps what it is given, value by value and for as long
        # as the sweep lasts: one text instead of sixty values.
        whole_job = {"trial": dataclasses.asdict(job.config), "task": self.task, "share": share}
        return {
            "trial": job.config.trial_id,
            "returned": job.returned,
            **share,
            "job": json.dumps(whole_job),
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if result is None and not error:
            self.backlog.put_back(self.trial_ids[trial_id], began=False)  # by Precedence
        elif not error:  # on_trial_error() tells of deaths
            self.on_end(self.trial_ids[trial_id], result or {})


class _Watcher(tune.Callback):
    """Hands on what trials report, what killed them, and that time goes by."""

    def __init__(
        self,
        on_report: Callable[[Mapping[str, Any]], None],
        on_death: OnDeath,
        on_tick: Callable[[Callable[[], Collection[str]]], None],
    ) -> None:
        self.on_report = on_report
        self.on_death = on_death
        self.on_tick = on_tick
        self.forget_at = FORGET_FROM

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Tune pickles its callbacks into a state that is thrown away; this one has a screen.
        return tune.Callback, ()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info) -> None:
        self.on_tick(
            lambda: [_trial_id(trial) for trial in trials if trial.status == Trial.RUNNING]
        )

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info
    ) -> None:
        self.on_report(dict(result))
        # Tune keeps the result until the sweep ends, and of each of its numbers more than that.
        for name in result.keys() - KEPT_OF_RESULTS:
            del result[name]

    def on_step_end(self, iteration: int, trials: list[Trial], **info) -> None:
        if len(trials) >= self.forget_at:
            # Tune's own list: at its end it looks for files and errors of each that is in it.
            ended = [trial for trial in trials if trial.is_finished()]
            trials[:] = [trial for trial in trials if not trial.is_finished()] + ended[-1:]
            self.forget_at = 2 * len(trials) + FORGET_FROM

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info) -> None:
        """Raises ClusterLost for a worker that was killed for memory."""
        reason = _death_reason(trial)
        if KILLED_FOR_MEMORY in reason:
            raise ClusterLost(LOW_MEMORY)
        self.on_death(
            _trial_id(trial),
            reason,
            counts=trial.run_metadata.num_failures > 0,  # Tune does not count preemption
        )


def run_trials(
    backlog: Backlog,
    task: Mapping[str, Any],
    *,
    reuse: bool,
    on_report: Callable[[Mapping[str, Any]], None],
    on_death: OnDeath,
    on_end: Callable[[str, Mapping[str, Any]], None],
    on_tick: Callable[..., None],
) -> None:
    """Runs what `backlog` hands out until it has no more. May raise KeyboardInterrupt.

    Raises ClusterLost if Ray's memory monitor kills a worker before it is at work, and what Tune
    makes of it, a RuntimeError with the OutOfMemoryError as its cause, if it is.

    `on_end` hears of every trial that ended, with its last report, `on_death` of every one whose
    worker or node died: it decides whether the trial goes on. With `reuse` a worker runs one trial
    after the other.
    """
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # sweep/run/interruption.py has it
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(MAX_PENDING)
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    # Tune asks for resources that it shows nowhere, and a head that is gone never answers.
    os.environ["TUNE_STATE_REFRESH_PERIOD"] = "inf"
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "inf"  # state at the begin and at the end only
    logging.getLogger("ray.tune.tune").addFilter(_lists_no_deaths)
    while not backlog.finished:
        if backlog.idle or temporary_folder.shortage(temporary_folder.folder()) is not None:
            on_tick()
            time.sleep(IDLE_SECONDS)
            continue
        tune.Tuner(
            _actor(),
            tune_config=tune.TuneConfig(
                search_alg=_Queue(backlog, task, on_end, on_tick),
                scheduler=Precedence(),
                num_samples=-1,
                reuse_actors=reuse,
                trial_name_creator=_trial_id,
                trial_dirname_creator=_trial_id,
            ),
            run_config=tune.RunConfig(
                storage_path=STATE_URI,
                # The backlog decides when a trial that died goes on: Tune puts it last.
                failure_config=tune.FailureConfig(max_failures=0),
                callbacks=[_Watcher(on_report, on_death, on_tick)],
                verbose=0,
            ),
        ).fit()


def _death_reason(trial: Trial) -> str:
    """What Tune wrote of the death of a trial's worker, without the line that counts it.

    Trial.get_error() looks for it under STATE_URI, where Tune puts it later.
    """
    file = trial.error_file
    text = Path(file).read_text() if file and Path(file).exists() else ""
    return text.partition("\n")[2].strip() or "the worker died"


def _lists_no_deaths(record: logging.LogRecord) -> bool:
    """Keeps back what Tune says at its end of each death, although the trial went on from it."""
    return not str(record.msg).startswith("Trials did not complete")


def _trial_id(trial: Trial) -> str:
    return trial.config["trial"]
