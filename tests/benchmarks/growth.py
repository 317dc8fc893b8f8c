"""How time and memory grow with width, batch, resolution, trials and evaluations.

python tests/benchmarks/growth.py [--device cuda] [--repetitions 2] [--plot growth.svg]
    [--trials 100,1000,3000] [--only training|store]

A store of 10,000 trials takes minutes more, most of them to write it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import torch
from curves import slope, svg, table
from ledger import record, say


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves, as SVG")
    parser.add_argument("--trials", default="100,1000,3000", help="sizes of the stores")
    parser.add_argument("--only", choices=["training", "store"], help="one half alone")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    curves = []
    if args.only != "store":
        import training_growth

        say("\n".join(training_growth.networks(args.device)))
        curves += training_growth.curves(args.device, args.repetitions)
    if args.only != "training":
        # A GPU's machine has what the trainer needs, and not what the store does.
        import store_growth

        sizes = [int(size) for size in args.trials.split(",")]
        with tempfile.TemporaryDirectory() as folder:
            curves += store_growth.by_trials(Path(folder), sizes, args.repetitions)
            curves += store_growth.by_evaluations(Path(folder), args.repetitions)
    say("\n".join(table(curves)))
    if args.plot:
        args.plot.write_text(svg(curves))
    figures = {f"exponent of {c.name}": slope(c.sizes, c.cost) for c in curves}
    figures |= {f"{c.name}, {c.unit} at {c.sizes[-1]:g}": c.cost[-1] for c in curves}
    record("growth", figures, args.device)


if __name__ == "__main__":
    main()
