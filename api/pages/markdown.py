"""Markdown of strangers as HTML: CommonMark without HTML, headings, images and odd links."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

# Headings would stand among the page's own, images would be asked for from other hosts.
_LEFT_OUT = ["heading", "lheading", "image", "html_block", "html_inline", "reference"]


def markdown(text: str) -> Markup:
    """The text as HTML. HTML in it is shown as text; a link leads to http, https, mail or a path
    of this service, and tells neither who it comes from."""
    return Markup(_renderer().render(text))


@functools.cache
def _renderer() -> MarkdownIt:
    # Loaded by the first note: most stores have none.
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).disable(_LEFT_OUT)
    renderer.validateLink = _is_good_link  # pyright: ignore[reportAttributeAccessIssue]
    renderer.add_render_rule("link_open", _opened_link)
    return renderer


def _is_good_link(address: str) -> bool:
    scheme, colon, _ = address.strip().partition(":")
    if colon and "/" not in scheme:
        return scheme.lower() in ("http", "https", "mailto")
    return not address.startswith(("//", "\\"))


def _opened_link(self: Any, tokens: Any, place: int, options: Any, environment: Any) -> str:
    tokens[place].attrSet("rel", "noopener noreferrer nofollow")
    return self.renderToken(tokens, place, options, environment)
