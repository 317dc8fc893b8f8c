"""What can be picked in a figure: short lists of what the trials are, not of the trials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from api.drawing.look import in_order
from api.paper.figures.catalogue import VIEWS
from api.paper.page_figures import Plate
from api.reading.snapshot import Row
from api.trials.dataset_facts import USUAL_LAYERS, layer_count, layer_names
from trainer.config.settings import SETTINGS

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
    """What a profile's trials are, each kind once, and which settings a figure can show."""

    settings: Sequence[str]
    collapsed: Sequence[str]
    rescued: Sequence[str]
    lifted: Sequence[str]
    methods: Sequence[str]
    ratios: Sequence[float]
    seeds: Sequence[int]
    layers: int


def kinds(trials: Iterable[Row]) -> Kinds:
    """Of the trials of a profile that have begun."""
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
        ratios=sorted({ratio for of in ratios.values() for ratio in of}),
        seeds=sorted({row["seed"] for row in rows}),
        layers=max(depths, default=USUAL_LAYERS),
    )


def _sn_fell(row: Row) -> bool:
    return row["method"] == "sn" and row["mode_collapse_at"] is not None


def _in_table(settings: set[str]) -> list[str]:
    return [setting for setting in SETTINGS if setting in settings]


def choices(plate: Plate, known: Kinds, asked: Mapping[str, str]) -> list[Choice]:
    """Those of a figure; `asked` has what the page's address picks, as `fig5.setting`."""
    found = []
    for name in plate.picks:
        options, usual = _options(plate, name, known)
        value = asked.get(f"{plate.id}.{name}", usual)
        if value not in dict(options) and SAFE.fullmatch(value):
            options = [*options, (value, value)]
        found.append(Choice(name=name, options=options, value=value))
    return found


def _options(plate: Plate, name: str, known: Kinds) -> tuple[list[tuple[str, str]], str]:
    """(value, label) of each, and the value that is picked if the address has none."""
    if name == "setting":
        own = _own_setting(plate)
        order = _settings(plate, known)
        # The paper's own if it shows what the figure is about here too, else the first that does.
        telling = known.collapsed if plate.id in ABOUT_COLLAPSE and known.collapsed else order
        usual = own if own in telling or not telling else telling[0]
        names = sorted({*order, usual}, key=[*SETTINGS].index)
        return [(n, f"{n} (the paper's)" if n == own else n) for n in names], usual
    if name == "group":
        groups = sorted({setting.group for setting in SETTINGS.values()})
        return [("", "all"), *((group, group) for group in groups)], ""
    if name == "method":
        return [(method, method) for method in known.methods], next(iter(known.methods), "")
    if name == "i_ratio":
        return [("", "any"), *((f"{i:g}", f"{i:g} r") for i in known.ratios)], ""
    if name == "seed":
        return [("", "lowest"), *((f"{s}", f"{s}") for s in known.seeds[:MOST_SEEDS])], ""
    own = "layer_0" if plate.id == "fig4" else "last"
    return [("", own), *((str(k), says) for k, says in layer_names(known.layers).items())], ""


def _own_setting(plate: Plate) -> str:
    number = int(re.sub(r"\D", "", plate.path) or 0)
    return VIEWS[number].settings[0] if number in VIEWS else "A_128-128"


def _settings(plate: Plate, known: Kinds) -> Sequence[str]:
    """Settings that the figure can show, the ones that say most first."""
    if plate.id == "fig6":
        return known.rescued
    if plate.id in ("fig8", "fig9", "fig10", "fig11"):
        return known.lifted
    return [*known.collapsed, *(s for s in known.settings if s not in known.collapsed)]


def address(plate: Plate, profile: str, chosen: Sequence[Choice]) -> str:
    """Of the figure as it is picked, below `/figures/`."""
    picks = {choice.name: choice.value for choice in chosen if choice.value}
    return f"{plate.path}?{urlencode({'profile': profile} | picks)}"
