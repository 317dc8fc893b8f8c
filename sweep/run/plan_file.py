"""The stored plan of a sweep that grows by one trial after the other."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sweep.run.rows import plan_rows
from sweep.store.ownership import Ownership
from sweep.store.tables import columns, file_of
from trainer.config.own_trial import AnyTrial


class PlanFile:
    """The file of a plan; rows that are in it are not worked out again for one more."""

    def __init__(self, ownership: Ownership, sweep: str, trials: Sequence[AnyTrial]) -> None:
        self.ownership = ownership
        self.sweep = sweep
        self._rows = columns("sweeps", plan_rows(sweep, trials))

    def append(self, config: AnyTrial) -> None:
        """Adds a trial and replaces the file. Raises Superseded."""
        row = columns("sweeps", plan_rows(self.sweep, [config], first_position=len(self._rows)))
        self._rows = pa.concat_tables([self._rows, row]).combine_chunks()
        self.ownership.write(f"sweeps/{self.sweep}.parquet", file_of("sweeps", self._rows))
