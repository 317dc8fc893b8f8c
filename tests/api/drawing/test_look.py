"""Colours and the order of methods."""

from __future__ import annotations

import re

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
