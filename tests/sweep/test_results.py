"""The public door to the store."""

from __future__ import annotations

from sweep import results


def test_the_names_that_are_handed_on_stay() -> None:
    assert results.__all__ == ["Reader", "Store", "StoreError", "open"]
    public = {name for name in vars(results) if not name.startswith("_")}
    assert public == {*results.__all__, "annotations"}
