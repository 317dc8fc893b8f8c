"""`python -m sweep.fig8`: SR over the share i of lifted singular values, the paper's Fig. 8.

Its trials at i = 0.5 are those of `sweep.table1`: whichever comes second finds them done.
"""

from __future__ import annotations

import sys

from sweep.cli.experiment import Experiment, main

FIG8 = Experiment(
    name="fig8",
    description="Train SR with different shares i of lifted singular values, SN beside it.",
    # The paper names only A_128-128 and B_128-64 (Figs. 9 to 11); D and E are a choice.
    settings="A_128-128,B_128-64,D_256-256,E_256-128",
    methods="sn,sr-static",
    i_ratios="0.25,0.5,0.75,1",
    examples="""\
examples:
  python -m sweep.fig8 --profile digits --seeds 0-2
      one setting of each of the groups A, B, D and E, three seeds, on this machine's CPU
  python -m sweep.fig8 --profile digits --settings 'B_*' --i-ratios 0.125,0.25,0.5,0.75,1
      a whole group, more finely
""",
)

if __name__ == "__main__":
    sys.exit(main(FIG8))
