"""Spectra of the paper's figures, as drawn."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.paper.paper_page import figure


def test_curves_of_spectra_are_the_data_behind_them(story: httpx2.Client) -> None:
    picture = figure(story, "fig3", group="C")
    data = story.get("/fig/3?group=C&profile=digits&points=64").json()
    lines = [trace for trace in picture["data"] if trace["mode"] == "lines"]
    spectra = [spectrum for trial in data["trials"] for spectrum in trial["spectra"]]
    assert len(lines) == len(spectra) == 6
    for line, spectrum in zip(lines, spectra, strict=True):
        assert line["y"] == pytest.approx(spectrum["singular_values"], rel=1e-3)
        collapsed = spectrum["iteration"] >= 450
        assert line["line"]["dash"] == ("dash" if collapsed else "solid")
    assert len({line["line"]["color"] for line in lines}) == 6
