"""`python -m sweep.methods`: SN and SR beside what the same field proposes against collapse."""

from __future__ import annotations

import sys

from sweep.cli.experiment import Experiment, main

METHODS = Experiment(
    name="methods",
    description="Train every method that the field sets against mode collapse, and compare.",
    settings="A_64-128,B_64-64,C_64-32",
    methods="sn,sn-ttur,sr-static,sr-dynamic,pacgan,jare,nugan,r1,rpgan-r1r2,unrolled,wgan-gp,"
    "lecam,bcr,diffaug,orthonormal,srip,wn",
    examples="""\
examples:
  python -m sweep.methods --profile digits --settings C_64-32 --seeds 0-2
      seventeen methods on a narrow discriminator, three seeds, on this machine's CPU
  python -m sweep.methods --profile digits --methods 'sn*,sr*'
      SN, SR in all its forms, and their controls
""",
)

if __name__ == "__main__":
    sys.exit(main(METHODS))
