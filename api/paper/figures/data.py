"""The data of the paper's figures as far as the store has them: measured, nothing digitised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.drawing import thinning
from api.paper.figures.catalogue import VIEWS, Asked, Chosen, View
from api.reading import on_demand
from api.reading.snapshot import Row
from api.trials.queries import trial
from api.trials.series import Histogram
from api.web import words
from api.web.formats import schema_of
from api.web.nonfinite import Nonfinite, finite
from sweep.paper.scores import score_name
from sweep.store.store import Store, StoreError
from trainer.config.lookup import UsageError

# Curves of a spectrum in one picture: the paper has about as many.
SNAPSHOTS = 6


def tables_of(view: View) -> Sequence[str]:
    return ("outputs",) if view.images else ("spectra", "evaluations")


def version(store: Store, view: View, rows: Iterable[Row]) -> str:
    """Changes with the files that a figure of these trials is read from."""
    return " ".join(
        on_demand.stamp(store, on_demand.table_path(table, row["trial_id"]))
        for row in rows
        for table in tables_of(view)
    )


def figure(store: Store, number: int, chosen: Chosen, asked: Asked, snapshot: str) -> FigureData:
    """What is measured of it, which its picture is drawn of too. Raises UsageError."""
    view = VIEWS[number]
    trials, unread = figure_trials(store, view, chosen.rows, asked)
    return FigureData(
        figure=number,
        shows=view.shows,
        profile=chosen.profile,
        settings=chosen.settings,
        trials=trials,
        missing=chosen.missing | unread,
        snapshot=snapshot,
    )


def figure_trials(
    store: Store, view: View, rows: Iterable[Row], asked: Asked
) -> tuple[list[FigureTrial], dict[str, str]]:
    """Each trial with its part of the figure; and why another has none. Raises UsageError."""
    shown, missing = [], {}
    for row in rows:
        try:
            spectra = [] if view.images else _spectra(store, view, row, asked)
            histograms = _histograms(store, view, row, asked) if view.images else []
        except StoreError as error:
            missing[row["trial_id"]] = str(error)
            continue
        if not spectra and not histograms:
            missing[row["trial_id"]] = f"nothing in its {tables_of(view)[0]} yet"
            continue
        about = {name: row[name] for name in FigureTrial.model_fields if name in row}
        shown.append(
            FigureTrial.model_validate(
                about
                | {
                    "score": score_name(row),
                    "verdict": words.verdict(trial(row)),
                    "spectra": spectra,
                    "histograms": histograms,
                }
            )
        )
    return shown, missing


def _spectra(store: Store, view: View, row: Row, asked: Asked) -> list[SpectrumAt]:
    rows = on_demand.spectra(store, row["trial_id"], None)
    layers = sorted({one["layer"] for one in rows})
    if asked.layer is not None and layers and asked.layer not in layers:
        raise UsageError(
            f"there is no layer {asked.layer}: {row['trial_id']} has layers 0 to {layers[-1]}"
        )
    if asked.layer is not None or view.layers == "one":
        own = view.layer if view.layer is not None else max(layers, default=0)
        layers = [own if asked.layer is None else asked.layer]
    chosen = _moments(rows, view, asked, row["trial_id"])
    curve = {one["iteration"]: one for one in on_demand.evaluations(store, row["trial_id"])}
    return [
        _spectrum_at(one, curve.get(one["iteration"], {}), score_name(row), asked.points)
        for one in chosen
        if one["layer"] in layers
    ]


def _moments(rows: Sequence[Row], view: View, asked: Asked, trial_id: str) -> list[Row]:
    if asked.iterations:
        return thinning.at_iterations(rows, asked.iterations, trial_id)
    known = sorted({row["iteration"] for row in rows})
    if view.when == "last" or view.images:
        known = known[-1:]
    elif view.when == "snapshots":
        known = [known[k] for k in thinning.indices(len(known), SNAPSHOTS)]
    return [row for row in rows if row["iteration"] in known]


def _spectrum_at(row: Row, evaluation: Mapping[str, Any], score: str, points: int) -> SpectrumAt:
    values = row["singular_values"] or []
    at = thinning.indices(len(values), points)
    fields = {
        "iteration": row["iteration"],
        "layer": row["layer"],
        "distance": evaluation.get(score),
        **{name: evaluation.get(name) for name in ("inception_score", "modes")},
        "indices": at,
        "singular_values": [values[k] for k in at],
    }
    return SpectrumAt.model_validate(finite(fields))


def _histograms(store: Store, view: View, row: Row, asked: Asked) -> list[HistogramAt]:
    rows = on_demand.outputs(store, row["trial_id"], None, None, None)
    return [
        HistogramAt.model_validate(finite({k: v for k, v in one.items() if k != "trial_id"}))
        for one in _moments(rows, view, asked, row["trial_id"])
        if one["images"] in view.images and one["quantity"] in view.quantities
    ]


PARTS = {"spectra", "histograms"}


def flat(trials: Iterable[FigureTrial]) -> Iterator[dict[str, Any]]:
    """A line per spectrum or histogram."""
    for one in trials:
        about = one.model_dump(exclude=PARTS)
        for part in (*one.spectra, *one.histograms):
            yield about | part.model_dump(exclude={"nonfinite"})


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
    score: Literal["fd_digits", "fid"]
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


FLAT_SPECTRA = schema_of((FigureTrial, PARTS), (SpectrumAt, {"nonfinite"}))
FLAT_OUTPUTS = schema_of((FigureTrial, PARTS), (HistogramAt, {"nonfinite"}))
