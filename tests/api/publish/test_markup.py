"""Pages as trees: what is written again is the page, and changes are where they should be."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx2
import pytest

from api.publish.markup import parse, write


class Events(HTMLParser):
    """Everything that a reader of the page sees, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[object] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, sorted(attrs, key=str)))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


@pytest.mark.parametrize("path", ["/", "/paper", "/view/sweeps/demo", "/view/trials", "/docs"])
def test_a_page_is_written_as_it_was(http: httpx2.Client, path: str) -> None:
    page = http.get(path).text
    assert Events(write(parse(page))).seen == Events(page).seen


def test_references_and_quotes_survive() -> None:
    page = """<p title='a "b" &amp; c'>1 &lt; 2 &#8722; 3<br></p>"""
    tree = parse(page)
    assert tree.text == "1 < 2 − 3"
    assert next(tree.find("p")).get("title") == 'a "b" & c'
    assert Events(write(tree)).seen == Events(page).seen


def test_what_is_put_in_the_place_of_an_element_is_looked_through() -> None:
    tree = parse("<div><a href='/x'>see <b><a href='/y'>y</a></b></a></div>")
    tree.replace(lambda element: element.content if element.tag == "a" else None)
    assert write(tree) == "<div>see <b>y</b></div>"
    tree.replace(lambda element: [] if element.tag == "b" else None)
    assert re.sub(r"\s", "", write(tree)) == "<div>see</div>"


@pytest.mark.parametrize("page", ["<p><b></p>", "<p>", "</p>"])
def test_a_page_that_is_not_closed_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="close"):
        parse(page)
