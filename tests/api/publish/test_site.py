"""What a published folder holds, and what is done with a store that is not whole."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from api.publish.part import SweepPart
from api.publish.site import Request, build, evenly, file_name, published_samples
from sweep.store.store import Store

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_every_seed_is_there(published: Path, small: Path) -> None:
    plan = Store(small).read_rows("sweeps", "small")
    trials = pd.read_parquet(published / "data/trials.parquet")
    assert sorted(trials["trial_id"]) == sorted(row["trial_id"] for row in plan)
    assert list(pd.read_csv(published / "data/trials.csv")["trial_id"]) == list(trials["trial_id"])
    curves = pd.read_parquet(published / "data/evaluations.parquet")
    own = [Store(small).read_rows("evaluations", row["trial_id"]) for row in plan]
    assert len(curves) == sum(map(len, own))
    listed = (published / "trials.html").read_text()
    for row in plan:
        assert f'href="trials/{row["trial_id"]}.html"' in listed
        assert (published / "trials" / f"{row['trial_id']}.html").is_file()


def test_an_unreadable_file_is_named_and_left_out(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(small, root)
    trial_id = Store(root).read_rows("sweeps", "small")[0]["trial_id"]
    (root / "evaluations" / f"{trial_id}.parquet").write_bytes(b"no Parquet")
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out"
    out.mkdir()
    builder = asyncio.run(
        build(
            SweepPart(root, "small"),
            out,
            Request(published_at=AT, command="python -m sweep.publish small out"),
            lambda done, trials: seen.append((done, trials)),
        )
    )
    assert seen[0] == (0, 13)
    assert seen[-1] == (13, 13)
    assert f"evaluations/{trial_id}.parquet" in builder.left_out
    assert trial_id in (out / "provenance.html").read_text()
    assert not (out / "trials" / trial_id / "evaluations.csv").exists()
    assert (out / "trials" / f"{trial_id}.html").is_file()


def test_samples_are_spread_and_bounded(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = SweepPart(small, "small")
    trial_id = Store(small).read_rows("sweeps", "small")[0]["trial_id"]
    every = published_samples(part, trial_id, 99)
    assert len(every) > 3
    assert published_samples(part, trial_id, None) == every
    assert published_samples(part, trial_id, 2) == [every[0], every[-1]]
    monkeypatch.setattr("api.publish.site.SAMPLE_BYTES", 1)
    assert published_samples(part, trial_id, None) == [every[0], every[-1]]
    assert published_samples(part, "digits.none", None) == []


def test_values_are_spread_evenly() -> None:
    assert evenly(range(10), 4) == [0, 3, 6, 9]
    assert evenly([5], 2) == [5]
    assert evenly(range(3), 8) == [0, 1, 2]


def test_names_of_files_are_plain() -> None:
    assert file_name("digits.C_32-32.sn.-.s0-ab") == "digits.C_32-32.sn.-.s0-ab"
    assert file_name("a/b c") == "a_b_c"
