"""`python -m sweep.table1`: the settings of Table I, each with SN and SR, as one sweep."""

from __future__ import annotations

import sys

from sweep.cli.experiment import Experiment, main

TABLE1 = Experiment(
    name="table1",
    description="Train the settings of Table I with each method and seed, and compare.",
    settings="*",
    methods="sn,sr",
    examples="""\
examples:
  python -m sweep.table1 --profile digits --settings 'C_*,B_64-64' --seeds 0-2
      narrow discriminators with three seeds, SN and SR, on this machine's CPU
  python -m sweep.table1 --profile digits --methods 'sn*,sr*' --settings C_32-32
      SN, SR and all their controls
  python -m sweep.table1 --profile digits --settings 'B_*' --i-ratios 0.125,0.25,0.5,1
      SN once and SR with each i
  python -m sweep.table1 --data-root /data --download --results s3://bucket/sweeps \
      --inception-weights /data/weights-inception-2015-12-05-6726825d.pth
      the paper's own settings, on GPUs
  ray job submit --working-dir . -- python -m sweep.table1 --data-root /data --results /shared/r
      the same on a cluster; --ray-address, RAY_ADDRESS or the job says which, otherwise Ray is
      started here
""",
)

if __name__ == "__main__":
    sys.exit(main(TABLE1))
