"""`python -m sweep.fig12`: static against dynamic compensation, the paper's Fig. 12."""

from __future__ import annotations

import sys

from sweep.cli.experiment import Experiment, main

FIG12 = Experiment(
    name="fig12",
    description="Train SR with static and with dynamic compensation, one setting of each group.",
    settings="A_128-128,B_16-64,C_64-32,D_128-256,E_512-64",
    methods="sr-static,sr-dynamic",
    examples="""\
examples:
  python -m sweep.fig12 --profile digits --seeds 0-2
      the five settings of the figure, three seeds, on this machine's CPU
  python -m sweep.fig12 --profile digits --methods 'sn,sr-static,sr-dynamic*'
      SN, and both readings of the dynamic method, beside them
""",
)

if __name__ == "__main__":
    sys.exit(main(FIG12))
