"""Text and grids for a person: plain lines in a pipe, coloured tables on a terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PIPE_WIDTH = 80

STYLES = {
    "planned": "dim",
    "running": "cyan",
    "completed": "green",
    "collapsed": "yellow",
    "failed": "bold red",
    "stopped": "magenta",
    "lost": "bold red",
    "unreadable": "bold red",
    "other": "magenta",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells under a header. `styles` colours a cell that is one of its keys, or with `by_mark`
    each of a cell's characters that is one."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()
    styles: Mapping[str, str]
    by_mark: bool = False


Part = str | Grid


def width() -> int:
    """Columns to write in: the terminal's, and 80 in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def wrapped(text: str, indent: str = "  ") -> str:
    """The text in lines that fit, but the first indented; a longer word keeps its line."""
    return textwrap.fill(
        text,
        width(),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def plain_lines(part: Part) -> Iterator[str]:
    """The part as it stands in a pipe: columns two spaces apart, never cut."""
    if isinstance(part, str):
        yield from part.splitlines() or [""]
        return
    lines = [part.header, *part.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.rjust(n) if name in part.right else cell.ljust(n)
            for name, cell, n in zip(part.header, line, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def show(parts: Sequence[Part]) -> None:
    """Writes the parts to standard output."""
    if sys.stdout.isatty():
        from rich.console import Console

        # A name that is cut is no name: what is too wide is left to the terminal to fold.
        widest = max((len(line) for part in parts for line in plain_lines(part)), default=0)
        Console(width=max(width(), widest)).print(rendering(parts), soft_wrap=True)
        return
    sys.stdout.writelines(f"{line}\n" for part in parts for line in plain_lines(part))
    sys.stdout.flush()


def rendering(parts: Sequence[Part]) -> Any:
    """The parts as a rich renderable."""
    from rich.console import Group
    from rich.text import Text

    return Group(*(Text(part) if isinstance(part, str) else _table(part) for part in parts))


def _table(grid: Grid) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in grid.header:
        table.add_column(name, justify="right" if name in grid.right else "left", no_wrap=True)
    for row in grid.rows:
        cells = [Text(cell, grid.styles.get(cell, "")) for cell in row]
        for cell in cells[1:] if grid.by_mark else ():
            for place, mark in enumerate(cell.plain):
                cell.stylize(grid.styles.get(mark, ""), place, place + 1)
        table.add_row(*cells)
    return table
