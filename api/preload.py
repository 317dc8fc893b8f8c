"""Loads at the start what libraries would load in a request.

There it takes up to seconds, and the threads of other requests meet modules that are half loaded.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

import anyio
import pyarrow as pa
import pyarrow.compute  # which Arrow loads for its first cast

from api.pages.rendering import compile_templates


def load() -> None:
    """Loads what requests need: the templates, and what Arrow and the static files look for."""
    compile_templates()
    pa.array([0])
    _ = anyio.open_file


class _Hidden:
    """Finds no pandas."""

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is hidden from Arrow", name=name)
        return None


def keep_arrow_from_pandas() -> None:
    """Lets Arrow find no pandas: it loads it for its first array, 34 MiB that the service has no
    use for.

    Arrow looks once in a process. Not for one that wants `to_pandas` of Arrow's own.
    """
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)
