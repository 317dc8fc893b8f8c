"""The page on which the paper's tables and figures stand beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from api import comparison, figures, queries
from api.caching import conditional
from api.figures import in_order
from api.filters import Filters, matching
from api.models import Trial
from api.parameters import Now, Serving
from api.rendering import page
from sweep.paper import TABLE_II
from trainer.settings import METHODS, SETTINGS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/paper")
def paper(
    request: Request,
    snapshot: Now,
    service: Serving,
    profile: Annotated[str | None, Query()] = None,
) -> Response:
    """Table II, Fig. 5 and Fig. 8: published and measured."""
    conditional(request, snapshot.id, "text/html")
    rows = comparison.setting_scores(snapshot, service.curves)
    profiles = sorted({p for row in rows for p in row.measured})
    shown = profile if profile in profiles else next(iter(profiles), "digits")
    of_profile = [row.measured[shown] for row in rows if shown in row.measured]
    trials = [
        queries.trial(record)
        for record in matching(snapshot, Filters(profile=[shown]))
        if record["status"] != "planned"
    ]
    return page(
        request, "paper.html", rows=rows, profile=shown, profiles=profiles,
        methods=in_order(m for methods in of_profile for m in methods),
        trials=sorted(trials, key=_story_first), fig8_settings=_by_number_of_i(trials),
        layers=_layers_of(trials), measured=len(of_profile), groups=_groups(),
    )  # fmt: skip


def _story_first(trial: Trial) -> tuple[bool, str, int, str]:
    """Runs in which something collapsed come first: they are what Fig. 5 is about."""
    healthy = trial.mode_collapse_at is None and trial.spectral_collapse_at is None
    return healthy, trial.setting, in_order([*METHODS]).index(trial.method), trial.trial_id


def _layers_of(trials: Sequence[Trial]) -> Mapping[int, str]:
    """The layers of the deepest of the discriminators: which are 1x1 differs between them."""
    return max((figures.layers(trial) for trial in trials), key=len, default={})


def _by_number_of_i(trials: Sequence[Trial]) -> list[str]:
    """Rows of Table I with a lifted trial, those with the most values of i first."""
    ratios: dict[str, set[float]] = {}
    for one in trials:
        if one.i_ratio is not None and one.setting in SETTINGS:
            ratios.setdefault(one.setting, set()).add(one.i_ratio)
    return sorted(ratios, key=lambda setting: -len(ratios[setting]))


def _groups() -> dict[str, str]:
    return {setting: SETTINGS[setting].group for setting in TABLE_II}
