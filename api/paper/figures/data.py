"""The data of the paper's figures as far as the store has them: measured, nothing digitised."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.drawing import thinning
from api.drawing.spectra import SNAPSHOTS
from api.paper.figures.catalogue import VIEWS, FigureQuery, Selection, View
from api.reading import on_demand
from api.reading.snapshot import Row
from api.trials.queries import trial
from api.trials.series import Histogram
from api.web import words
from api.web.formats import schema_of
from api.web.nonfinite import Nonfinite, stored_fields
from sweep.paper.scores import score_name
from sweep.store.nonfinite import finite
from sweep.store.read_files import side_by_side
from sweep.store.store import Store, StoreError
from trainer.config.lookup import UsageError

# Scores that collapse with the modes, beside the distance.
SECOND_SCORES = ("inception_score", "modes")


def tables_of(view: View) -> Sequence[str]:
    return ("outputs",) if view.images else ("spectra", "evaluations")


def figure_files(view: View, rows: Iterable[Row]) -> list[str]:
    """Paths of the files that a figure of these trials is read from."""
    return on_demand.table_paths(rows, *tables_of(view))


def figure_data(
    store: Store,
    number: int,
    selection: Selection,
    query: FigureQuery,
    snapshot: str,
    versions: Mapping[str, str],
) -> FigureData:
    """Data of a figure, from which its picture is drawn too. Raises UsageError.

    `versions` are those of the figure's files.
    """
    view = VIEWS[number]
    trials, unread = figure_trials(store, view, selection.rows, query, versions)
    return FigureData(
        figure=number,
        shows=view.shows,
        profile=selection.profile,
        settings=selection.settings,
        trials=trials,
        missing=selection.missing | unread,
        snapshot=snapshot,
    )


def figure_trials(
    store: Store, view: View, rows: Iterable[Row], query: FigureQuery, versions: Mapping[str, str]
) -> tuple[list[FigureTrial], dict[str, str]]:
    """Each trial with its part of the figure; and why another has none. Raises UsageError."""

    def part(row: Row) -> FigureTrial | str:
        try:
            return _figure_trial(store, view, row, query, versions)
        except StoreError as error:
            return str(error)

    drawn_rows = list(rows)
    parts = side_by_side(store, part, drawn_rows)
    missing = {
        row["trial_id"]: reason
        for row, reason in zip(drawn_rows, parts, strict=True)
        if isinstance(reason, str)
    }
    return [trial for trial in parts if isinstance(trial, FigureTrial)], missing


def _figure_trial(
    store: Store, view: View, row: Row, query: FigureQuery, versions: Mapping[str, str]
) -> FigureTrial | str:
    """The trial with its part of the figure, or why it has none."""
    spectra = [] if view.images else _spectra(store, view, row, query, versions)
    histograms = _histograms(store, view, row, query) if view.images else []
    if not spectra and not histograms:
        return f"nothing in its {tables_of(view)[0]} yet"
    row_fields = {name: row[name] for name in FigureTrial.model_fields if name in row}
    return FigureTrial.model_validate(
        row_fields
        | {
            "score": score_name(row),
            "verdict": words.verdict(trial(row)),
            "spectra": spectra,
            "histograms": histograms,
        }
    )


def _spectra(
    store: Store, view: View, row: Row, query: FigureQuery, versions: Mapping[str, str]
) -> list[SpectrumAt]:
    trial_id = row["trial_id"]

    def choose(moments: Sequence[on_demand.Moment]) -> set[on_demand.Moment]:
        layers = _layers({layer for layer, _ in moments}, view, query, trial_id)
        iterations = _iterations({iteration for _, iteration in moments}, view, query, trial_id)
        return set(itertools.product(layers, iterations))

    spectra = on_demand.chosen_spectra(store, trial_id, choose, on_demand.SPECTRUM)
    score = score_name(row)
    version = versions[on_demand.table_path("evaluations", trial_id)]
    curve = on_demand.evaluations(store, trial_id, (score, *SECOND_SCORES), version)
    evaluations = {evaluation["iteration"]: evaluation for evaluation in curve}
    return [
        _spectrum_at(spectrum, evaluations.get(spectrum["iteration"], {}), score, query.points)
        for spectrum in spectra
    ]


def _layers(stored: Set[int], view: View, query: FigureQuery, trial_id: str) -> Iterable[int]:
    if query.layer is not None and stored and query.layer not in stored:
        raise UsageError(
            f"there is no layer {query.layer}: {trial_id} has layers 0 to {max(stored)}"
        )
    if query.layer is not None:
        return [query.layer]
    if view.layers == "all":
        return stored
    return [max(stored, default=0) if view.layer is None else view.layer]


def _iterations(stored: Set[int], view: View, query: FigureQuery, trial_id: str) -> Sequence[int]:
    """Iterations of those that are stored that the figure shows, oldest first."""
    iterations = sorted(stored)
    if query.iterations:
        rows = [{"iteration": iteration} for iteration in iterations]
        chosen = thinning.at_iterations(rows, query.iterations, trial_id)
        return [row["iteration"] for row in chosen]
    if view.moments == "last" or view.images:
        return iterations[-1:]
    if view.moments == "snapshots":
        return [iterations[k] for k in thinning.indices(len(iterations), SNAPSHOTS)]
    return iterations


def _spectrum_at(row: Row, evaluation: Mapping[str, Any], score: str, points: int) -> SpectrumAt:
    values = row["singular_values"] or []
    indices = thinning.indices(len(values), points)
    fields = {
        "iteration": row["iteration"],
        "layer": row["layer"],
        "distance": evaluation.get(score),
        **{name: evaluation.get(name) for name in SECOND_SCORES},
        "indices": indices,
        "singular_values": [values[k] for k in indices],
    }
    return SpectrumAt.model_validate(finite(fields))


def _histograms(store: Store, view: View, row: Row, query: FigureQuery) -> list[HistogramAt]:
    trial_id = row["trial_id"]
    rows = on_demand.outputs(store, trial_id, None, None, None)
    iterations = _iterations({output["iteration"] for output in rows}, view, query, trial_id)
    return [
        HistogramAt.model_validate(finite({k: v for k, v in output.items() if k != "trial_id"}))
        for output in rows
        if output["iteration"] in iterations
        and output["images"] in view.images
        and output["quantity"] in view.quantities
    ]


PARTS = {"spectra", "histograms"}


def part_rows(trials: Iterable[FigureTrial]) -> Iterator[dict[str, Any]]:
    """Rows of a table, one per spectrum or histogram."""
    for figure_trial in trials:
        trial_fields = figure_trial.model_dump(exclude=PARTS)
        for part in (*figure_trial.spectra, *figure_trial.histograms):
            yield trial_fields | stored_fields(part)


class SpectrumAt(BaseModel):
    """A layer's spectrum at an iteration, and the scores of the same evaluation."""

    iteration: int
    layer: int
    distance: float | None = Field(description="FID or FD-digits, as the trial's `score` says")
    inception_score: float | None
    modes: int | None
    indices: list[int] = Field(description="of the singular values that are given, from 0")
    singular_values: list[float | None] = Field(description="of W as D uses it, descending")
    nonfinite: Nonfinite = {}


class HistogramAt(Histogram):
    """D's outputs at an iteration."""


class FigureTrial(BaseModel):
    """A trial's part of a figure: spectra, or histograms in Figs. 9 to 11."""

    trial_id: str
    profile: str
    setting: str
    method: str
    i_ratio: float | None
    seed: int
    status: str
    parent: str | None
    parent_iteration: int | None
    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    score: Literal["fd_digits", "fid", "fd_pictures"]
    verdict: str = Field(description="in a sentence; of two collapses, which came first")
    spectra: list[SpectrumAt]
    histograms: list[HistogramAt]


class FigureData(BaseModel):
    """What was measured of what a figure of the paper shows; its own points are not given."""

    figure: int
    shows: str
    profile: str
    settings: list[str] = Field(description="asked for")
    trials: list[FigureTrial]
    missing: dict[str, str] = Field(description="why a setting or a trial is not there")
    snapshot: str


SPECTRA_SCHEMA = schema_of((FigureTrial, PARTS), (SpectrumAt, {"nonfinite"}))
OUTPUTS_SCHEMA = schema_of((FigureTrial, PARTS), (HistogramAt, {"nonfinite"}))
