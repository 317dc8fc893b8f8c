"""Writes answers of the service into a folder: files, pages, and the figures on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from api.pages.rendering import PLOTLY_VERSION
from api.publish import markup
from api.publish.figures import PublishedFigure, figures_of
from api.publish.local_service import LocalService
from api.publish.pages import Site, published_page
from api.web.in_process import Answer

# Their figures are named as they are there; those of other pages after their page.
MAIN_PAGES = ("index.html", "sweep.html")


@dataclass(slots=True, kw_only=True)
class Builder:
    """Writes answers of the service into `folder`; `left_out` says by address why one is not."""

    service: LocalService
    sweep: str
    folder: Path
    left_out: dict[str, str] = field(default_factory=dict)
    # Of each address at the service, its parameters in order, the file with its answer.
    files: dict[str, str] = field(default_factory=dict)
    figures: int = 0

    @property
    def plotly(self) -> str:
        return f"assets/plotly-{PLOTLY_VERSION}.min.js"

    @property
    def site(self) -> Site:
        return Site(title=self.sweep, file_of=self.file_of, plotly=self.plotly)

    def file_of(self, address: str) -> str | None:
        """The file that is published of an address at the service."""
        return self.files.get(normal(address))

    def write(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    async def save(self, address: str, path: str) -> Answer:
        """Writes the answer to an address as it is, unless it is an error."""
        answer = await self.service.get(address)
        if answer.status == 200:
            self.write(path, answer.body)
            self.files[normal(address)] = path
        else:
            self.left_out[address] = reason_of(answer)
        return answer

    async def save_page(self, address: str, samples: Sequence[int] = ()) -> None:
        """Writes the page that the address was promised as, and the figures on it."""
        path = self.files[normal(address)]
        answer = await self.service.get(address)
        if answer.status != 200:
            self.left_out[address] = reason_of(answer)
            return
        await self.write_page(path, answer.body.decode(), samples)

    def promise(self, address: str, path: str) -> None:
        """Has links to an address lead to the file, which is still to be written."""
        self.files[normal(address)] = path

    async def write_page(self, path: str, text: str, samples: Sequence[int] = ()) -> None:
        """Writes a page as the service would send it, and the figures on it."""
        page = markup.parse(text)
        scripts = {}
        for figure in figures_of(page):
            name = figure.id if path in MAIN_PAGES else f"{Path(path).stem}.{figure.id}"
            scripts[figure.id] = (f"figures/{name}.js", figure)
            await self._answer_figure(figure, f"data/figures/{name}")
            self.write(f"figures/{name}.js", figure.script(name))
        self.write(path, published_page(self.site, path, page, scripts, samples))

    async def _answer_figure(self, figure: PublishedFigure, data: str) -> None:
        for key, address in figure.choices():
            answer = await self.service.get(address)
            self.figures += 1
            body = answer.body
            if answer.status != 200:
                self.left_out[address] = reason_of(answer)
                body = json.dumps({"empty": reason_of(answer)}).encode()
            source = json.loads(body).get("source")
            if source and key == figure.usual_key:
                await self._save_source(source, data)
            figure.answers[key] = (body, self._files_behind(source) if source else {})

    async def _save_source(self, source: str, path: str) -> None:
        """Saves the data behind a figure, unless a file has it already."""
        if self._files_behind(source):
            return
        for name in ("json", "csv"):
            await self.save(in_format(source, name), f"{path}.{name}")

    def _files_behind(self, source: str) -> dict[str, str]:
        """Files with the data at an address by format; else those with all of its path."""
        path = urlsplit(source).path
        files = {
            name: self.file_of(in_format(source, name)) or self.file_of(in_format(path, name))
            for name in ("json", "csv", "parquet")
        }
        return {name: file for name, file in files.items() if file is not None}


def normal(address: str) -> str:
    """The address with its parameters in order."""
    parts = urlsplit(address)
    query = urlencode(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return f"{parts.path}?{query}" if query else parts.path


def in_format(address: str, name: str) -> str:
    """The address of the same in another format, of a file without a bound on its rows."""
    if name == "json":
        return address
    parts = urlsplit(address)
    query = [(k, v) for k, v in parse_qsl(parts.query) if k != "limit"]
    return f"{parts.path}?{urlencode([*query, ('format', name)])}"


def reason_of(answer: Answer) -> str:
    """The reason that an error of the service gives."""
    try:
        return str(json.loads(answer.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the service answered {answer.status}"
