"""Configurations that a file of Python names: a grid, or a function of an Optuna trial."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, cast

from sweep.store.tables import first_line
from trainer.config.lookup import UsageError

Define = Callable[[Any], Mapping[str, Any]]
# A grid is soon typed that no machine runs.
MOST_POINTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSpace:
    """Either the `points` of a grid, or `define`, which makes a configuration of a trial."""

    points: Sequence[Mapping[str, Any]] = ()
    define: Define | None = None


def read_space(path: Path | None) -> OwnSpace:
    """The space of a file: its `grid`, a dictionary of lists, or its `space(trial)`.

    `space` suggests what it needs of an Optuna trial, as far as it likes, and returns a
    configuration. Without a file there is one point, with nothing in it. Raises UsageError for a
    file that cannot be run, and for one that has neither or both.
    """
    if path is None:
        return OwnSpace(points=[{}])
    try:
        names = runpy.run_path(str(path))
    except OSError as error:
        raise UsageError(f"cannot read --space {path}: {error.strerror or error}") from error
    except (Exception, SystemExit) as error:  # the file's own code runs
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UsageError(f"--space {path} cannot be run: {reason}") from error
    grid, space = names.get("grid"), names.get("space")
    if (grid is None) == (space is None):
        raise UsageError(
            f"--space {path} must have either `grid`, a dictionary of lists, or a function "
            "`space(trial)` that returns a dictionary"
        )
    if grid is not None:
        return OwnSpace(points=_points(path, grid))
    if not callable(space):
        raise UsageError(f"`space` of {path} must be a function, but is {space!r}"[:200])
    return OwnSpace(define=cast(Define, space))  # what it returns is looked at in defined()


def _points(path: Path, grid: Any) -> list[dict[str, Any]]:
    if not isinstance(grid, Mapping) or not grid:
        raise UsageError(f"`grid` of {path} must be a dictionary of lists, but is {grid!r}"[:200])
    count = 1
    for name, values in grid.items():
        if not isinstance(values, list | tuple | range) or not values:
            raise UsageError(
                f"`grid` of {path} must have a list of values under {name!r}, but has {values!r}"
            )
        count *= len(values)
    if count > MOST_POINTS:
        raise UsageError(f"`grid` of {path} has {count:,} points, of at most {MOST_POINTS:,}")
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def defined(define: Define, trial: Any) -> dict[str, Any]:
    """The configuration that the function makes. Raises UsageError for anything but one."""
    try:
        config = define(trial)
    except UsageError:
        raise
    except Exception as error:  # the function is somebody else's
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UsageError(f"space(trial) failed: {reason}") from error
    if not isinstance(config, Mapping):
        raise UsageError(f"space(trial) must return a dictionary, but returned {config!r}"[:200])
    return dict(config)
