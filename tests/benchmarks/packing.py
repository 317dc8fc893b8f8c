"""Trials side by side on one machine: iterations per second of all of them together.

On a CPU: one process with two threads, with one, two processes with one thread each, and with two,
where they fight. On a GPU: 1 to 16 processes on it, with and without CUDA MPS, and as many seeds
stacked into one model in one process (stacked.py). The processes are those of a sweep, real ones;
each is warm before all start together and are counted for some seconds. Iterations on the paper's
32x32 shapes are on random images; on a CPU they have one D update, on a GPU five.

    python tests/benchmarks/packing.py [--seconds 10] [--device cuda] [--most 16]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch
from ledger import record, say
from noise import noise
from stacked import Stacked

from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import Images, load
from trainer.state import initial_state
from trainer.updates import train_iteration

# (processes, threads of each)
ON_CPU = ((1, 2), (1, 1), (2, 1), (2, 2))
ON_GPU = (1, 2, 4, 8, 16)
GPU_SETTINGS = ("C_64-32", "B_64-64")
# Iterations before counting; on a GPU cuDNN chooses its kernels in them.
WARM_UP = {"cpu": 1, "cuda": 3}
MPS = "nvidia-cuda-mps-control"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10, help="counted per measurement")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--most", type=int, default=16, help="processes or seeds on one GPU")
    args = parser.parse_args()
    say(f"torch {torch.__version__}; iterations per second in all, {args.seconds:g} s each")
    if args.device == "cpu":
        record("packing", on_cpu(args.seconds))
    else:
        counts = [k for k in ON_GPU if k <= args.most]
        record("packing", on_gpu(args.seconds, counts), "cuda")


def on_cpu(seconds: float) -> dict[str, float]:
    configs = {
        "digits C_32-32": trial_config("digits", "C_32-32", "sn", 0),
        "paper C_16-32": trial_config("paper", "C_16-32", "sn", 0, device="cpu", n_critic=1),
    }
    figures = {}
    for processes, threads in ON_CPU:
        with workers(processes, threads) as pipes:
            for name, config in configs.items():
                case = f"{name}, {processes} x {threads} threads"
                figures[case] = together(pipes, config, seconds)
    return dict(sorted(figures.items()))


def on_gpu(seconds: float, counts: Sequence[int]) -> dict[str, float]:
    figures = processes_on_gpu("", seconds, counts)
    with mps() as why_not:
        if why_not is None:
            figures |= processes_on_gpu(" with MPS", seconds, counts)
        else:
            say(f"nothing measured with MPS: {why_not}")
    for setting in GPU_SETTINGS:
        for k in counts:
            configs = [_on_gpu(setting, seed) for seed in range(k)]
            model = Stacked(configs, images(configs[0]))
            rate = k * rate_of(model.iterate, seconds, "cuda", lambda: None)
            figures[f"{setting}, {k} stacked"] = rate
            del model
    for setting in GPU_SETTINGS:
        alone = figures[f"{setting}, 1"]
        best = max((name for name in figures if name.startswith(setting)), key=figures.__getitem__)
        say(f"{best}: {figures[best] / alone:.2f} times one alone")
    return figures


def processes_on_gpu(how: str, seconds: float, counts: Sequence[int]) -> dict[str, float]:
    """Of all settings and counts, by processes that are started once."""
    with workers(max(counts), 1) as pipes:
        return {
            f"{setting}, {k}{how}": together(pipes[:k], _on_gpu(setting, 0), seconds)
            for setting in GPU_SETTINGS
            for k in counts
        }


def _on_gpu(setting: str, seed: int) -> TrialConfig:
    return trial_config("paper", setting, "sn", seed, device="cuda", decays=False)


@contextmanager
def workers(n: int, threads: int) -> Iterator[list[Connection]]:
    """Processes that run what they are sent, by the pipes to them; ended at the end."""
    context = get_context("spawn")
    pipes, processes = [], []
    for _ in range(n):
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(there, threads), daemon=True)
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        yield pipes
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join()


def together(pipes: Sequence[Connection], config: TrialConfig, seconds: float) -> float:
    """Iterations per second of all, counted from the moment at which every one is warm."""
    for pipe in pipes:
        pipe.send((config, seconds))
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    return sum(pipe.recv() for pipe in pipes)


def serve(pipe: Connection, threads: int) -> None:
    """Trains what comes through the pipe, until it is closed; answers with iterations per s."""
    torch.set_num_threads(threads)

    def start_together() -> None:
        pipe.send("warm")
        pipe.recv()

    while True:
        try:
            config, seconds = pipe.recv()
        except EOFError:
            return
        state, data = initial_state(config), images(config)

        def iterate(config=config, state=state, data=data) -> None:
            train_iteration(config, state, data)

        pipe.send(rate_of(iterate, seconds, config.device, start_together))


def rate_of(
    iterate: Callable[[], object], seconds: float, device: str, start: Callable[[], None]
) -> float:
    """Iterations per second after a warm-up; `start` returns when the counting is to begin."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    for _ in range(WARM_UP[device]):
        iterate()
    wait()
    start()
    began, n = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < seconds:
        iterate()
        wait()
        n += 1
    return n / taken


def images(config: TrialConfig) -> Images:
    if config.dataset.startswith("digits"):
        data = load(config.dataset, config.device)
        assert isinstance(data, Images)
        return data
    return noise(config)


@contextmanager
def mps() -> Iterator[str | None]:
    """CUDA MPS for the processes started meanwhile; or the reason why there is none."""
    if shutil.which(MPS) is None:
        yield f"there is no {MPS} here"
        return
    with tempfile.TemporaryDirectory() as folder:
        own = {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": folder}
        os.environ.update(own)
        started = subprocess.run([MPS, "-d"], capture_output=True, text=True)
        try:
            yield None if started.returncode == 0 else f"{MPS} -d: {started.stderr.strip()}"
        finally:
            if started.returncode == 0:
                subprocess.run([MPS], input="quit\n", text=True, capture_output=True)
            for name in own:
                del os.environ[name]


if __name__ == "__main__":
    main()
