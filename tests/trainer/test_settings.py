"""Table I as data, its scaling to the digits, and the identity of a trial."""

import dataclasses
import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sweep.paper import TABLE_II
from trainer.config import network_operations, trial_config
from trainer.models import Discriminator, Generator
from trainer.settings import METHODS, PROFILES, SETTINGS, UsageError, lookup, select


def test_table_i_has_the_papers_rows():
    groups = {g: sum(s.group == g for s in SETTINGS.values()) for g in "ABCDE"}
    assert groups == {"A": 7, "B": 6, "C": 4, "D": 3, "E": 6}
    assert list(SETTINGS) == list(TABLE_II)
    assert SETTINGS["E_2048-64"].dataset == "imagenet"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", METHODS)
def test_no_two_settings_become_the_same_trial(profile, method):
    configs = [trial_config(profile, name, method, 0) for name in SETTINGS]
    sizes = {(c.dataset, c.batch_size, c.channels) for c in configs}
    assert len(sizes) == len({c.trial_id for c in configs}) == 26


def test_digits_scaling_keeps_the_order_of_batch_sizes_and_widths():
    digits = PROFILES["digits"]
    for table in (digits.batch_size, digits.channels):
        assert list(table.values()) == sorted(set(table.values()))
    for channels, scaled in digits.channels.items():
        assert scaled == 16 * math.log2(channels / 16)
    for batch, scaled in digits.batch_size.items():
        assert abs(scaled - 16 * (batch / 8) ** (1 / 3)) <= 2


def test_paper_profile_is_table_i_itself():
    config = trial_config("paper", "B_64-64", "sn", 0)
    assert (config.batch_size, config.channels, config.dataset) == (64, 64, "cifar10")
    assert (config.generator_batch_size, config.n_critic, config.iterations) == (128, 5, 50_000)


def test_id_names_what_runs_and_covers_every_field():
    config = trial_config("digits", "C_32-32", "sr-static", 3)
    assert config.trial_id.rsplit("-", 1)[0] == "digits.C_32-32.sr-static.0.5.s3"
    sn = trial_config("digits", "C_32-32", "sn", 3)
    assert sn.trial_id.rsplit("-", 1)[0] == "digits.C_32-32.sn.-.s3"
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        other = value + "x" if isinstance(value, str) else value / 2 if value else 1
        changed = dataclasses.replace(config, **{field.name: other}) if other else None
        assert changed is None or changed.trial_id != config.trial_id, field.name


def test_id_is_the_same_in_every_process():
    """A change here means that nothing stored so far is found again: raise SEMANTICS knowingly."""
    config = trial_config("digits", "C_32-32", "sn", 0)
    assert config.trial_id == trial_config("digits", "C_32-32", "sn", 0).trial_id
    assert config.semantics == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digits", "C_32-23", "sn", 0), "unknown setting 'C_32-23'; did you mean: C_32-32"),
        (("digits", "C_32-32", "sr_static", 0), "unknown method 'sr_static'; did you mean: sr-st"),
        (("digit", "C_32-32", "sn", 0), "unknown profile 'digit'; did you mean: digits"),
        (("digits", "C_32-32", "sn", -1), "seed must be at least 0, but got -1"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(arguments, said):
    with pytest.raises(UsageError, match=r"^" + said.replace("?", r"\?")):
        trial_config(*arguments)


@pytest.mark.parametrize("i_ratio", [0.0, -0.5, 1.01, float("nan")])
def test_i_ratio_outside_its_range(i_ratio):
    with pytest.raises(UsageError, match=r"i_ratio must be in \(0, 1\]"):
        trial_config("digits", "C_32-32", "sr-static", 0, i_ratio=i_ratio)


def test_i_ratio_of_a_method_that_lifts_nothing():
    with pytest.raises(UsageError, match="'sn' lifts no singular values"):
        trial_config("digits", "C_32-32", "sn", 0, i_ratio=0.5)


def test_shorter_runs_are_evaluated_as_often():
    full = trial_config("digits", "C_32-32", "sn", 0)
    short = trial_config("digits", "C_32-32", "sn", 0, iterations=100)
    assert full.iterations / full.evaluate_every == short.iterations / short.evaluate_every


def test_selection_by_pattern():
    assert select("setting", SETTINGS, ["C_*"]) == ["C_8-32", "C_16-32", "C_32-32", "C_64-32"]
    assert select("setting", SETTINGS, ["E_64-128", "A_16-128"]) == ["A_16-128", "E_64-128"]
    with pytest.raises(UsageError, match="unknown setting 'F_"):
        select("setting", SETTINGS, ["C_*", "F_*"])
    assert lookup("setting", SETTINGS, "A_16-128").batch_size == 16


@pytest.mark.parametrize(("resolution", "channels"), [(8, 16), (32, 128)])
def test_operations_are_those_of_the_networks(resolution, channels):
    """Against the multiply-adds that torch counts in one forward pass."""
    profile = "digits" if resolution == 8 else "paper"
    config = trial_config(profile, "C_32-32" if resolution == 8 else "A_64-128", "sn", 0)
    assert (config.resolution, config.channels) == (resolution, channels)
    networks = (
        (Generator(resolution, config.generator_channels, 128), torch.randn(1, 128)),
        (Discriminator(channels), torch.randn(1, 3, resolution, resolution)),
    )
    for (network, x), ours in zip(networks, network_operations(config), strict=True):
        network.eval()
        with FlopCounterMode(display=False) as counter:
            network(x)
        assert ours == pytest.approx(counter.get_total_flops() / 2, rel=1e-3)
