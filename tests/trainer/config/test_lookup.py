"""Names that are looked up, and patterns of them."""

import pytest

from trainer.config.lookup import UsageError, lookup, select
from trainer.config.methods import METHODS
from trainer.config.settings import SETTINGS, TOYS


def test_selection_by_pattern():
    assert select("setting", SETTINGS, ["C_*"]) == ["C_8-32", "C_16-32", "C_32-32", "C_64-32"]
    assert select("setting", SETTINGS, ["E_64-128", "A_16-128"]) == ["A_16-128", "E_64-128"]
    assert select("setting", SETTINGS, ["*", "C_*"]) == list(SETTINGS)
    with pytest.raises(UsageError, match="unknown setting 'F_"):
        select("setting", SETTINGS, ["C_*", "F_*"])


@pytest.mark.parametrize(
    ("kind", "table", "name", "message"),
    [
        ("setting", SETTINGS, "C_32-23", "unknown setting 'C_32-23'; did you mean: C_32-32"),
        ("setting", SETTINGS, "c_32-32", "unknown setting 'c_32-32'; did you mean: C_32-32"),
        ("method", METHODS, "sr_static", "unknown method 'sr_static'; did you mean: sr-static"),
        ("method", METHODS, "JARE", "unknown method 'JARE'; did you mean: jare"),
        (
            "toy problem",
            TOYS,
            "?",
            "unknown toy problem '?'; did you mean: ring8, grid25, affine?",
        ),
    ],
)
def test_unknown_names_are_answered_with_the_nearest_or_with_all(kind, table, name, message):
    with pytest.raises(UsageError) as error:
        lookup(kind, table, name)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_lookup():
    assert lookup("setting", SETTINGS, "A_16-128").batch_size == 16
