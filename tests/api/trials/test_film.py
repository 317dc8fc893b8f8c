"""Which samples are shown around a collapse and over a run."""

import pytest

from api.trials.film import FRAMES, film, frames, moments


@pytest.mark.parametrize(
    ("collapse", "iterations"),
    [(300, [250, 300, 350]), (0, [0, 250]), (260, [250, 300, 350]), (350, [300, 350])],
)
def test_moments_stand_around_the_collapse(collapse, iterations):
    samples = [0, 250, 300, 350]
    assert [iteration for _, iteration in moments(samples, collapse)] == iterations
    assert ("where it began", next(k for k in samples if k >= collapse)) in moments(
        samples, collapse
    )


@pytest.mark.parametrize(("samples", "collapse"), [([0, 50], None), ([], 50), ([0, 50], 100)])
def test_without_a_collapse_or_its_samples_there_are_no_moments(samples, collapse):
    assert moments(samples, collapse) == []


def test_frames_are_spread_from_the_first_to_the_last():
    assert frames(range(0, 1001, 50)) == [0, 200, 400, 600, 800, 1000]
    assert len(frames(range(1000))) == FRAMES
    assert frames([0, 7]) == [0, 7]


def test_a_film_is_empty_after_its_run_has_ended():
    assert film([0, 100, 200], [0, 150, 200, 300]) == [0, 100, 200, None]
    assert film([100], [0, 100]) == [None, 100]
    assert film([], [0]) == [None]
