"""Ranks as processes: a run of two resumes bit for bit, and ends as soon as one of them dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.processes import descendants, kill
from trainer.config.own_images import Reading
from trainer.config.trial import trial_config
from trainer.data.images import load
from trainer.loop import train
from trainer.parallel import processes
from trainer.parallel.processes import OUT_OF_MEMORY, RankDied, launched_ranks
from trainer.parallel.ranks import ALONE
from trainer.state import from_bytes, initial_state, to_bytes

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]


def config_of(world_size=2):
    return trial_config(
        "digits", "C_8-32", "sr-dynamic", 0, iterations=10, evaluate_every=5, channels=4,
        generator_channels=4, world_size=world_size,
    )  # fmt: skip


def train_on(config, state, stop=lambda: False, at_evaluation=lambda iteration: None):
    """Trains to the end or until `stop` says so, on two ranks; returns the state's bytes."""
    with launched_ranks(config, state, root=None, reading=Reading()) as ranks:
        for evaluation in train(config, state, load("digits8", "cpu"), None, stop, ranks):
            at_evaluation(evaluation.iteration)
    return to_bytes(config, state)


def numbers(config, content):
    """Everything stored but the times that it took."""
    state = from_bytes(config, content)
    modules = (state.generator, state.discriminator)
    tensors = [tensor for module in modules for tensor in module.state_dict().values()]
    tensors += [*state.gamma, *state.ema.values()]
    for optimiser in (state.generator_optimiser, state.discriminator_optimiser):
        tensors += [t for of_one in optimiser.state.values() for t in of_one.values()]
    timed = ("seconds", "images_per_second")
    history = [{k: v for k, v in record.items() if k not in timed} for record in state.history]
    return [tensor.tolist() for tensor in tensors], repr(history)


@pytest.mark.filterwarnings("ignore:No device id is provided:UserWarning")
def test_a_run_of_two_ranks_resumes_bit_for_bit():
    """After an end between two evaluations, and after the kill -9 of a rank at the next one."""
    config = config_of()
    whole = train_on(config, initial_state(config))

    state = initial_state(config)
    part = train_on(config, state, stop=lambda: state.iteration >= 3)
    assert state.iteration == 3

    resumed, saved = from_bytes(config, part), {}

    def kill_a_rank(iteration):
        saved[iteration] = to_bytes(config, resumed)
        (follower,) = descendants(os.getpid())
        kill(follower)

    with pytest.raises(RankDied, match=r"rank 1 of 2 \(process \d+\) was killed by SIGKILL"):
        train_on(config, resumed, at_evaluation=kill_a_rank)
    assert list(saved) == [5]
    assert not torch.distributed.is_initialized()
    assert descendants(os.getpid()) == set()

    again = train_on(config, from_bytes(config, saved[5]))
    assert numbers(config, again) == numbers(config, whole)


def test_without_a_world_size_no_process_is_started(monkeypatch):
    monkeypatch.setattr(processes, "_start", None)
    config = config_of(world_size=1)
    with launched_ranks(config, initial_state(config), root=None, reading=Reading()) as ranks:
        assert ranks is ALONE


def ending(*codes):
    """Starts a process that ends with the rank's code at once; None is one that stays."""

    def start(request, rank):
        code = codes[rank - 1]
        body = "import time; time.sleep(60)" if code is None else f"raise SystemExit({code})"
        return subprocess.Popen([sys.executable, "-c", body])

    return start


@pytest.mark.parametrize(
    ("codes", "error", "words"),
    [
        ((3,), RankDied, r"rank 1 of 2 .* ended with 3"),
        ((None, OUT_OF_MEMORY), torch.OutOfMemoryError, "rank 2 of 3 ran out of memory"),
    ],
)
def test_a_rank_that_cannot_start(monkeypatch, codes, error, words):
    """The others are ended with it."""
    monkeypatch.setattr(processes, "_start", ending(*codes))
    config = trial_config("digits", "C_32-32", "sn", 0, world_size=len(codes) + 1)
    with (
        pytest.raises(error, match=words),
        launched_ranks(config, initial_state(config), root=None, reading=Reading()),
    ):
        raise AssertionError("no run begins")
    assert descendants(os.getpid()) == set()


def test_the_cause_is_named_before_what_it_caused(monkeypatch):
    monkeypatch.setattr(processes, "_start", ending(1, OUT_OF_MEMORY, 1))
    followers = processes._Followers({}, 4)
    while len(followers._codes()) < 3:
        time.sleep(0.05)
    assert isinstance(followers.death(0.0), torch.OutOfMemoryError)
    followers.end(0.0)


HANGING = """
import subprocess, sys, time
from trainer.parallel import processes
processes._HUNG_SECONDS = 0.5
processes._start = lambda request, rank: subprocess.Popen([sys.executable, "-c", "exit(3)"])
processes._Followers({}, 2)
time.sleep(200)
"""


@pytest.mark.slow
def test_an_exchange_that_hangs_ends_with_the_process():
    """As one between GPUs does whose peer has died."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGING], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert "rank 1 of 2" in ended.stderr
    assert "rank 0 hangs: it ends too" in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_command_ends_with_its_ranks(tmp_path, number):
    """Told to end, all of its processes at once, it saves; killed, it takes the others with it."""
    command = [sys.executable, "-m", "trainer", "--profile", "digits", "--setting", "C_8-32"]
    command += ["--iterations", "100000", "--world-size", "2", "--out", str(tmp_path)]
    (folder := tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stdout is not None
            assert '"iteration": 0' in run.stdout.readline()
            others = descendants(run.pid)
            assert len(others) == 1
            kill(run.pid, *(others if number == signal.SIGTERM else ()), number=number)
            assert run.wait(60) == (130 if number == signal.SIGTERM else -number)
        finally:
            run.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in others):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (tmp_path / "checkpoint.pt").exists()
    assert list(folder.glob("srgan-ranks-*")) == []
