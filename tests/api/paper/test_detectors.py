"""Which runs are judged, and why others are not."""

from __future__ import annotations

import pytest

from api.paper.detectors import calibration_of, why_not_labelled


def row(**changes):
    fields = {"status": "completed", "parent": None, "mode_collapse_at": None, "dead_at": None}
    fields |= {"diverged_at": None, "final_modes": 300, "final_inception_score": None}
    return fields | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"mode_collapse_at": 300, "dead_at": 500}, None),
        ({"status": "running"}, "not finished"),
        ({"parent": "x"}, "branched off another run"),
        ({"dead_at": 3}, "a dead discriminator or divergence, and no mode collapse"),
        ({"final_modes": None}, "no modes and no Inception score: mode collapse was not judged"),
        ({"final_modes": None, "final_inception_score": 5.0}, None),
        (
            {"not_judged": '{"mode_collapse": "the run was too short"}'},
            "mode collapse was not judged: the run was too short",
        ),
        ({"not_judged": '{"spectral_collapse": "no layers"}'}, None),
    ],
)
def test_what_was_not_judged_is_not_healthy(changes, reason) -> None:
    assert why_not_labelled(row(**changes)) == reason


def test_calibration_seeds_are_those_from_100_on_or_as_asked() -> None:
    rows = [{"seed": seed} for seed in (0, 1, 101, 100, 101)]
    assert calibration_of(rows, None) == [100, 101]
    assert calibration_of(rows, [1, 0, 1]) == [0, 1]
