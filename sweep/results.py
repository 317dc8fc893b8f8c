"""The store: what is kept of a sweep, under which names, and how a file is replaced.

A leaf: pyarrow, obstore and the standard library. Under one root (a folder or an `s3://` URI):

    trials/<trial_id>.parquet            one row: configuration, status, verdict, scores, host
    evaluations/<trial_id>.parquet       one row per evaluation
    spectra/<trial_id>.parquet           one row per (iteration, layer)
    outputs/<trial_id>.parquet           histograms of D's outputs
    samples/<trial_id>/<iteration>.png   images of fixed latent vectors
    checkpoints/<trial_id>/<iteration>.pt
    claims/<trial_id>.json               who writes the trial's files (sweep/store/ownership.py)
    sweeps/<sweep>.parquet               the plan, one row per trial
    sweeps/<sweep>.json                  the driver's heartbeat
    sweeps/<sweep>.control.json, .study.json   what is asked of it; what a search has found
    notifications/<sweep>/<key>.json     each event that somebody was told of
    notes/<time>-<id>.json               what somebody noted of a trial or a sweep, and tags
    orders/<id>.json, <id>.state.json    what is ordered of `sweep.serve`, and what came of it
    mirrors/<sweep>.<tracker>-<hash8>.json   what another tracker was sent of each trial
    index/<table>.parquet                all of trials or sweeps, derived (sweep/store/index.py)
    .tmp/                                files that are being written, of a folder alone

The contract:
- A file is named by its key and replaced whole, so a row written twice is the same row. A reader
  sees the old file or the new one, never a part: locally a temporary file, fsync and rename; in an
  object store one put of bytes that were complete before it began, and a look at what was got.
- Puts of one object are in order where the store can compare (sweep/store/buckets.py): one that a
  network delays is refused. Elsewhere a trial looks at its rows when it ends.
- A trial writes its own files, rows before checkpoint; the driver writes plan and heartbeat.
- A store with patience waits out what passes by itself (sweep/store/retry.py), commands that read
  and the service for 3 s; without, every failure is a StoreError at once.
- A row that breaks what the code relies on (sweep/store/validation.py) is left out by the service
  and the commands, by name and reason. Nobody believes the index for a file that has changed.
- Schemas (sweep/store/schemas.py) are explicit, and every file carries SCHEMA_VERSION.
"""

from __future__ import annotations

from sweep.store.reader import Reader, open
from sweep.store.store import Store, StoreError

__all__ = ["Reader", "Store", "StoreError", "open"]
