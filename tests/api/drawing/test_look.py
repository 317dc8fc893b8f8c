"""Colours and the order of methods."""

from __future__ import annotations

import re

import pytest
from plotly.colors import sample_colorscale

from api.drawing import look
from api.drawing.look import in_order
from trainer.config.settings import METHODS


def test_every_method_has_a_colour_of_its_own() -> None:
    assert set(look.COLOURS) == set(METHODS)
    assert len(set(look.COLOURS.values())) == len(METHODS)
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in look.COLOURS.values())
    assert look.OTHER_COLOUR not in look.COLOURS.values()


def test_methods_stand_in_one_order() -> None:
    assert in_order(["newer", "nugan", "sr-static", "sn", "sn"]) == [
        "sn", "sr-static", "nugan", "newer",
    ]  # fmt: skip


def test_no_two_signals_have_one_dash() -> None:
    dashes = [dash for _, _, dash in look.SIGNALS]
    assert len(set(dashes)) == len(dashes) == 4


def test_depths_run_through_the_shades_of_the_spectra() -> None:
    assert look.by_depth(9) == look.SCALE
    assert look.by_depth(1) == look.SCALE[:1]
    assert look.by_depth(0) == []


@pytest.mark.parametrize("share", [k / 40 for k in range(41)])
def test_shades_are_those_of_viridis(share: float) -> None:
    theirs = str(sample_colorscale("Viridis", [0.25 + 0.65 * share])[0])
    levels = [[int(level) for level in re.findall(r"\d+", c)] for c in (look.shade(share), theirs)]
    # Halves are rounded another way.
    assert all(abs(ours - level) <= 1 for ours, level in zip(*levels, strict=True))
