"""What spectral regularization costs: a whole iteration of each method over that of SN.

An iteration is n_critic updates of D and one of G. The form `project` has a projection after each
update of D in every fifth of them, the form `reparam` another last update of D in each. The parts
are timed in turn within one run, so that a drift of the machine's speed cancels, and the ratio
follows from their medians:

    project    1 + n_critic * projection / (5 * (n_critic * D + G))
    reparam    1 + (last D - D) / (n_critic * D + G)

`host SVD` and `torch SVD` are static projections as released and by torch.linalg.svd (solvers.py).
In the digits profile, where the parts are milliseconds, whole periods are timed in turn instead,
and so are whole iterations of the methods that do not project, in the settings of --rivals. Both
count with --cpu-time what the process had of its core, on a machine that has other work, too.

    python tests/benchmarks/iteration.py [--settings C_16-32,A_64-128] [--rivals C_8-32]
        [--repetitions 5] [--cpu-time] [--device cuda]
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from ledger import record, say
from noise import noise
from solvers import released, torch_svd
from timing import Clock, medians

from trainer.config.methods import METHODS, PROJECTION_PERIOD
from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import Images, load
from trainer.normalisation import advance_all
from trainer.projection import project
from trainer.state import initial_state
from trainer.updates import train_iteration, update_discriminator, update_generator

PAPER_SETTINGS = "C_16-32,B_16-64,A_16-128,A_64-128"
DIGITS_SETTINGS = ("C_32-32", "B_64-64", "A_64-128")
PROJECTED = tuple(name for name, method in METHODS.items() if method.form == "project")
REPARAMETRISED = tuple(name for name, method in METHODS.items() if method.form == "reparam")
NAIVE = {"host SVD": released, "torch SVD": torch_svd}


def parts_of(config: TrialConfig, data: Images) -> dict[str, Callable[[], object]]:
    state = initial_state(config)
    last = config.n_critic - 1

    def of(method: str) -> TrialConfig:
        return trial_config("paper", config.setting, method, 0, device=config.device)

    parts: dict[str, Callable[[], object]] = {
        "D": lambda: update_discriminator(config, state, data, 0),
        "G": lambda: update_generator(config, state),
        "power iteration": lambda: advance_all(state.discriminator.normalised_layers()),
    }
    parts |= {name: partial(project, of(name), state) for name in PROJECTED}
    parts |= {name: partial(torch.no_grad()(naive), state) for name, naive in NAIVE.items()}
    for name in REPARAMETRISED:
        parts[name] = partial(update_discriminator, of(name), state, data, last)
    return parts


def paper_setting(setting: str, repetitions: int, device: str) -> dict[str, float]:
    """Seconds of an iteration of SN, and what the methods make of it in their schedules."""
    config = trial_config("paper", setting, "sn", 0, device=device)
    t = medians(parts_of(config, noise(config)), repetitions, device)
    whole = config.n_critic * t["D"] + t["G"]
    over = {
        name: 1 + config.n_critic * t[name] / (PROJECTION_PERIOD * whole)
        for name in (*PROJECTED, *NAIVE)
    } | {name: 1 + (t[name] - t["D"]) / whole for name in REPARAMETRISED}
    return {
        f"{setting}, an iteration of SN (s)": whole,
        f"{setting}, power iteration over a D update": t["power iteration"] / t["D"],
        **{f"{setting}, {name} over SN": ratio for name, ratio in over.items()},
    }


def iterations_of(config: TrialConfig, data: Images, n: int) -> Callable[[], object]:
    """Trains a state of its own n iterations further at every call."""
    state = initial_state(config)

    def train() -> None:
        for _ in range(n):
            train_iteration(config, state, data)

    return train


def rivals(setting: str, repetitions: int, device: str, clock: Clock) -> dict[str, float]:
    """Whole iterations, as long as each method's are, of methods without projection over SN's."""
    parts = {}
    for method, axes in METHODS.items():
        if axes.form is None:
            config = trial_config("paper", setting, method, 0, device=device)
            parts[method] = iterations_of(config, noise(config), 1)
    t = medians(parts, repetitions, device, clock)
    return {f"{setting}, {name} over SN": t[name] / t["sn"] for name in parts if name != "sn"}


def digits_setting(setting: str, repetitions: int, clock: Clock) -> dict[str, float]:
    """Seconds of an iteration of SN, and whole periods of the other methods over SN's."""
    data = load("digits8", "cpu")
    assert isinstance(data, Images)
    parts = {
        method: iterations_of(trial_config("digits", setting, method, 0), data, PROJECTION_PERIOD)
        for method in METHODS
    }
    t = medians(parts, 4 * repetitions, clock=clock)
    figures = {f"digits {setting}, an iteration of SN (s)": t["sn"] / PROJECTION_PERIOD}
    return figures | {
        f"digits {setting}, {method} over SN": t[method] / t["sn"]
        for method in METHODS
        if method != "sn"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--settings", default=PAPER_SETTINGS, help="of the paper profile")
    parser.add_argument("--rivals", default="", help="settings of the paper profile")
    parser.add_argument("--digits", default=",".join(DIGITS_SETTINGS), help="settings")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.process_time if args.cpu_time else time.perf_counter
    say("32x32, G 256, n_critic 5: an iteration of SN, and the released schedule over it")
    figures = {}
    for setting in filter(None, args.settings.split(",")):
        figures |= paper_setting(setting, args.repetitions, args.device)
    for setting in filter(None, args.rivals.split(",")):
        figures |= rivals(setting, args.repetitions, args.device, clock)
    if args.device == "cpu":
        say("digits profile, 8x8, n_critic 1: an iteration of SN, and whole periods over it")
        for setting in filter(None, args.digits.split(",")):
            figures |= digits_setting(setting, args.repetitions, clock)
    record("iteration", figures, args.device)


if __name__ == "__main__":
    main()
