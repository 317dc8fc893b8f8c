"""Pickers of a figure: short lists of settings, methods and seeds, not of trials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from api.drawing.look import in_order
from api.paper.figures.catalogue import VIEWS
from api.paper.page_figures import Plate
from api.reading.snapshot import Row
from api.trials.dataset_facts import layer_count, layer_names
from trainer.config.settings import SETTINGS, USUAL_LAYERS

# Seeds in a list; another one can still be asked for in the address.
MOST_SEEDS = 40
# Figures of single runs that say little of one that did not collapse.
ABOUT_COLLAPSE = ("fig5", "fig7", "fig14")
SAFE = re.compile(r"[A-Za-z0-9_.-]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A labelled list of (value, what it says), and the value that is picked."""

    name: str
    options: Sequence[tuple[str, str]]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Kinds of a profile's trials, each once, and the settings that a figure can show."""

    settings: Sequence[str]
    collapsed: Sequence[str]
    rescued: Sequence[str]
    lifted: Sequence[str]
    methods: Sequence[str]
    ratios: Sequence[float]
    seeds: Sequence[int]
    layers: int


def kinds(trials: Iterable[Row]) -> Kinds:
    """Kinds of the trials of a profile that have begun."""
    rows = [row for row in trials if row["setting"] in SETTINGS]
    ratios: dict[str, set[float]] = {}
    for row in rows:
        if row["i_ratio"] is not None:
            ratios.setdefault(row["setting"], set()).add(row["i_ratio"])
    depths = {layer_count(dataset) for dataset in {row["dataset"] for row in rows}}
    return Kinds(
        settings=_in_table({row["setting"] for row in rows}),
        collapsed=_in_table({row["setting"] for row in rows if _sn_fell(row)}),
        rescued=_in_table({row["setting"] for row in rows if row["parent"] is not None}),
        lifted=sorted(_in_table(set(ratios)), key=lambda setting: -len(ratios[setting])),
        methods=in_order({row["method"] for row in rows}),
        ratios=sorted({ratio for setting_ratios in ratios.values() for ratio in setting_ratios}),
        seeds=sorted({row["seed"] for row in rows}),
        layers=max(depths, default=USUAL_LAYERS),
    )


def _sn_fell(row: Row) -> bool:
    return row["method"] == "sn" and row["mode_collapse_at"] is not None


def _in_table(settings: set[str]) -> list[str]:
    return [setting for setting in SETTINGS if setting in settings]


def choices(plate: Plate, kinds_run: Kinds, picks: Mapping[str, str]) -> list[Choice]:
    """Choices of a figure; `picks` has what the page's address picks, as `fig5.setting`."""
    lists = []
    for name in plate.picks:
        options, usual = _options(plate, name, kinds_run)
        value = picks.get(f"{plate.id}.{name}", usual)
        if value not in dict(options) and SAFE.fullmatch(value):
            options = [*options, (value, value)]
        lists.append(Choice(name=name, options=options, value=value))
    return lists


def _options(plate: Plate, name: str, kinds_run: Kinds) -> tuple[list[tuple[str, str]], str]:
    """(value, label) of each, and the value that is picked if the address has none."""
    if name == "setting" and plate.id == "rivals":
        names = [(setting, setting) for setting in kinds_run.settings]
        return [("", "the one with most pairs"), *names], ""
    if name == "setting":
        own = _own_setting(plate)
        order = _settings(plate, kinds_run)
        # The paper's own if it shows what the figure is about here too, else the first that does.
        telling = (
            kinds_run.collapsed if plate.id in ABOUT_COLLAPSE and kinds_run.collapsed else order
        )
        usual = own if own in telling or not telling else telling[0]
        names = sorted({*order, usual}, key=[*SETTINGS].index)
        return [(n, f"{n} (the paper's)" if n == own else n) for n in names], usual
    if name == "group":
        groups = sorted({setting.group for setting in SETTINGS.values()})
        return [("", "all"), *((group, group) for group in groups)], ""
    if name == "method":
        return [(method, method) for method in kinds_run.methods], next(
            iter(kinds_run.methods), ""
        )
    if name == "i_ratio":
        return [("", "any"), *((f"{i:g}", f"{i:g} r") for i in kinds_run.ratios)], ""
    if name == "seed":
        return [("", "lowest"), *((f"{s}", f"{s}") for s in kinds_run.seeds[:MOST_SEEDS])], ""
    own = "layer_0" if plate.id == "fig4" else "last"
    return [
        ("", own),
        *((str(k), label) for k, label in layer_names(kinds_run.layers).items()),
    ], ""


def _own_setting(plate: Plate) -> str:
    number = int(re.sub(r"\D", "", plate.path) or 0)
    return VIEWS[number].settings[0] if number in VIEWS else "A_128-128"


def _settings(plate: Plate, kinds_run: Kinds) -> Sequence[str]:
    """Settings that the figure can show, the ones that say most first."""
    if plate.id == "fig6":
        return kinds_run.rescued
    if plate.id in ("fig8", "fig9", "fig10", "fig11"):
        return kinds_run.lifted
    return [*kinds_run.collapsed, *(s for s in kinds_run.settings if s not in kinds_run.collapsed)]


def address(plate: Plate, profile: str, figure_choices: Sequence[Choice]) -> str:
    """Address of the figure as it is picked, below `/figures/`."""
    picks = {choice.name: choice.value for choice in figure_choices if choice.value}
    return f"{plate.path}?{urlencode({'profile': profile} | picks)}"
