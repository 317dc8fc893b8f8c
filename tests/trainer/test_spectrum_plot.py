"""The PNG and the points of its curves."""

import io

import torch
from PIL import Image

from trainer.spectrum_plot import DECADES, FIRST, HEIGHT, LAST, WIDTH, colour, curve, plot


def test_a_curve_runs_from_sigma_1_at_the_top_to_the_right_edge():
    points = curve(torch.tensor([[2.0, 0.2, 0.0]]), 0, 0)
    height = HEIGHT - 48
    assert points[0] == (0, 0)
    assert abs(points[1][1] - height / DECADES) < 1e-5
    assert points[2][1] == height


def test_what_is_not_finite_has_no_curve():
    assert curve(torch.tensor([[float("nan"), 1.0]]), 0, 0) == []
    assert curve(torch.zeros(1, 3), 0, 0) == []


def test_later_files_are_darker():
    assert colour(0, 3) == FIRST
    assert colour(2, 3) == colour(0, 1) == LAST


def test_the_png_has_a_panel_per_layer_and_a_line_per_file():
    sigma = torch.linspace(1, 0.1, 8)[None]
    content = plot({f"layer{k}": [sigma, sigma / 2] for k in range(5)}, ["a.pt", "b.pt"])
    image = Image.open(io.BytesIO(content)).convert("RGB")
    assert image.size == (4 * WIDTH, 2 * HEIGHT + 40)
    colours = {colour for _, colour in image.getcolors(1 << 16)}
    assert {FIRST, LAST} <= colours
