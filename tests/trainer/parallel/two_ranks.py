"""One of two ranks that train a few iterations of each method, as `test_ranks.py` starts them.

`python -m tests.trainer.parallel.two_ranks FOLDER RANK METHOD..` leaves FOLDER/RANK.pt.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from trainer.config.methods import METHODS
from trainer.config.trial import trial_config
from trainer.data.images import load
from trainer.parallel.processes import join
from trainer.parallel.ranks import ALONE, Ranks
from trainer.state import initial_state
from trainer.updates import train_iteration

ITERATIONS = 3


def config_of(method, **changes):
    """Four parts of six images; projects in the first iteration and in the last of three."""
    sizes = {"channels": 4, "generator_channels": 4, "micro_batch": 6, "world_size": 2}
    if method == "sn":
        sizes |= {"n_critic": 2}  # D's last update then comes after G's
    if method == "nugan":
        sizes |= {"nudge_every": 2, "nudge_k": 2}
    if METHODS[method].form == "project":
        sizes |= {"projection_period": 2}
    return trial_config("digits", "C_32-32", method, 0, iterations=20, **(sizes | changes))


def one_update(method, ranks=ALONE):
    """What an iteration measures, and the gradients of its last updates, in float64."""
    torch.set_default_dtype(torch.float64)
    try:
        config = config_of(method)
        state = initial_state(config)
        measured = train_iteration(config, state, load("digits8", "cpu"), ranks)
    finally:
        torch.set_default_dtype(torch.float32)
    return {
        "measured": measured,
        "d": [parameter.grad for parameter in state.discriminator.parameters()],
        "g": [parameter.grad for parameter in state.generator.parameters()],
    }


def several_iterations(method, ranks):
    """Every tensor of the state after three iterations, in float32."""
    config = config_of(method)
    state, digits = initial_state(config), load("digits8", "cpu")
    for _ in range(ITERATIONS):
        train_iteration(config, state, digits, ranks)
    networks = {
        f"{name}.{key}": tensor
        for name in ("generator", "discriminator")
        for key, tensor in getattr(state, name).state_dict().items()
    }
    return networks | {f"ema.{key}": tensor for key, tensor in state.ema.items()}


def main():
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    ranks = Ranks(rank, 2)
    join(folder, ranks, "cpu")
    found = {
        method: (one_update(method, ranks), several_iterations(method, ranks))
        for method in sys.argv[3:]
    }
    found["shared bytes"] = ranks.shared_bytes(b"abc\x00" if ranks.leads else b"")
    found["goes on"] = [ranks.goes_on(True), ranks.goes_on(False)]
    dist.destroy_process_group()
    torch.save(found, folder / f"{rank}.pt")


if __name__ == "__main__":
    main()
