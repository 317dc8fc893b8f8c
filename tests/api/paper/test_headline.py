"""The answer at the top of the paper page."""

from __future__ import annotations

from api.paper.headline import HEADLINE_METHODS
from trainer.config.settings import METHODS


def test_the_answer_comes_first(paper_text: str) -> None:
    assert (
        "22 runs of 4 of the paper's 26 settings, 3 seeds" in paper_text
    )  # at i 0.5, without the rescue
    assert "mode collapse was seen in 3 of 7 runs of sn" in paper_text
    assert (
        "The control sn-renorm, which renormalises and lifts nothing, has it in 3 of 3"
        in paper_text
    )
    assert "10 of 26 settings collapsed with SN, none with SR" in paper_text
    assert paper_text.index("mode collapse was seen in") < paper_text.index("How it was measured")


def test_methods_that_stand_for_sr_are_known() -> None:
    """The page's own list of them: a method that is renamed must be renamed there too."""
    assert set(HEADLINE_METHODS) <= set(METHODS)
