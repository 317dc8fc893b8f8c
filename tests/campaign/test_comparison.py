"""The comparison of two stores: it finds what is planted, and nothing in equal ones."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from sweep.store.processes import own_record
from sweep.store.store import Store
from tests.campaign.comparison import (
    compare,
    contents,
    digest_of,
    lasting_temporaries,
    live_claims,
    of_trials,
)

TRIALS = ("t0", "t1")
NAN = float("nan")


def fill(root: Path, seconds: float = 1.0) -> Store:
    """Two trials of three evaluations, with all that a trial leaves, and their plan."""
    store = Store(root)
    store.write_rows("sweeps", "s", [{"sweep": "s", "trial_id": i} for i in TRIALS])
    store.write("sweeps/s.json", json.dumps({"seconds": seconds}).encode())
    for trial_id in TRIALS:
        row = {"trial_id": trial_id, "status": "completed", "seconds": seconds, "final_fid": NAN}
        store.write_rows("trials", trial_id, [row])
        store.write_rows("evaluations", trial_id, evaluations(trial_id, seconds))
        state = {"w": torch.arange(3.0), "seconds": seconds, "history": [{"seconds": seconds}]}
        store.write(f"checkpoints/{trial_id}/2.pt", saved(state))
        store.write(f"samples/{trial_id}/2.png", b"png")
    return store


def evaluations(trial_id: str, seconds: float = 1.0) -> list[dict[str, Any]]:
    return [
        {"trial_id": trial_id, "iteration": i, "seconds": seconds, "d_loss": 0.1 * i, "fid": NAN}
        for i in range(3)
    ]


def saved(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def lose(store: Store) -> None:
    store.write_rows("evaluations", "t0", evaluations("t0")[:2])


def double(store: Store) -> None:
    rows = evaluations("t0")
    store.write_rows("evaluations", "t0", [*rows, rows[1]])


def change(store: Store) -> None:
    rows = evaluations("t0")
    rows[1]["d_loss"] += 1e-17 + 2**-54
    store.write_rows("evaluations", "t0", rows)


def change_weights(store: Store) -> None:
    state = {"w": torch.tensor([0.0, 1.0, 2.0000002]), "seconds": 1.0, "history": []}
    store.write("checkpoints/t0/2.pt", saved(state))


def damage(store: Store) -> None:
    store.write("checkpoints/t0/2.pt", b"no checkpoint")


def change_sample(store: Store) -> None:
    store.write("samples/t1/2.png", b"another")


def add_sample(store: Store) -> None:
    store.write("samples/t1/3.png", b"png")


def add_trial(store: Store) -> None:
    store.write_rows("trials", "t2", [{"trial_id": "t2"}])


def add_stranger(store: Store) -> None:
    store.write("evaluations/t0.parquet.1234", b"")


def lose_plan(store: Store) -> None:
    store.write_rows("sweeps", "s", [{"sweep": "s", "trial_id": "t0"}])


def lose_trial(store: Store) -> None:
    store.delete("trials/t1.parquet")


@pytest.fixture
def whole(tmp_path: Path) -> Store:
    return fill(tmp_path / "whole")


def test_equal_stores_do_not_differ(whole: Store, tmp_path: Path) -> None:
    """Whatever their times, and NaN is equal to itself."""
    other = fill(tmp_path / "other", seconds=2.0)
    assert not any(compare(contents(whole), contents(other)).counts().values())
    assert len(contents(whole)) == 2 * (1 + 3 + 1 + 1) + 2


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (lose, {"lost": ["evaluations t0 2"]}),
        (double, {"doubled": ["evaluations t0 1"]}),
        (change, {"different": ["evaluations t0 1"]}),
        (change_weights, {"different": ["checkpoints t0 2.pt"]}),
        (damage, {"different": ["checkpoints t0 2.pt"]}),
        (change_sample, {"different": ["samples t1 2.png"]}),
        (add_sample, {"extra": ["samples t1 3.png"]}),
        (add_trial, {"extra": ["trials t2 t2"]}),
        (add_stranger, {"extra": ["unknown evaluations/t0.parquet.1234"]}),
        (lose_plan, {"lost": ["sweeps s t1"]}),
        (lose_trial, {"lost": ["trials t1 t1"]}),
    ],
)
def test_what_is_planted_is_found(
    whole: Store, tmp_path: Path, plant: Callable[[Store], None], expected: dict[str, list[str]]
) -> None:
    other = fill(tmp_path / "other")
    plant(other)
    differences = compare(contents(whole), contents(other))
    assert list(differences.lines()) == [f"{k}: {name}" for k in expected for name in expected[k]]
    assert sum(differences.counts().values()) == 1


def test_an_unreadable_table_loses_its_rows(whole: Store, tmp_path: Path) -> None:
    other = fill(tmp_path / "other")
    other.write("evaluations/t0.parquet", b"PAR1")
    counts = compare(contents(whole), contents(other)).counts()
    assert (counts["lost"], counts["extra"]) == (3, 1)


def test_one_trial_is_compared_alone(whole: Store, tmp_path: Path) -> None:
    other = fill(tmp_path / "other")
    shutil.rmtree(tmp_path / "other/sweeps")
    lose_trial(other)
    part = of_trials(contents(whole), ["t0"])
    assert {key[1] for key in part} == {"t0"}
    differences = compare(part, of_trials(contents(other), ["t0"]))
    assert not any(differences.counts().values())


def test_claims_of_living_owners_are_found(whole: Store) -> None:
    now = datetime.now(UTC)
    mine = own_record() | {"attempt": "a", "heartbeat": now.isoformat()}
    old = (now - timedelta(hours=1)).isoformat()
    for name, changes in {"live": {}, "old": {"heartbeat": old}, "gone": {"pid": 2**22}}.items():
        whole.write(f"claims/{name}.json", json.dumps(mine | changes).encode())
    assert live_claims(whole) == ["claims/live.json"]


def test_temporaries_that_no_start_removes_are_found(whole: Store) -> None:
    root = Path(whole.base)
    (root / ".tmp").mkdir(exist_ok=True)
    (root / ".tmp/trials.t0.parquet.7").write_bytes(b"")
    assert lasting_temporaries(root) == []
    (root / "trials/.t0.parquet.7.tmp").write_bytes(b"")
    assert lasting_temporaries(root) == ["trials/.t0.parquet.7.tmp"]


def test_digests_tell_bits_apart() -> None:
    values = [0.0, -0.0, NAN, 1, 1.0, True, None, "1", [1.0], [1.0, 1.0], {"a": 1}, {"b": 1}]
    values += [torch.zeros(2), torch.zeros(1, 2), -torch.zeros(2), torch.zeros(2).double()]
    assert len({digest_of(value) for value in values}) == len(values)
    assert digest_of(torch.tensor([NAN])) == digest_of(torch.tensor([NAN]))
    assert digest_of({"seconds": 1, "a": 2}) == digest_of({"seconds": 2, "a": 2})
