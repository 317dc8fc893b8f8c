"""Trackio: a project for a sweep in a local folder, a run for each trial.

Every row that Trackio keeps may have an id, of which it keeps one row: made of trial and iteration
it lets a repeated row be ignored. NaN and infinity become its texts for them.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweep.mirrors.histograms import histogram, not_finite
from sweep.mirrors.runs import Point, Run
from sweep.mirrors.tracker import Away
from trainer.config.lookup import UsageError

PACKAGES = ("trackio",)
FOLDER = "TRACKIO_DIR"


@dataclass(slots=True)
class Trackio:
    """A project in Trackio's database, which several processes may write."""

    project: str
    folder: Path
    # Held open: the last connection that is closed writes the whole log into the database, which
    # takes two thirds of the time of a run.
    _connection: sqlite3.Connection | None = None

    @property
    def place(self) -> str:
        return f"{self.folder} project {self.project}"

    def send(
        self, run: Run, points: Sequence[Point], run_id: str | None, *, in_doubt: bool
    ) -> str:
        """Writes all rows in one transaction. Doubt makes no difference: rows have ids."""
        storage = _module("sqlite_storage").SQLiteStorage
        rows = list(self._rows(run, points))
        try:
            storage.bulk_log(
                self.project,
                run.trial_id,
                [values for _, _, _, values in rows],
                steps=[step for _, step, _, _ in rows],
                timestamps=[_iso(when) for _, _, when, _ in rows],
                log_ids=[f"{run.trial_id}:{name}" for name, _, _, _ in rows],
                config=_configuration(run),
                run_id=run.trial_id,
            )
            if self._connection is None:
                self._connection = sqlite3.connect(storage.get_project_db_path(self.project))
                self._connection.execute("SELECT 1 FROM metrics LIMIT 1").fetchall()
        except (sqlite3.Error, OSError) as error:
            raise Away(f"cannot write {run.trial_id}: {error}") from error
        return run.trial_id

    def _rows(
        self, run: Run, points: Sequence[Point]
    ) -> Iterator[tuple[str, int, float, dict[str, Any]]]:
        """By name of a row its step, time and values. The first one lets a run exist that has no
        point yet, since Trackio takes no configuration alone."""
        yield "begin", 0, run.started_at, {"trial_id": run.trial_id}
        for point in points:
            values = {**point.scalars, **dict(_spectra(point))}
            if point.sample is not None:
                values["samples"] = self._picture(run, point)
            yield str(point.iteration), point.iteration, point.time, values
        if run.end_scores:
            yield f"end {run.iteration}", run.iteration, run.measured_at, dict(run.end_scores)

    def _picture(self, run: Run, point: Point) -> dict[str, Any]:
        """Writes the sample where Trackio keeps pictures; a repeated one replaces itself."""
        utilities = _module("media.utils")
        folder = utilities.get_project_media_path(
            project=self.project, run=run.trial_id, step=point.iteration
        )
        assert point.sample is not None
        path = Path(folder) / "samples.png"
        path.write_bytes(point.sample)
        stored = path.relative_to(_module("utils").MEDIA_DIR)
        return {"_type": "trackio.image", "file_path": str(stored), "caption": None}

    def close(self) -> None:
        """Closes the database."""
        if self._connection is not None:
            self._connection.close()


def opened(address: str | None, sweep: str) -> Trackio:
    """The project of a sweep in Trackio's folder. Raises UsageError for what is no folder."""
    if address and "://" in address:
        raise UsageError(
            f"Trackio's projects are written to a folder, not to {address!r}; `trackio sync` "
            "takes them to a Space"
        )
    if address:
        # Read when the package is imported.
        os.environ[FOLDER] = str(Path(address).expanduser().absolute())
    folder = Path(_module("utils").TRACKIO_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from error
    return Trackio(re.sub(r"[^\w-]", "-", sweep), folder)


def _module(name: str) -> Any:
    """A part of the package, which is installed where somebody asks for it alone."""
    return importlib.import_module(f"trackio.{name}")


def _spectra(point: Point) -> Iterator[tuple[str, Any]]:
    make = _module("histogram").Histogram
    for layer, values in point.spectra.items():
        bins = histogram(values)
        if bins is not None:
            yield f"spectrum/layer_{layer}", make(np_histogram=bins)._to_dict()
        if count := not_finite(values):
            yield f"spectrum_not_finite/layer_{layer}", count


def _configuration(run: Run) -> dict[str, Any]:
    parameters = {
        name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for name, value in run.parameters.items()
    }
    about = {"_Created": _iso(run.started_at), "_Group": run.tags["status"]}
    return {**parameters, **run.tags, "name": run.name, **about}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
