"""The spaces of a search: what is in them, under which names, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.plan.search_space import (
    COMPENSATIONS,
    available_spaces,
    search_name,
    spaces_over_everything,
    spaces_over_i,
)
from trainer.config.lookup import UsageError
from trainer.config.settings import PROFILES, SETTINGS
from trainer.config.trial import trial_config


def test_i_is_one_of_32_steps_and_its_trials_are_those_of_the_other_sweeps() -> None:
    first, second = spaces_over_i("digits", ["C_8-32", "B_64-64"], "sr-static", 0)
    assert (first.name, second.name) == ("B_64-64", "C_8-32")
    assert sorted(c.i_ratio or 0 for c in second.trials.values()) == [k / 32 for k in range(1, 33)]
    half = second.trial({"i_ratio": 0.5})
    assert half == trial_config("digits", "C_8-32", "sr-static", 0)
    assert second.trial({"i_ratio": 0.51}) is None


@pytest.mark.parametrize("profile", ["paper", "digits"])
def test_a_row_of_table_i_has_its_name_in_the_full_space(profile: str) -> None:
    spaces = {
        space.name: space for space in spaces_over_everything(profile, None, 3, iterations=7)
    }
    assert set(spaces) == set(PROFILES[profile].dataset.values())
    for row in SETTINGS.values():
        assert row.dataset is not None
        space = spaces[PROFILES[profile].dataset[row.dataset]]
        sizes = {"batch_size": row.batch_size, "channels": row.channels}
        sizes |= {"discriminator_rate_factor": 1.0}
        assert space.trial({"method": "sn", **sizes}) == trial_config(
            profile, row.name, "sn", 3, iterations=7
        )


def test_the_full_space_has_every_pair_once_and_i_only_where_it_matters() -> None:
    (space,) = spaces_over_everything("digits", ["digits16"], 0)
    trials = space.trials.values()
    assert len({c.trial_id for c in trials}) == len(space.trials) == 4 * 36 * (3 + 2 * 32)
    assert {c.method for c in trials} == {*COMPENSATIONS, "sn-ttur"}
    assert {c.dataset for c in trials} == {"digits16"}
    assert {c.setting for c in trials if not c.setting.startswith("U_")} == {
        "E_64-128", "E_256-128", "E_256-64", "E_256-32",
    }  # fmt: skip
    for parameters, config in space.trials.items():
        assert (config.i_ratio is not None) == space.lifts(dict(parameters))
        assert dict(parameters).get("i_ratio") == config.i_ratio
        assert config.setting.endswith("_{batch_size}-{channels}".format(**dict(parameters)))
        factor = dict(parameters)["discriminator_rate_factor"]
        assert config.discriminator_rate_factor == (None if factor == 1 else factor)


def test_sn_at_another_rate_of_d_is_the_trial_of_other_sweeps() -> None:
    (space,) = spaces_over_everything("digits", ["digits8"], 0)
    sizes = {"method": "sn", "batch_size": 32, "channels": 32}
    faster = space.trial({**sizes, "discriminator_rate_factor": 4.0})
    assert faster == trial_config("digits", "C_32-32", "sn-ttur", 0)
    assert "discriminator_rate_factor of 1, 2, 4, 8" in space.in_words()


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match=r"lifts no singular values .* sr-static, sr-lift"):
        spaces_over_i("digits", ["C_8-32"], "sr-dynamic", 0)
    with pytest.raises(UsageError, match="unknown method 'sr_static'; did you mean: sr-static"):
        spaces_over_i("digits", ["C_8-32"], "sr_static", 0)
    with pytest.raises(UsageError, match="unknown setting 'C_9-32'; did you mean: C_8-32"):
        spaces_over_i("digits", ["C_9-32"], "sr-static", 0)
    with pytest.raises(UsageError, match="unknown data set of the digits profile 'digits9'"):
        spaces_over_everything("digits", ["digits9"], 0)
    with pytest.raises(UsageError, match="unknown profile 'digit'"):
        spaces_over_i("digit", ["*"], "sr-static", 0)
    with pytest.raises(UsageError, match="unknown profile 'digit'"):
        spaces_over_everything("digit", None, 0)
    with pytest.raises(UsageError, match="iterations must be at least 1, but got 0"):
        spaces_over_everything("digits", None, 0, iterations=0)


def test_studies_without_their_data_set_are_skipped(tmp_path: Path) -> None:
    spaces = spaces_over_i("paper", ["B_8-64", "E_64-128"], "sr-static", 0)
    (tmp_path / "cifar-10-batches-py").mkdir()
    kept, skipped = available_spaces(spaces, tmp_path, download=False)
    assert [space.name for space in kept] == ["B_8-64"]
    assert list(skipped) == ["E_64-128"]
    assert "stl10_binary/" in skipped["E_64-128"]
    with pytest.raises(UsageError, match="no data set of this search is there: cifar10 is read"):
        available_spaces(spaces, None, download=False)


def test_a_name_is_of_the_space_and_the_samplers_seed() -> None:
    spaces = spaces_over_i("digits", ["C_*"], "sr-static", 0)
    name = search_name(spaces, "i", "digits", 0)
    assert name == search_name(
        spaces_over_i("digits", ["C_*"], "sr-static", 0)[::-1], "i", "digits", 0
    )
    others = (
        search_name(spaces, "i", "digits", 1),
        search_name(spaces[1:], "i", "digits", 0),
        search_name(spaces_over_i("digits", ["C_*"], "sr-static", 1), "i", "digits", 0),
    )
    assert len({name, *others}) == 4
