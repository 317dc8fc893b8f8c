"""Makes pages of the service fit for a folder: links to its files, no form without an answer."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from api.publish.figures import PublishedFigure
from api.publish.markup import Element, write

# A page asks for nothing but files beside it; a reader's browser holds it to that.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'"
)
# Pages that all others lead to.
NAVIGATION = {
    "index.html": "Answer", "sweep.html": "Sweep", "trials.html": "Every seed",
    "provenance.html": "How it was made",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A folder, as its pages share it: its title, the file of an address at the service, if it
    is published, and the Plotly script's file."""

    title: str
    file_of: Callable[[str], str | None]
    plotly: str


def published_page(
    site: Site,
    path: str,
    page: Element,
    figures: Mapping[str, tuple[str, PublishedFigure]],
    samples: Sequence[int] = (),
) -> bytes:
    """The page as the file `path` of the folder.

    `figures` has the script of each figure by its id, `samples` the iterations whose images are
    published.
    """
    _replace_head(site, path, page)
    _drop_what_needs_a_service(page, figures)
    _point_figures(path, page, figures)
    _point_samples(site, path, page, samples)
    _point_links(site, path, page)
    for element in page.walk():
        for name in [name for name in element.attributes if name.startswith("hx-")]:
            del element.attributes[name]
    return write(page).encode()


def relative(path: str, file: str) -> str:
    """The address of a file of the folder on the page `path`."""
    return posixpath.relpath(file, posixpath.dirname(path) or ".")


def _replace_head(site: Site, path: str, page: Element) -> None:
    (head,) = page.find("head")
    (body,) = page.find("body")
    title = next(page.find("title"))
    title.content = [title.text.partition(" · ")[0] + f" · {site.title}"]
    kept = [e for e in head.content if isinstance(e, Element) and e.tag in ("meta", "title")]
    kept = [element for element in kept if element.get("name") != "htmx-config"]
    policy = Element("meta", {"http-equiv": "Content-Security-Policy"})
    policy.attributes["content"] = CONTENT_SECURITY_POLICY
    icon = Element("link", {"rel": "icon", "type": "image/svg+xml"})
    icon.attributes["href"] = relative(path, "assets/icon.svg")
    links = [icon]
    for style in head.find("link", rel="stylesheet"):
        href = relative(path, f"assets/{posixpath.basename(style.get('href'))}")
        links.append(Element("link", {"rel": "stylesheet", "href": href}))
    has_paper = any(True for _ in page.find("button", id="print"))
    scripts = [site.plotly, "assets/page.js", *(["assets/paper.js"] if has_paper else [])]
    elements = [
        *kept[:1],
        policy,
        *kept[1:],
        *links,
        *(Element("script", {"defer": None, "src": relative(path, file)}) for file in scripts),
    ]
    head.content = [part for element in elements for part in ("\n  ", element)] + ["\n"]
    body.attributes = {"data-root": relative(path, ".") + "/"}


def _navigation(site: Site, path: str) -> Element:
    links: list[Element | str] = [
        Element("a", {"class": "name", "href": relative(path, "index.html")}, [site.title])
    ]
    for file, label in NAVIGATION.items():
        current: dict[str, str | None] = {"aria-current": "page"} if file == path else {}
        links += ["\n", Element("a", {"href": relative(path, file), **current}, [label])]
    return Element("header", {}, [Element("nav", {"aria-label": "Pages"}, links)])


def _drop_what_needs_a_service(
    page: Element, figures: Mapping[str, tuple[str, PublishedFigure]]
) -> None:
    for form in page.find("form"):
        driven = [i for i in form.get("data-drives").split() if i in figures]
        kept = {pick.name for i in driven for pick in figures[i][1].picks}
        form.content = [part for part in form.content if _is_pick(part, kept)]

    def is_kept_form(element: Element) -> bool:
        return any(True for _ in element.find("select"))

    def drop(element: Element) -> list[Element | str] | None:
        classes, identity = element.get("class").split(), element.get("id")
        is_dropped = (
            (element.tag == "form" and not is_kept_form(element))
            or identity in ("offline", "permalink")
            or "crumbs" in classes
            or (element.tag == "a" and "button" in classes)
            or element.get("href").startswith("/view/compare")
            or (element.tag == "details" and "action" in classes)
        )
        return [] if is_dropped else None

    page.replace(drop)


def _is_pick(part: Element | str, names: set[str]) -> bool:
    return isinstance(part, Element) and any(s.get("name") in names for s in part.find("select"))


def _point_figures(
    path: str, page: Element, figures: Mapping[str, tuple[str, PublishedFigure]]
) -> None:
    for element in page.find("figure"):
        if element.get("id") not in figures:
            continue
        script, figure = figures[element.get("id")]
        query = f"?{figure.usual_key}" if figure.usual_key else ""
        element.attributes["data-figure"] = relative(path, script) + query
        element.attributes.pop("data-live", None)
        for link in element.find("a"):
            if "data-format" in link.attributes:
                link.attributes |= {"hidden": None, "href": "#"}


def _point_samples(site: Site, path: str, page: Element, samples: Sequence[int]) -> None:
    for box in page.walk():
        if "data-samples" in box.attributes and samples:
            file = site.file_of(f"{box.get('data-address')}{samples[-1]}")
            assert file is not None  # as `samples` are published
            folder = relative(path, posixpath.dirname(file)) + "/"
            box.attributes |= {
                "data-address": folder,
                "data-ending": posixpath.splitext(file)[1],
                "data-steps": " ".join(map(str, samples)),
            }
        if "data-cursor" in box.attributes:
            box.attributes["data-moves"] = ""
    for image in page.find("img"):
        if file := site.file_of(image.get("src")):
            image.attributes["src"] = relative(path, file)


def _point_links(site: Site, path: str, page: Element) -> None:
    (header,) = page.find("header")
    header.content = _navigation(site, path).content

    def point(element: Element) -> list[Element | str] | None:
        href = element.get("href")
        if element.tag != "a" or not href.startswith("/"):
            return None
        file = site.file_of(href)
        if file is None:
            return element.content
        element.attributes["href"] = relative(path, file)
        return None

    page.replace(point)
