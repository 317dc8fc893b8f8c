"""The function of a sweep over somebody's own loop, resolved before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.config import entry as paths
from trainer.config.lookup import UsageError


def entry_function(entry: str) -> Callable[..., Any]:
    """The function of an import path, `package.module:function`, that takes (config, run).

    Raises UsageError for a path that does not resolve, a module that cannot be imported, and a
    function that cannot be called so.
    """
    function = paths.imported_function(entry)
    signature = paths.signature_of(function, entry)
    try:
        signature.bind(None, None)
    except TypeError:
        name = entry.rpartition(":")[2]
        raise UsageError(
            f"{entry} must take two arguments, (config, run), but is {name}{signature}"
        ) from None
    return function


def source_of(function: Callable[..., Any]) -> Path:
    """The file that a function stands in. Raises UsageError if there is none."""
    file = paths.source_of(function)
    if file is None:
        raise UsageError(f"{function!r} stands in no file that could be hashed: give --version")
    return file
