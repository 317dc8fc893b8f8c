"""Puts a published sweep together: its pages, the data behind them, every trial, provenance."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from api.pages.assets import plotly_raw
from api.pages.rendering import render
from api.publish import provenance
from api.publish.builder import Builder
from api.publish.crate import crate
from api.publish.local_service import LocalService
from api.publish.part import SweepPart
from api.publish.scripts import page_script, paper_script
from api.reading import on_demand
from api.reading.snapshot import Row
from api.trials import dataset_facts, queries
from sweep.store.read_files import READ_ERRORS
from sweep.store.tables import parquet_of

TABLES = ("json", "csv", "parquet")
PAPER_DATA = {
    "table2": (*TABLES, "latex", "markdown"),
    "claims": TABLES,
    "fig8": TABLES,
    "fig12": TABLES,
    "survival": TABLES,
}
STYLES = ("style.css", "paper.css", "trial.css")
ENDINGS = {"latex": "tex", "markdown": "md"}
# B of a trial's grids of samples; the first and the last are there whatever they take.
SAMPLE_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to publish: when it was made, by which command, the licence of the results, and
    how many grids of samples a trial may have, None for what fits."""

    published_at: datetime
    command: str
    licence: str | None = None
    most_samples: int | None = None


async def build(
    part: SweepPart, folder: Path, request: Request, progress: Callable[[int, int], None]
) -> Builder:
    """Writes everything but the manifest; `progress` is told trials done and of how many.

    Raises StoreError if the store cannot be listed, and OSError if the folder cannot be written.
    """
    service = LocalService(part)
    builder = Builder(service=service, sweep=part.sweep, folder=folder)
    trial_ids = list(service.snapshot.ids)
    profiles = sorted({row["profile"] for row in service.snapshot.records.values()})
    _promise_pages(builder, profiles, trial_ids)
    await _save_data(builder, part)
    for done, trial_id in enumerate(trial_ids):
        progress(done, len(trial_ids))
        await _save_trial(builder, part, trial_id, request.most_samples)
    progress(len(trial_ids), len(trial_ids))
    for profile in profiles:
        await builder.save_page(f"/paper?profile={profile}")
    await builder.save_page(_sweep_page(part.sweep))
    facts = provenance.facts(service.snapshot, part.sweep, request.command, request.published_at)
    builder.write("environment.json", provenance.environment_json(facts))
    await _write_own_pages(builder, facts)
    _write_assets(builder)
    records = service.snapshot.records.values()
    builder.write("ro-crate-metadata.json", crate(folder, facts, request.licence, len(records)))
    return builder


def _sweep_page(sweep: str) -> str:
    return f"/view/sweeps/{quote(sweep)}"


def file_name(trial_id: str) -> str:
    """The trial's id as a name of files that any web host serves."""
    return re.sub(r"[^\w.-]", "_", trial_id)


def _promise_pages(builder: Builder, profiles: Sequence[str], trial_ids: Sequence[str]) -> None:
    for k, profile in enumerate(profiles):
        builder.promise(
            f"/paper?profile={profile}", "index.html" if k == 0 else f"paper-{profile}.html"
        )
    builder.promise("/paper", "index.html")
    builder.promise(_sweep_page(builder.sweep), "sweep.html")
    builder.promise(f"/view/trials?sweep={quote(builder.sweep)}", "trials.html")
    for trial_id in trial_ids:
        builder.promise(f"/view/trials/{quote(trial_id)}", f"trials/{file_name(trial_id)}.html")


async def _save_data(builder: Builder, part: SweepPart) -> None:
    for name, formats in PAPER_DATA.items():
        for format in formats:
            address = f"/{name}" if format == "json" else f"/{name}?format={format}"
            await builder.save(address, f"data/{name}.{ENDINGS.get(format, format)}")
    sweep = quote(builder.sweep)
    await builder.save(f"/sweeps/{sweep}", "data/sweep.json")
    await builder.save(f"/sweeps/{sweep}/matrix?format=csv", "data/matrix.csv")
    for format in ("csv", "parquet"):
        await builder.save(f"/results?sweep={sweep}&format={format}", f"data/trials.{format}")
    evaluations = []
    for trial_id in builder.service.snapshot.ids:
        try:
            evaluations.append(part.read_table("evaluations", trial_id))
        except READ_ERRORS as error:
            builder.left_out[f"evaluations/{trial_id}.parquet"] = str(error)
    tables = [table for table in evaluations if table is not None]
    if tables:
        table = pa.concat_tables(tables)
        builder.write("data/evaluations.parquet", parquet_of(table))


async def _save_trial(
    builder: Builder, part: SweepPart, trial_id: str, most_samples: int | None
) -> None:
    address, folder = f"/trials/{quote(trial_id)}", f"trials/{file_name(trial_id)}"
    await builder.save(address, f"{folder}/trial.json")
    has_begun = builder.service.snapshot.records[trial_id]["status"] != "planned"
    for table, format in [
        ("evaluations", "csv"),
        ("spectra", "parquet"),
        ("outputs", "parquet"),
    ]:
        if has_begun:
            await builder.save(f"{address}/{table}?format={format}", f"{folder}/{table}.{format}")
    samples = published_samples(part, trial_id, most_samples)
    for iteration in samples:
        await builder.save(f"{address}/samples/{iteration}", f"{folder}/samples/{iteration}.png")
    await builder.save_page(f"/view/trials/{quote(trial_id)}", samples)


def published_samples(part: SweepPart, trial_id: str, most: int | None) -> list[int]:
    """Iterations whose grids are published: evenly spread ones, the first and the last among them.

    As many as SAMPLE_BYTES hold, or `most` if it is given.
    """
    iterations = on_demand.sample_iterations(part, trial_id)
    if most is None:
        sizes = [file.size for file in part.list(f"samples/{trial_id}")]
        most = SAMPLE_BYTES // max(sizes, default=1)
    return evenly(iterations, max(2, most))


def evenly(values: Sequence[int], most: int) -> list[int]:
    """Picks at most so many of the values, evenly spread from the first to the last."""
    if len(values) <= most:
        return list(values)
    places = sorted({round(k * (len(values) - 1) / (most - 1)) for k in range(most)})
    return [values[place] for place in places]


async def _write_own_pages(builder: Builder, facts: provenance.Facts) -> None:
    snapshot = builder.service.snapshot
    trials = [queries.trial(row) for row in _in_order(list(snapshot.records.values()))]
    rows = [(trial, dataset_facts.score_of(trial)) for trial in trials]
    listed = render("published_trials.html", rows=rows, sweep=builder.sweep)
    await builder.write_page("trials.html", listed)
    page = render("published_provenance.html", facts=facts, left_out=builder.left_out)
    await builder.write_page("provenance.html", page)


def _in_order(records: list[Row]) -> list[Row]:
    return sorted(records, key=lambda r: (r["setting"], r["method"], r["i_ratio"] or 0, r["seed"]))


def _write_assets(builder: Builder) -> None:
    static = resources.files("api.pages") / "static"
    for name in (*STYLES, "icon.svg"):
        builder.write(f"assets/{name}", (static / name).read_bytes())
    builder.write("assets/page.js", page_script().encode())
    builder.write("assets/paper.js", paper_script().encode())
    builder.write(builder.plotly, plotly_raw())
