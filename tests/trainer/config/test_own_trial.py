"""Identity of a run of somebody else's loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.config.lookup import UsageError
from trainer.config.own_trial import OwnTrial, plain_config, source_version


def trial(config: dict[str, Any] | None = None, **changes: Any) -> OwnTrial:
    return OwnTrial(**{"name": "dcgan", "config": config or {}, "version": "1", **changes})


def test_what_is_run_decides_the_id() -> None:
    first = trial({"lr": 0.1, "seed": 3, "method": "sn"})
    assert first.trial_id.startswith("own.dcgan.sn.-.s3-")
    assert first.trial_id == trial({"method": "sn", "seed": 3, "lr": 0.1}).trial_id
    others = [
        trial({"lr": 0.2, "seed": 3, "method": "sn"}),
        trial(dict(first.config), version="2"),
        trial(dict(first.config), name="wgan"),
    ]
    assert len({first.trial_id, *(other.trial_id for other in others)}) == 4


def test_scores_resources_and_what_a_sampler_chose_do_not() -> None:
    other = trial(scores={"fid": "lower"}, parameters={"x": 1}, gpus=True, entry="a:b")
    assert other.trial_id == trial().trial_id
    assert other.device_type == "cuda"


def test_words_of_any_kind_become_a_name_of_a_file() -> None:
    odd = trial({"setting": "B 64/∂", "method": "a.b:c"})
    assert odd.trial_id.startswith("own.B-64-.a-b-c.-.s0-")
    assert (odd.setting, odd.method) == ("B 64/∂", "a.b:c")


def test_config_of_numpy_and_paths_is_plain() -> None:
    plain = plain_config({"n": np.int64(3), "p": Path("/a"), "t": (1, None), "d": {"x": True}})
    assert plain == {"n": 3, "p": "/a", "t": [1, None], "d": {"x": True}}


@pytest.mark.parametrize("value", [float("nan"), object(), np.zeros(2), {1, 2}, [float("inf")]])
def test_config_that_json_has_no_form_for_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=r"config\['x'\]"):
        plain_config({"x": value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": " "}, "name must be a text"),
        ({"config": {"method": 3}}, "method must be a text"),
        ({"config": {"setting": "C_32-32"}}, "a setting of this project"),
        ({"config": {"seed": -1}}, "seed must be a whole number from 0"),
        ({"config": {"iterations": 0}}, "iterations must be a whole number from 1"),
        ({"config": {"batch_size": True}}, "batch_size must be a whole number"),
        ({"config": {"i_ratio": 2.0}}, "i_ratio must be in"),
        ({"scores": {"fid": "down"}}, "lower or higher is better, not 'down'"),
    ],
)
def test_bad_values_are_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        trial(**changes)


def test_another_source_is_another_version(tmp_path: Path) -> None:
    source = tmp_path / "train.py"
    source.write_text("a = 1\n")
    first = source_version(source)
    source.write_text("a = 2\n")
    assert first.startswith("sha256:")
    assert source_version(source) != first
    with pytest.raises(UsageError, match="cannot read"):
        source_version(tmp_path / "none.py")
