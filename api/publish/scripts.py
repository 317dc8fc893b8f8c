"""The pages' own scripts as one that a file can load, which modules cannot be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

# What pages without a service need, a module after those that it imports.
EVERY_PAGE = ("address.js", "figures.js", "samples.js", "cursor.js", "times.js")
PAPER_PAGE = ("paper.js",)
IMPORT = re.compile(r'^import \{ ([^}]+) \} from "\./([\w.]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (async function|function|const) (\w+)", re.MULTILINE)


def page_script() -> str:
    """The script of every page; its `answers.js` is this folder's own."""
    answers = (resources.files("api.publish") / "answers.js").read_text("utf-8")
    first = _scope("answers.js", answers)
    return f'"use strict";\nconst modules = {{}};\n{first}{_scopes(EVERY_PAGE)}'


def paper_script() -> str:
    """The paper page's own script, which needs that of every page."""
    return f'"use strict";\n{_scopes(PAPER_PAGE)}'


def _scopes(names: Sequence[str]) -> str:
    static = resources.files("api.pages") / "static"
    return "".join(_scope(name, (static / name).read_text("utf-8")) for name in names)


def _scope(name: str, source: str) -> str:
    """A module as a function that is called at once, imports and exports by `modules`.

    Raises ValueError for an import or export that is written in another way.
    """
    exported = [match[2] for match in EXPORT.finditer(source)]
    body = IMPORT.sub(r'const { \1 } = modules["\2"];\n', source)
    body = EXPORT.sub(r"\1 \2", body)
    if strange := re.search(r"^(?:import|export)\b.*", body, re.MULTILINE):
        raise ValueError(f"{name}: {strange[0]!r} is not understood")
    return f'(() => {{\n{body}modules["{name}"] = {{ {", ".join(exported)} }};\n}})();\n'
