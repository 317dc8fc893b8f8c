"""Functions that a command names by their import path, resolved before any work."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.store.tables import first_line
from trainer.config.lookup import UsageError, lookup


def entry_function(entry: str) -> Callable[..., Any]:
    """The function of an import path, `package.module:function`, that takes (config, run).

    Raises UsageError for a path that does not resolve, a module that cannot be imported, and a
    function that cannot be called so.
    """
    module_name, colon, name = entry.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), name]):
        raise UsageError(f"{entry!r} is no import path: give package.module:function")
    module = _imported(module_name)
    functions = {key: value for key, value in vars(module).items() if callable(value)}
    function = lookup(f"function of {module_name}", functions, name)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{entry} has no signature that could be read: {error}") from error
    try:
        signature.bind(None, None)
    except TypeError:
        raise UsageError(
            f"{entry} must take two arguments, (config, run), but is {name}{signature}"
        ) from None
    return function


def source_of(function: Callable[..., Any]) -> Path:
    """The file that a function stands in. Raises UsageError if there is none."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        file = None
    if file is None:
        raise UsageError(f"{function!r} stands in no file that could be hashed: give --version")
    return Path(file)


def _imported(name: str) -> Any:
    # A worker has the folder of the command as its own, and not on its path.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the module's own code runs
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UsageError(f"cannot import {name}: {reason}") from error
