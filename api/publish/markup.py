"""A page of the service as a tree that can be changed and written again. Standard library only."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

# Elements that have no content and no end tag.
VOID = frozenset(["base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"])


@dataclass(slots=True)
class Element:
    """An element with its attributes, None for one without a value, and its content in order.

    Text is kept as it is written in the page, with its character references.
    """

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    content: list[Element | str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The attribute's value; nothing if there is none."""
        return self.attributes.get(name) or ""

    def walk(self) -> Iterator[Element]:
        """Yields the element and all inside it, in the order of the page."""
        yield self
        for part in list(self.content):
            if isinstance(part, Element):
                yield from part.walk()

    def find(self, tag: str, **attributes: str) -> Iterator[Element]:
        """The elements of that tag that have these values; `_` in a name stands for `-`."""
        values = {name.replace("_", "-"): value for name, value in attributes.items()}
        for element in self.walk():
            if element.tag == tag and values.items() <= element.attributes.items():
                yield element

    def replace(self, change: Callable[[Element], list[Element | str] | None]) -> None:
        """Puts what `change` returns in the place of each element inside; None leaves it there.

        What takes the place of an element is looked through as well.
        """
        parts: list[Element | str] = []
        pending = list(reversed(self.content))
        while pending:
            part = pending.pop()
            substitute = change(part) if isinstance(part, Element) else None
            if substitute is not None:
                pending.extend(reversed(substitute))
                continue
            if isinstance(part, Element):
                part.replace(change)
            parts.append(part)
        self.content = parts

    @property
    def text(self) -> str:
        """The text inside, references resolved."""
        return "".join(
            part.text if isinstance(part, Element) else html.unescape(part)
            for part in self.content
        )


def parse(page: str) -> Element:
    """Parses a page whose elements are all closed, as the service's are, into a root without tag.

    Raises ValueError for an end tag that closes nothing.
    """
    parser = _Parser()
    parser.feed(page)
    parser.close()
    if len(parser.open) > 1:
        raise ValueError(f"<{parser.open[-1].tag}> is not closed")
    return parser.open[0]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open = [Element("")]

    def _add(self, part: Element | str) -> None:
        self.open[-1].content.append(part)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self._add(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if self.open[-1].tag != tag:
            raise ValueError(f"</{tag}> closes <{self.open[-1].tag}>")
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        self._add(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self._add(f"<!{decl}>")


def write(element: Element) -> str:
    """The element as HTML."""
    content = "".join(part if isinstance(part, str) else write(part) for part in element.content)
    if not element.tag:
        return content
    attributes = "".join(
        f" {name}" if value is None else f' {name}="{html.escape(value)}"'
        for name, value in element.attributes.items()
    )
    start = f"<{element.tag}{attributes}>"
    return start if element.tag in VOID else f"{start}{content}</{element.tag}>"
