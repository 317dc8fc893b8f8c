"""Histograms of the paper's figures, as drawn."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.paper.paper_page import figure


def test_histograms_are_densities(story: httpx2.Client) -> None:
    picture = figure(story, "fig11")
    for trace in picture["data"]:
        steps = zip(trace["x"], trace["x"][1:], trace["y"], trace["y"][1:], strict=False)
        area = sum((b - a) * (low + high) / 2 for a, b, low, high in steps)
        assert area == pytest.approx(1, rel=0.02)
