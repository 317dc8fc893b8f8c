"""What a projection costs: the time of a whole iteration of each method over that of SN.

An iteration is n_critic updates of D and one of G; every fifth has a projection after each of its
updates of D. The parts are timed in turn within one run, so that a drift of the machine's speed
cancels, and the ratio follows from their medians:

    1 + n_critic * projection / (5 * (n_critic * D + G))

In the digits profile, where the parts are milliseconds, whole periods are timed in turn instead.

    python tests/benchmarks/iteration.py [--repetitions 5] [--device cuda]
"""

import argparse

import torch
from ledger import record, say
from timing import medians

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


def paper_shape(setting: str, repetitions: int, device: str) -> dict[str, float]:
    """Seconds of an iteration of SN, and what the projections make of it in the schedule."""
    config = trial_config("paper", setting, "sn", 0, device=device)
    pixels = torch.randint(256, (1000, 3, 32, 32), dtype=torch.uint8, device=device)
    data = Images(train=pixels, held_out=pixels[:1], stacked=False)
    t = medians(parts_of(config, data), repetitions, device)
    whole = config.n_critic * t["D"] + t["G"]
    figures = {
        f"{setting}, an iteration of SN (s)": whole,
        f"{setting}, power iteration over a D update": t["power iteration"] / t["D"],
    }
    for method in PROJECTED:
        over = 1 + config.n_critic * t[method] / (PROJECTION_PERIOD * whole)
        figures[f"{setting}, {method} over SN"] = over
    return figures


def digits_setting(setting: str, repetitions: int) -> dict[str, float]:
    """Seconds of an iteration of SN, and whole periods of the other methods over SN's."""
    data = load("digits8", "cpu")
    parts = {}
    for method in METHODS:
        config = trial_config("digits", setting, method, 0)
        state = initial_state(config)

        def period(config=config, state=state):
            for _ in range(PROJECTION_PERIOD):
                train_iteration(config, state, data)

        parts[method] = period
    t = medians(parts, 4 * repetitions)
    figures = {f"digits {setting}, an iteration of SN (s)": t["sn"] / PROJECTION_PERIOD}
    return figures | {
        f"digits {setting}, {method} over SN": t[method] / t["sn"]
        for method in METHODS
        if method != "sn"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    say("32x32, G 256, n_critic 5: an iteration of SN, and the released schedule over it")
    figures = {}
    for setting in PAPER_SHAPES:
        figures |= paper_shape(setting, args.repetitions, args.device)
    if args.device == "cpu":
        say("digits profile, 8x8, n_critic 1: an iteration of SN, and whole periods over it")
        for setting in DIGITS_SETTINGS:
            figures |= digits_setting(setting, args.repetitions)
    record("iteration", figures, args.device)


if __name__ == "__main__":
    main()
