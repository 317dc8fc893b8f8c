"""Grids as plain lines and as rich renders them."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from sweep.report.text_tables import Grid, plain_lines, rendering, wrapped

GRID = Grid(
    header=["setting", "n"],
    rows=[["C_8-32", "x#"], ["[bold]", "1"]],
    right=["n"],
    styles={"x": "red"},
    by_mark=True,
)


def test_plain_columns_are_aligned_and_not_cut() -> None:
    assert list(plain_lines(GRID)) == ["setting   n", "C_8-32   x#", "[bold]    1"]
    assert list(plain_lines("")) == [""]


def test_text_is_wrapped_at_80_columns_in_a_pipe() -> None:
    lines = wrapped("word " * 40).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("  word") for line in lines[1:])
    assert wrapped("x" * 200) == "x" * 200, "a name is not cut"


def test_rich_colours_marks_and_takes_no_cell_for_markup() -> None:
    out = StringIO()
    console = Console(file=out, width=40, force_terminal=True, color_system="standard")
    console.print(rendering(["[bold]", GRID]))
    assert "\x1b[31mx\x1b[0m" in out.getvalue()
    assert out.getvalue().count("[bold]") == 2
