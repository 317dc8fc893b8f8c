"""Grids of panels, against Plotly's."""

from __future__ import annotations

from typing import Any

import pytest
from plotly.subplots import make_subplots

from api.drawing.panel_grid import (
    add_annotation,
    add_heatmap,
    add_scatter,
    add_vertical,
    panel_grid,
    references,
    set_x_axes,
    set_y_axes,
)

TITLES = ["a", "", "c", "d", "e"]


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("shared", [None, "by side", "all"])
def test_domains_shared_axes_and_titles(rows: int, columns: int, shared: Any) -> None:
    by_side = shared == "by side"
    heights = [1.0, *[0.3] * (rows - 1)]
    grid = panel_grid(
        rows,
        columns,
        horizontal_spacing=0.03,
        vertical_spacing=0.07,
        row_heights=heights,
        shared_x="columns" if by_side else shared,
        shared_y="rows" if by_side else shared,
        titles=TITLES,
        title_look={"xanchor": "left"},
    )
    theirs = make_subplots(
        rows,
        columns,
        horizontal_spacing=0.03,
        vertical_spacing=0.07,
        row_heights=heights,
        shared_xaxes=True if by_side else shared,
        shared_yaxes=True if by_side else shared,
        subplot_titles=TITLES,
    )
    theirs.update_annotations(xanchor="left", font={"size": 13})
    assert_equal(grid.layout, theirs.to_plotly_json()["layout"])


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_panels_that_span_columns(columns: int) -> None:
    first = (columns + 1) // 2
    grid = panel_grid(
        2, columns, spans={(1, 1): first, (1, first + 1): columns - first}, titles=TITLES
    )
    above: list[dict[str, int] | None] = [None] * columns
    above[0], above[first] = {"colspan": first}, {"colspan": columns - first}
    theirs = make_subplots(
        2,
        columns,
        specs=[above, [{}] * columns],
        horizontal_spacing=0,
        vertical_spacing=0,
        subplot_titles=TITLES,
    )
    theirs.update_annotations(font={"size": 13})
    assert_equal(grid.layout, theirs.to_plotly_json()["layout"])
    assert list(grid.numbers) == [(1, 1), (1, first + 1), *((2, k + 1) for k in range(columns))]


def assert_equal(ours: Any, theirs: dict[str, Any]) -> None:
    """Also to the last digit of a domain, which one pixel is far above."""
    theirs = {name: value for name, value in theirs.items() if name != "template"}
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if name == "annotations":
            for title, their_title in zip(value, theirs[name], strict=True):
                assert title == their_title | {
                    axis: pytest.approx(their_title[axis]) for axis in ("x", "y")
                }
        else:
            assert value == theirs[name] | {"domain": pytest.approx(list(theirs[name]["domain"]))}


def test_traces_are_on_the_axes_of_their_panel() -> None:
    grid = panel_grid(1, 2)
    add_scatter(grid, x=[1], y=[2], fill=None)
    add_heatmap(grid, (1, 2), z=[[1]])
    assert grid.data == [
        {"type": "scatter", "xaxis": "x", "yaxis": "y", "x": [1], "y": [2]},
        {"type": "heatmap", "xaxis": "x2", "yaxis": "y2", "z": [[1]]},
    ]


def test_axes_are_changed_by_row_and_by_column() -> None:
    grid = panel_grid(2, 2)
    set_x_axes(grid, row=2, title="iteration", range=None)
    set_y_axes(grid, column=1, nticks=4)
    titled = [name for name, axis in grid.layout.items() if "title" in axis]
    assert titled == ["xaxis3", "xaxis4"]
    assert grid.layout["xaxis3"]["title"] == {"text": "iteration"}
    assert "range" not in grid.layout["xaxis3"]
    assert [name for name, axis in grid.layout.items() if "nticks" in axis] == ["yaxis", "yaxis3"]


def test_lines_and_texts_refer_to_their_panel() -> None:
    grid = panel_grid(2)
    add_vertical(grid, 5, {"width": 2}, (2, 1))
    add_annotation(grid, text="here", **references(grid, (1, 1), "domain", "domain"))
    (line,), (text,) = grid.layout["shapes"], grid.layout["annotations"]
    assert (line["xref"], line["yref"], line["x0"], line["x1"]) == ("x2", "y2 domain", 5, 5)
    assert (text["xref"], text["yref"], text["showarrow"]) == ("x domain", "y domain", False)
