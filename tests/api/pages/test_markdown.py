"""Markdown of strangers, parsed as a browser would."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from api.pages.markdown import markdown

TAGS = {"p", "strong", "em", "a", "ul", "ol", "li", "code", "pre", "blockquote", "hr", "br"}
ATTRIBUTES = {"a": {"href", "title", "rel"}, "code": {"class"}, "ol": {"start"}}


class Elements(HTMLParser):
    """Elements with their attributes, as they come."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_what_markdown_is_for() -> None:
    text = "**b** *e* `c`\n\n- [x](https://a.b)\n\n1. one\n\n> q\n\n```py\nc\n```"
    assert [tag for tag, _ in Elements(markdown(text)).found] == [
        "p", "strong", "em", "code", "ul", "li", "a", "ol", "li", "blockquote", "p", "pre", "code",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", '<img src=x onerror="alert(1)">', "<!-- -->\n<div>\n\n</div>",
        "![x](http://elsewhere/pixel.png)", "# heading", "heading\n===", "<a href='javascript:x'>",
        "[x](javascript:alert(1))", "[x](JavaScript&colon;alert(1))", "[x](data:text/html,x)",
        "[x](vbscript:x)", "[x](//elsewhere)", "[x](file:///etc)", "<javascript:alert(1)>",
        '[x](http://a "t\\" onclick=\\"alert(1)")', "```\" onclick=\"x\ncode\n```",
        "[x](java\tscript:alert(1))", "[x]( &#1;javascript:alert(1))", "[a]: javascript:x\n\n[a]",
        "&lt;script&gt;", "&#60;script&#62;", "\\<script>",
    ],
)  # fmt: skip
def test_nothing_else_comes_of_a_note(text: str) -> None:
    for tag, attributes in Elements(markdown(text)).found:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES.get(tag, set())
        if tag == "a":
            address = attributes["href"] or ""
            assert address.startswith(("http://", "https://", "mailto:", "/", "#", "%"))
            assert not address.startswith("//")
            assert attributes["rel"] == "noopener noreferrer nofollow"
