"""How a store's cost grows with its trials, and a trial's with its evaluations.

Expected is the first power of either, and the second for all that a trial writes: after each
evaluation its files are replaced whole.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import store
from curves import Curve, power
from drawn import curve, outputs, spectra, table_of
from timing import medians, seconds

from sweep import ls, status
from sweep.store import reader
from sweep.store.store import Store
from sweep.store.tables import pylist
from trainer.config.trial import trial_config

# Trials of a store above which a look takes so many seconds that one is enough.
ONCE_FROM = 1000
EVALUATIONS = (10, 50, 200)
Tables = Mapping[str, list[dict[str, Any]]]
CURVES = ("evaluations", "spectra", "outputs")


def by_trials(folder: Path, sizes: Sequence[int], repetitions: int) -> list[Curve]:
    """Stores of rows alone: what shows how sweeps stand reads nothing else."""
    times: dict[str, list[float]] = {}
    for size in sizes:
        root = folder / f"{size}"
        store.write(root, size, 0, curves=(), odd=False)
        parts = {
            "sweep.status": partial(_quietly, status.main, root),
            "sweep.ls": partial(_quietly, ls.main, root),
            "reading rows": lambda root=root: list(reader.open(root).results()),
        }
        for what, taken in _times(parts, repetitions, once=size > ONCE_FROM).items():
            times.setdefault(what, []).append(taken)
    return [
        Curve(axis="trials", what=what, unit="s", sizes=sizes, cost=cost,
              expected=power(sizes, 1))
        for what, cost in times.items()
    ]  # fmt: skip


def _times(
    parts: Mapping[str, Callable[[], object]], repetitions: int, *, once: bool
) -> dict[str, float]:
    if once:
        return {what: seconds(part) for what, part in parts.items()}
    return medians(parts, repetitions)


def _quietly(command: Callable[[list[str]], int], root: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        command(["--results", str(root)])


def by_evaluations(folder: Path, repetitions: int) -> list[Curve]:
    """Of one trial of width 64, ten layers: its curve, all spectra, D's histograms."""
    held = Store(folder / "trial")
    rows = {n: _rows(n) for n in EVALUATIONS}
    sizes, writes, reads = [], {}, {}
    for n in EVALUATIONS:
        _write(held, n, rows[n])
        sizes.append(sum(_file(held, table, n).stat().st_size for table in CURVES) / 1e3)
        writes[str(n)] = partial(_write, held, n, rows[n])
        reads[str(n)] = partial(_read, held, n)
    written, read = medians(writes, 3 * repetitions), medians(reads, 3 * repetitions)
    whole = [seconds(partial(_write_all, held, n, rows[n])) for n in EVALUATIONS]
    costs = {
        ("size", "KB"): (sizes, 1),
        ("writing once", "s"): ([*written.values()], 1),
        ("reading", "s"): ([*read.values()], 1),
        ("all writing", "s"): (whole, 2),
    }
    return [
        Curve(axis="evaluations", what=what, unit=unit, sizes=EVALUATIONS, cost=cost,
              expected=power(EVALUATIONS, exponent))
        for (what, unit), (cost, exponent) in costs.items()
    ]  # fmt: skip


def _rows(n: int) -> Tables:
    config, rng = trial_config("digits", "B_64-64", "sn", 0), np.random.default_rng(0)
    line = curve(config, n, None, rng)
    drawn = {"evaluations": line, "spectra": spectra(config, line, rng),
             "outputs": outputs(line, rng)}  # fmt: skip
    return {table: pylist(table_of(table, config.trial_id, drawn[table])) for table in CURVES}


def _write(held: Store, n: int, rows: Tables) -> None:
    for table, each in rows.items():
        held.write_rows(table, f"of-{n}", each)


def _write_all(held: Store, n: int, rows: Tables) -> None:
    """After each evaluation all rows so far."""
    for k in range(1, n + 1):
        _write(held, n, {table: each[: k * len(each) // n] for table, each in rows.items()})


def _read(held: Store, n: int) -> None:
    for name in CURVES:
        held.read_rows(name, f"of-{n}")


def _file(held: Store, table: str, n: int) -> Path:
    return Path(held.root) / table / f"of-{n}.parquet"
