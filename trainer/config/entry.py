"""Functions that a command names by their import path, resolved before any work.

Standard library only; what a path names may import what it likes.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.config.lookup import UsageError, lookup


def imported_function(entry: str) -> Callable[..., Any]:
    """The function, or another thing to call, of an import path, `package.module:function`.

    Raises UsageError for a path that does not resolve, and a module that cannot be imported.
    """
    module_name, colon, name = entry.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), name]):
        raise UsageError(f"{entry!r} is no import path: give package.module:function")
    module = _imported(module_name)
    functions = {key: value for key, value in vars(module).items() if callable(value)}
    return lookup(f"function of {module_name}", functions, name)


def signature_of(function: Callable[..., Any], entry: str) -> inspect.Signature:
    """The function's parameters. Raises UsageError, with the `entry`, if they cannot be read."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{entry} has no signature that could be read: {error}") from error


def source_of(function: Callable[..., Any]) -> Path | None:
    """The file that a function stands in; None if there is none."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
    return None if file is None else Path(file)


def first_line(error: BaseException) -> str:
    """`KeyError: 'x'`: the error's class, and the first line of its message if it has one."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _imported(name: str) -> Any:
    # A worker has the folder of the command as its own, and not on its path.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the module's own code runs
        raise UsageError(f"cannot import {name}: {first_line(error)}") from error
