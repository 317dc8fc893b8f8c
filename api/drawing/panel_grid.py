"""A drawing as plotly.js takes it: traces over a grid of panels, plain dicts.

The tests hold every drawing against the schema of plotly.py. Building it with plotly.py would take
longer than all else that a figure needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

# Row and column of a panel, from (1, 1) in the upper left.
Cell = tuple[int, int]
FIRST: Cell = (1, 1)


@dataclass(frozen=True, slots=True)
class Drawing:
    """Traces and layout of a figure, and what ends the names of the axes of each panel.

    The axes of the first panel are `x` and `y`, those of the second `x2` and `y2`.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    numbers: Mapping[Cell, str]


def panel_grid(
    rows: int = 1,
    columns: int = 1,
    *,
    horizontal_spacing: float = 0.0,
    vertical_spacing: float = 0.0,
    row_heights: Sequence[float] | None = None,
    spans: Mapping[Cell, int] | None = None,
    shared_x: Literal["columns", "all"] | None = None,
    shared_y: Literal["rows", "all"] | None = None,
    titles: Sequence[str] = (),
    title_look: Mapping[str, Any] | None = None,
) -> Drawing:
    """Panels side by side and one below the other, and a title above each that has one.

    Spacings are shares of the figure, `row_heights` relative to each other. `spans` has the first
    panels of a row that has fewer, and how many columns each takes. Axes that are shared have the
    labels of their ticks at the lower and at the left edge alone.
    """
    x_domains = _domains([1.0] * columns, horizontal_spacing)
    # A figure is measured from below.
    y_domains = _domains([*reversed(row_heights or [1.0] * rows)], vertical_spacing)[::-1]
    widths = {cell: width for cell, width in _cells(rows, columns, spans or {})}
    numbers = {cell: "" if k == 0 else str(k + 1) for k, cell in enumerate(widths)}
    layout: dict[str, Any] = {}
    annotations = []
    for k, ((row, column), width) in enumerate(widths.items()):
        number = numbers[row, column]
        x_domain = [x_domains[column - 1][0], x_domains[column + width - 2][1]]
        y_domain = y_domains[row - 1]
        x_leader = (rows, column) if shared_x == "columns" else (rows, 1)
        y_leader = (row, 1) if shared_y == "rows" else (rows, 1)
        layout[f"xaxis{number}"] = {"domain": x_domain, "anchor": f"y{number}"}
        layout[f"yaxis{number}"] = {"domain": y_domain, "anchor": f"x{number}"}
        if shared_x and (row, column) != x_leader:
            layout[f"xaxis{number}"] |= _shared(f"x{numbers[x_leader]}", labels=row == rows)
        if shared_y and (row, column) != y_leader:
            layout[f"yaxis{number}"] |= _shared(f"y{numbers[y_leader]}", labels=column == 1)
        if k < len(titles) and titles[k]:
            place = {"x": sum(x_domain) / 2, "y": y_domain[1]}
            annotations.append(_title(titles[k]) | place | dict(title_look or {}))
    if annotations:
        layout["annotations"] = annotations
    return Drawing(data=[], layout=layout, numbers=numbers)


def _domains(sizes: Sequence[float], spacing: float) -> list[list[float]]:
    """Start and end of each part of 0 to 1, in proportion to the sizes."""
    room = 1 - spacing * (len(sizes) - 1)
    lengths = [room * size / sum(sizes) for size in sizes]
    starts = [before + k * spacing for k, before in enumerate(accumulate(lengths, initial=0.0))]
    return [
        [min(start, 1.0), min(start + length, 1.0)]
        for start, length in zip(starts, lengths, strict=False)
    ]


def _cells(rows: int, columns: int, spans: Mapping[Cell, int]) -> Iterator[tuple[Cell, int]]:
    """The panels row by row, and how many columns each takes."""
    for row in range(1, rows + 1):
        column = 1
        while column <= columns:
            width = spans.get((row, column), 1)
            yield (row, column), width
            column += width


def _shared(leader: str, *, labels: bool) -> dict[str, Any]:
    return {"matches": leader} if labels else {"matches": leader, "showticklabels": False}


def _title(text: str) -> dict[str, Any]:
    return {
        "text": text,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 13},
    }


def add_scatter(drawing: Drawing, cell: Cell = FIRST, **fields: Any) -> None:
    """Adds a trace of points to a panel; a field that is None is left out."""
    _add_trace(drawing, "scatter", cell, fields)


def add_heatmap(drawing: Drawing, cell: Cell = FIRST, **fields: Any) -> None:
    """Adds a heat map to a panel."""
    _add_trace(drawing, "heatmap", cell, fields)


def add_bar(drawing: Drawing, cell: Cell = FIRST, **fields: Any) -> None:
    """Adds bars to a panel."""
    _add_trace(drawing, "bar", cell, fields)


def add_contour(drawing: Drawing, cell: Cell = FIRST, **fields: Any) -> None:
    """Adds lines of equal height to a panel."""
    _add_trace(drawing, "contour", cell, fields)


def _add_trace(drawing: Drawing, kind: str, cell: Cell, fields: Mapping[str, Any]) -> None:
    number = drawing.numbers[cell]
    axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
    drawing.data.append({"type": kind, **axes, **_present(fields)})


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def set_x_axes(
    drawing: Drawing,
    *,
    row: int | None = None,
    column: int | None = None,
    title: str | None = None,
    **fields: Any,
) -> None:
    """Changes the x axes of a row, of a column, of their panel, or of all panels.

    A field that is None stays as it is.
    """
    _set_axes(drawing, "xaxis", row, column, title, fields)


def set_y_axes(
    drawing: Drawing,
    *,
    row: int | None = None,
    column: int | None = None,
    title: str | None = None,
    **fields: Any,
) -> None:
    """Changes y axes, as `set_x_axes` does x axes."""
    _set_axes(drawing, "yaxis", row, column, title, fields)


def _set_axes(
    drawing: Drawing,
    kind: str,
    row: int | None,
    column: int | None,
    title: str | None,
    fields: Mapping[str, Any],
) -> None:
    changes = _present(fields) | ({} if title is None else {"title": {"text": title}})
    for (row_of_axis, column_of_axis), number in drawing.numbers.items():
        if row in (None, row_of_axis) and column in (None, column_of_axis):
            drawing.layout[f"{kind}{number}"] |= changes


def add_shape(drawing: Drawing, **fields: Any) -> None:
    drawing.layout.setdefault("shapes", []).append(fields)


def add_annotation(drawing: Drawing, **fields: Any) -> None:
    """Adds a text without an arrow."""
    drawing.layout.setdefault("annotations", []).append({"showarrow": False, **fields})


def references(drawing: Drawing, cell: Cell, x: str = "", y: str = "") -> dict[str, str]:
    """Axes that a shape or a text in a panel refers to; `x` and `y` may be "domain"."""
    number = drawing.numbers[cell]
    return {"xref": f"x{number} {x}".rstrip(), "yref": f"y{number} {y}".rstrip()}


def add_vertical(drawing: Drawing, x: float, line: Mapping[str, Any], cell: Cell = FIRST) -> None:
    """Adds a line over the whole height of a panel."""
    ends = {"x0": x, "x1": x, "y0": 0, "y1": 1}
    add_shape(
        drawing, type="line", line=dict(line), **ends, **references(drawing, cell, y="domain")
    )
