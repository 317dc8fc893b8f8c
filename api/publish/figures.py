"""Figures of a published page: every choice that its forms leave, packed into one script each."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from api.publish.local_service import with_query
from api.publish.markup import Element

# Answers of a figure: what can be picked of more than these keeps its first value.
MOST_ANSWERS = 32


@dataclass(frozen=True, slots=True)
class Pick:
    """A list to choose from: the name of the parameter, its values, and the one that is picked."""

    name: str
    values: Sequence[str]
    value: str


@dataclass(slots=True)
class PublishedFigure:
    """A figure of a page: its address at the service, and what can be picked of it."""

    id: str
    path: str
    query: Mapping[str, str]
    picks: Sequence[Pick] = ()
    # Of each choice, by its key: the service's answer, and the files behind it by format.
    answers: dict[str, tuple[bytes, Mapping[str, str]]] = field(default_factory=dict)

    def choices(self) -> Iterator[tuple[str, str]]:
        """The key and the address at the service of every combination of what can be picked."""
        names = [pick.name for pick in self.picks]
        for values in itertools.product(*(pick.values for pick in self.picks)):
            choice = dict(zip(names, values, strict=True))
            yield choice_key(choice), with_query(self.path, {**self.query, **choice})

    @property
    def usual_key(self) -> str:
        return choice_key({pick.name: pick.value for pick in self.picks})

    def script(self, name: str) -> bytes:
        """The script that hands the answers, each the very bytes that the service gave."""
        content = {
            "picks": [pick.name for pick in self.picks],
            "answers": {
                key: {"packed": _packed(body), "files": files}
                for key, (body, files) in self.answers.items()
            },
        }
        return f"published({json.dumps(name)}, {json.dumps(content)});\n".encode()


def _packed(body: bytes) -> str:
    return base64.b64encode(gzip.compress(body, 6, mtime=0)).decode()


def unpacked(text: str) -> bytes:
    """The bytes of an answer in a figure's script."""
    return gzip.decompress(base64.b64decode(text))


def choice_key(choice: Mapping[str, str]) -> str:
    """The key of a choice, as the page's script makes it."""
    return "&".join(f"{name}={value}" for name, value in sorted(choice.items()) if value)


def figures_of(page: Element) -> list[PublishedFigure]:
    """The figures of a page. What its forms let a reader pick is bounded by MOST_ANSWERS."""
    picks: dict[str, list[Pick]] = {}
    for form in page.find("form"):
        own_picks = _bounded(_picks(form))
        for figure_id in form.get("data-drives").split():
            picks[figure_id] = own_picks
    figures = []
    for element in page.find("figure"):
        if "data-figure" not in element.attributes:
            continue
        address = urlsplit(element.get("data-figure"))
        own = picks.get(element.get("id"), [])
        names = {pick.name for pick in own}
        query = {k: v for k, v in parse_qsl(address.query) if k not in names}
        figures.append(PublishedFigure(element.get("id"), address.path, query, own))
    return figures


def _picks(form: Element) -> list[Pick]:
    picks = []
    for select in form.find("select"):
        options = list(select.find("option"))
        values = [option.get("value") for option in options]
        selected = [option.get("value") for option in options if "selected" in option.attributes]
        if values:
            picks.append(Pick(select.get("name"), values, (selected or values)[0]))
    return picks


def _bounded(picks: Sequence[Pick]) -> list[Pick]:
    bounded, answers = [], 1
    for pick in picks:
        if answers * len(pick.values) <= MOST_ANSWERS:
            bounded.append(pick)
            answers *= len(pick.values)
    return bounded
