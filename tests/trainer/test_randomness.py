"""Draws by seed, iteration and purpose."""

import torch

from trainer.data.images import load
from trainer.randomness import draw_purpose, generator


def test_draws_repeat_for_the_same_seed_iteration_and_purpose():
    images = load("digits8", "cpu")
    a, b, c = (images.draw(8, generator("cpu", 0, k, "D update 0"))[0] for k in (7, 7, 8))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_purposes_of_micro_batches_differ_and_the_first_is_the_undivided_one():
    purposes = [draw_purpose(k, j) for k in range(12) for j in range(12)]
    assert len(set(purposes)) == 144
    assert draw_purpose(3) == draw_purpose(3, 0) == "D update 3"
    assert draw_purpose(3, 2) == "D update 3.2"
