"""What a projection costs: the time of a whole iteration of each method over that of SN.

An iteration is n_critic updates of D and one of G; every fifth has a projection after each of its
updates of D. The parts are timed in turn within one run, so that a drift of the machine's speed
cancels, and the ratio follows from their medians:

    1 + n_critic * projection / (5 * (n_critic * D + G))

In the digits profile, where the parts are milliseconds, whole periods are timed in turn instead.

    python tests/benchmarks/iteration.py [--repetitions 5] [--device cuda]
"""

import argparse
import platform
import statistics
import time

import torch

from trainer.config import TrialConfig, trial_config
from trainer.data import Images, load
from trainer.layers import advance
from trainer.methods import METHODS, PROJECTION_PERIOD
from trainer.projection import project
from trainer.state import initial_state
from trainer.updates import train_iteration, update_discriminator, update_generator

PAPER_SHAPES = ("C_16-32", "B_16-64", "A_16-128", "A_64-128")
DIGITS_SETTINGS = ("C_32-32", "B_64-64", "A_64-128")
PROJECTED = tuple(name for name, method in METHODS.items() if method.form == "project")


def seconds(work, device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def medians(parts: dict, repetitions: int, device: str) -> dict[str, float]:
    """Median time of each part in s; one untimed round first, then all parts in turn."""
    times = {name: [] for name in parts}
    for repetition in range(repetitions + 1):
        for name, work in parts.items():
            taken = seconds(work, device)
            if repetition:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def parts_of(config: TrialConfig, data: Images) -> dict:
    state = initial_state(config)
    configs = {
        method: trial_config("paper", config.setting, method, 0, device=config.device)
        for method in PROJECTED
    }
    parts = {
        "D": lambda: update_discriminator(config, state, data, 0),
        "G": lambda: update_generator(config, state),
        "power iteration": lambda: advance(state.discriminator.normalised_layers()),
    }
    for method, changed in configs.items():
        parts[method] = lambda changed=changed: project(changed, state)
    return parts


def paper_shape(setting: str, repetitions: int, device: str) -> None:
    config = trial_config("paper", setting, "sn", 0, device=device)
    pixels = torch.randint(256, (1000, 3, 32, 32), dtype=torch.uint8, device=device)
    data = Images(train=pixels, held_out=pixels[:1], stacked=False)
    t = medians(parts_of(config, data), repetitions, device)
    whole = config.n_critic * t["D"] + t["G"]
    ratios = "  ".join(
        f"{m} {1 + config.n_critic * t[m] / (PROJECTION_PERIOD * whole):.4f}" for m in PROJECTED
    )
    say(f"{setting:10} {whole:8.3f} s  power iteration {t['power iteration'] / t['D']:.4f} of a "
        f"D update  over SN: {ratios}")  # fmt: skip


def digits_setting(setting: str, repetitions: int) -> None:
    data = load("digits8", "cpu")
    parts = {}
    for method in METHODS:
        config = trial_config("digits", setting, method, 0)
        state = initial_state(config)

        def period(config=config, state=state):
            for _ in range(PROJECTION_PERIOD):
                train_iteration(config, state, data)

        parts[method] = period
    t = medians(parts, 4 * repetitions, "cpu")
    ratios = "  ".join(f"{m} {t[m] / t['sn']:.3f}" for m in METHODS)
    say(f"{setting:10} {t['sn'] / PROJECTION_PERIOD * 1000:8.1f} ms  over SN: {ratios}")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what the command is for


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    where = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor()
    say(f"torch {torch.__version__}, {where or platform.machine()}, 1 thread")
    say("32x32, G 256, n_critic 5: one iteration of SN, and the released schedule over it")
    for setting in PAPER_SHAPES:
        paper_shape(setting, args.repetitions, args.device)
    if args.device == "cpu":
        say("digits profile, 8x8, n_critic 1: one iteration of SN, and whole periods over it")
        for setting in DIGITS_SETTINGS:
            digits_setting(setting, args.repetitions)


if __name__ == "__main__":
    main()
