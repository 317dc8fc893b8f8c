"""The identity of trials of a person's own code, and the methods that do not go with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from trainer.config.lookup import UsageError
from trainer.config.own_code import NetworkFacts, NetworkSizes, OwnCode, unchanged_function
from trainer.config.trial import TrialConfig, trial_config

FACTS = NetworkFacts(
    layers=("a", "b"),
    ranks=(4, 8),
    voting=(0, 1),
    operations=(100.0, 200.0),
    operators=(10.0, 20.0),
    kept_bytes=(1000.0, 2000.0),
    parameters=(30, 40),
)


def code_of(facts: NetworkFacts | None = FACTS, **fields: str) -> OwnCode:
    def check(code: OwnCode, sizes: NetworkSizes) -> NetworkFacts | None:
        assert sizes.resolution == 8
        return facts

    return OwnCode(check=check, **fields)


NETWORKS = {"networks": "mine.nets:build", "networks_source": "sha256:1"}
LOSS = {"loss": "mine.nets:loss", "loss_source": "sha256:1"}
AUGMENT = {"augment": "mine.nets:augment", "augment_source": "sha256:1"}


def config_of(
    method: str = "sn", facts: NetworkFacts | None = FACTS, **fields: str
) -> TrialConfig:
    return trial_config("digits", "C_32-32", method, 0, code=code_of(facts, **fields))


def test_the_id_is_of_paths_and_sources_and_not_of_what_is_measured() -> None:
    ids = [
        config_of(**fields).trial_id
        for fields in (
            NETWORKS,
            {**NETWORKS, "networks_source": "sha256:2"},
            {**NETWORKS, "networks": "mine.nets:other"},
            {**NETWORKS, **LOSS},
            {**NETWORKS, **AUGMENT},
        )
    ]
    assert len(set(ids)) == len(ids)
    slower = dataclasses.replace(FACTS, operations=(1.0, 1.0))
    assert config_of(facts=slower, **NETWORKS).trial_id == ids[0]
    assert ids[0].startswith("digits.nets-")
    assert "_32-32.sn.-.s0-" in ids[0]


def test_without_own_code_the_ids_are_those_of_before() -> None:
    assert trial_config("digits", "C_32-32", "sr-static", 0).trial_id == (
        "digits.C_32-32.sr-static.0.5.s0-61ee0ec8"
    )
    assert trial_config("paper", "A_64-128", "sn", 0).trial_id == "paper.A_64-128.sn.-.s0-763030a7"


def test_a_stored_configuration_is_the_same_trial() -> None:
    config = config_of("sr-static", **NETWORKS, **LOSS)
    stored: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    again = TrialConfig(**stored)
    assert (again, again.trial_id, hash(again)) == (config, config.trial_id, hash(config))
    assert again.network_facts == FACTS


@pytest.mark.parametrize(
    ("method", "facts", "fields", "words"),
    [
        ("pacgan", {}, NETWORKS, "judges packs of images"),
        ("sn", {"untouchable": "a is odd"}, NETWORKS, "weights of D, and of mine.nets:build a is"),
        ("srip", {"untouchable": "a is odd"}, NETWORKS, "a is odd"),
        ("r1", {"mixes_images": "bn"}, NETWORKS, "bn of mine.nets:build mixes the images"),
        ("jare", {"unreached": "D's c is frozen"}, NETWORKS, "D's c is frozen"),
        ("nugan", {"unreached": "D's c is frozen"}, NETWORKS, "D's c is frozen"),
        ("rpgan", {}, LOSS, "is its loss and nothing else"),
        ("diffaug", {}, AUGMENT, "has an augmentation of its own"),
        ("unrolled", {}, AUGMENT, "on images as they are"),
    ],
)
def test_a_method_that_makes_no_sense_is_refused_with_the_reason(
    method: str, facts: dict[str, str], fields: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        config_of(method, dataclasses.replace(FACTS, **facts), **fields)


def test_methods_that_leave_the_weights_alone_run_on_any() -> None:
    odd = dataclasses.replace(FACTS, untouchable="a is odd", mixes_images="bn", unreached="c")
    for method in ("none", "rpgan"):
        assert config_of(method, odd, **NETWORKS).network_facts == odd


def test_points_have_networks_of_their_own() -> None:
    with pytest.raises(UsageError, match="ring8 is a problem of points"):
        trial_config("toy", "ring8", "sn", 0, code=code_of(**NETWORKS))


def test_a_file_that_has_changed_is_another_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "changing_module.py").write_text("def build(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="is not the one that the trial was planned with"):
        unchanged_function("changing_module:build", "sha256:of another")
