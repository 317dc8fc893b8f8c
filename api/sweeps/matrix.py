"""A sweep as a matrix: settings by methods, every seed in its cell."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.reading.memo import memoise_by_rows
from api.reading.snapshot import Row
from api.sweeps.models import Cell, Column, Seed
from api.web.formats import schema_of
from api.web.nonfinite import stored_fields, trusted
from sweep.paper.scores import sample_sd, score_name
from sweep.store.nonfinite import finite
from sweep.store.vocabulary import FINISHED
from trainer.config.settings import METHODS, SETTINGS

# Profile, setting, data set, method, i and the share of the training images.
Key = tuple[str, str, str, str, float | None, float | None]
KEY = ("profile", "setting", "dataset", "method", "i_ratio", "data_share")


def cells(records: Sequence[Row]) -> list[Cell]:
    """Cells by profile, then in the order of Table I and of the methods; i and share ascending."""
    by_key: dict[Any, list[Row]] = {}
    for row in records:
        key = tuple(row[name] for name in KEY)
        by_key.setdefault(key, []).append(row)
    return [_cell(by_key[key], key) for key in sorted(by_key, key=_place)]


def columns_of(matrix_cells: Sequence[Cell]) -> list[Column]:
    """The columns that the cells fill, in order."""
    kinds = {(cell.method, cell.i_ratio, cell.data_share) for cell in matrix_cells}
    ordered = sorted(kinds, key=lambda kind: _place(("", "", "", *kind)))
    return [
        Column(method=method, i_ratio=i_ratio, data_share=share)
        for method, i_ratio, share in ordered
    ]


def _place(key: Key) -> tuple[str, int, str, str, int, str, float, float]:
    profile, setting, dataset, method, i_ratio, data_share = key
    i = -1.0 if i_ratio is None else i_ratio
    share = 1.0 if data_share is None else data_share
    row, column = _index_in(SETTINGS, setting), _index_in(METHODS, method)
    return profile, row, setting, dataset, column, method, i, share


def _index_in(table: Mapping[str, object], name: str) -> int:
    return list(table).index(name) if name in table else len(table)


@memoise_by_rows(size=2048)
def _cell(rows: Sequence[Row], key: Key) -> Cell:
    score = score_name(rows[0])
    best = [
        value
        for row in rows
        if row["status"] in FINISHED and (value := row[f"best_{score}"]) is not None
    ]
    fields = {
        **dict(zip(KEY, key, strict=True)),
        "score": rows[0].get("score") or score,
        "n": len(best),
        "mean": statistics.fmean(best) if best else None,
        "sd": sample_sd(best) if len(best) > 1 else None,
    }
    seeds = [_seed(row, score) for row in sorted(rows, key=lambda r: (r["seed"], r["trial_id"]))]
    return Cell.model_validate(finite(fields) | {"seeds": seeds})


def _seed(row: Row, score: str) -> Seed:
    fields = {name: row[name] for name in Seed.model_fields if name in row}
    return trusted(Seed, finite(fields | {"best": row[f"best_{score}"]}))


CELL_ONLY = {"seeds", "nonfinite", "n", "mean", "sd"}
TRIAL_SCHEMA = schema_of((Cell, CELL_ONLY), (Seed, {"nonfinite"}))


def trial_rows(matrix_cells: Sequence[Cell]) -> Iterator[dict[str, Any]]:
    """Rows of a table, one per trial."""
    for cell in matrix_cells:
        cell_fields = cell.model_dump(exclude=CELL_ONLY)
        for seed in cell.seeds:
            yield cell_fields | stored_fields(seed)
