"""The shipped classifier, its gate, and what the scores say of images whose truth is known."""

import hashlib

import pytest
import torch

from trainer.config.trial import CLASSIFIER_FILE, classifier_hash
from trainer.data.images import digit_pools, load
from trainer.randomness import generator
from trainer.scores import digits, metrics


def test_held_out_accuracy_is_what_the_file_says(scorer):
    _, _, held_out, labels = digit_pools()
    predicted = scorer.classifier(digits.unit_cells(held_out))[1].argmax(1)
    accuracy = float((predicted == labels).double().mean())
    assert accuracy == pytest.approx(scorer.held_out_accuracy)
    assert accuracy > 0.985


def test_hash_is_of_the_shipped_file():
    assert classifier_hash() == hashlib.sha256(CLASSIFIER_FILE.read_bytes()).hexdigest()


def test_controls(images, scorer):
    rows = digits.control_scores(images, scorer, 10_000)
    real = rows["held-out real"]
    assert real["modes"] == 1000
    assert real["valid_share"] > 0.9
    assert real["fd_digits"] < 15
    assert rows["noise"]["modes"] == rows["constant"]["modes"] == 0
    assert rows["noise"]["modes_ungated"] > 500, "the reason for the gate"
    assert rows["constant"]["joint_class_score"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 0.2, 0.3, 0.5, 1.0])
def test_no_constant_is_valid(scorer, level):
    constant = torch.full((4, 3, 8, 8), round(255 * level), dtype=torch.uint8)
    assert digits.scores(constant, scorer)["valid_share"] == 0


def test_binary_noise_and_shuffled_digits_are_not_valid(images, scorer):
    rng = torch.Generator().manual_seed(0)
    binary = 255 * torch.randint(2, (2000, 3, 8, 8), generator=rng, dtype=torch.uint8)
    real = images.draw_uint8(2000, rng)
    shuffled = real.flatten(2)[:, :, torch.randperm(64, generator=rng)].view_as(real)
    for junk in (binary, shuffled):
        assert digits.scores(junk, scorer)["valid_share"] < 0.001


def test_known_numbers_of_modes(images, scorer):
    _, labels, _, _ = digit_pools()
    ones = images.train[labels == 1]
    stacked = ones[torch.arange(300) % len(ones)].expand(-1, 3, -1, -1)
    found = digits.scores(stacked, scorer)
    assert found["modes"] == 1
    assert found["reverse_kl"] == pytest.approx(6.9078, abs=1e-3)


def test_exact_statistics_are_the_limit_of_drawn_ones(images, scorer):
    def distance(n):
        cells = digits.unit_cells(images.draw_uint8(n, generator("cpu", 0, 0, "test")))
        features = scorer.classifier(cells)[0].view(n, -1)
        return metrics.frechet_distance(
            *metrics.statistics(features), scorer.mean, scorer.covariance
        )

    few, many = distance(1_000), distance(20_000)
    assert many < 1.5
    assert few > 5 * many


def test_scores_do_not_depend_on_the_resolution(scorer):
    small, large = load("digits8", "cpu"), load("digits16", "cpu")
    rng = [generator("cpu", 0, 0, "test") for _ in range(2)]
    a, b = (
        digits.scores(d.draw_uint8(500, r), scorer)
        for d, r in zip((small, large), rng, strict=True)
    )
    assert a == pytest.approx(b, rel=1e-5)


def test_a_scorer_does_not_depend_on_the_threads_of_the_one_before() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        digits.load_scorer("cpu")
        torch.set_num_threads(1)
        later = digits.load_scorer("cpu")
        digits._load_scorer.cache_clear()
        fresh = digits.load_scorer("cpu")
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(later.mean, fresh.mean)
    assert torch.equal(later.covariance, fresh.covariance)
