"""The protocol and Table I beside the paper's."""

from __future__ import annotations

import re


def test_the_protocol_stands_beside_the_papers(paper_text: str) -> None:
    assert "data set CIFAR-10, STL-10 at 32x32, ImageNet at 128x128 digits8" in paper_text
    assert "iterations 50,000 in Figs. 2 to 4 1,500" in paper_text
    assert "n_critic 5; on ImageNet 1 1" in paper_text
    assert re.search(r"What keeps the others from it.*data set \(4\)", paper_text)


def test_table_1_has_both_sizes(paper_text: str) -> None:
    assert "A_1024-128 1024 128 cifar10 80 48 digits8 1,000 1" in paper_text
