"""Configurations of named trials, their identity, and what is refused."""

import contextlib
import dataclasses
import hashlib
import itertools
import math
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.own_pictures import own_config
from trainer.config.lookup import UsageError
from trainer.config.methods import METHODS
from trainer.config.protocols import REFERENCE_SHA256
from trainer.config.settings import SETTINGS, TOYS
from trainer.config.trial import TrialConfig, trial_config

# On ImageNet, where batches come in parts, they are refused.
NOT_IN_PARTS = ("jare", "conopt", "unrolled")


def numbers(config, *names):
    return tuple(getattr(config, name) for name in names)


# What a name becomes.


@pytest.mark.parametrize("profile", ["paper", "digits"])
@pytest.mark.parametrize("method", [name for name in METHODS if name not in NOT_IN_PARTS])
def test_no_two_settings_become_the_same_trial(profile, method):
    configs = [trial_config(profile, name, method, 0) for name in SETTINGS]
    sizes = {(c.dataset, c.batch_size, c.channels) for c in configs}
    assert len(sizes) == len({c.trial_id for c in configs}) == 26


def test_paper_profile_is_table_i_itself():
    for name, setting in SETTINGS.items():
        c = trial_config("paper", name, "sn", 0)
        assert (c.batch_size, c.channels, c.dataset) == (
            setting.batch_size,
            setting.channels,
            setting.dataset,
        )


def test_cifar_trial():
    c = trial_config("paper", "B_64-64", "sn", 0)
    assert numbers(c, "resolution", "classes", "generator_channels", "latent_size") == (
        32, None, 256, 128,
    )  # fmt: skip
    assert numbers(c, "batch_size", "micro_batch", "generator_batch_size") == (64, 64, 128)
    assert numbers(c, "n_critic", "iterations", "loss", "optimiser") == (
        5, 50_000, "hinge", "adam",
    )  # fmt: skip
    assert numbers(c, "learning_rate", "discriminator_learning_rate") == (2e-4, 2e-4)
    assert numbers(c, "beta1", "beta2", "decays") == (0.0, 0.9, True)
    assert isinstance(c.beta1, float), "torch refuses an int among its betas"
    assert c.score_name == "fid"


def test_imagenet_trial():
    c = trial_config("paper", "E_2048-64", "sn", 0)
    assert numbers(c, "resolution", "classes", "channels", "generator_channels") == (
        128, 1000, 64, 64,
    )  # fmt: skip
    assert numbers(c, "batch_size", "micro_batch", "generator_batch_size") == (2048, 32, 2048)
    assert numbers(c, "n_critic", "iterations", "decays") == (1, 500_000, False)
    assert numbers(c, "learning_rate", "discriminator_learning_rate") == (1e-4, 4e-4)
    assert numbers(c, "beta1", "beta2", "generator_normalisation") == (0.0, 0.999, "sn")


def test_conditional_cifar_is_a_property_of_the_data_set():
    plain = trial_config("paper", "A_64-128", "sn", 0)
    c = trial_config("paper", "A_64-128", "sn", 0, dataset="cifar10-conditional")
    assert numbers(c, "dataset", "resolution", "classes", "batch_size") == (
        "cifar10-conditional", 32, 10, 64,
    )  # fmt: skip
    assert plain.classes is None
    assert dataclasses.replace(c, dataset="cifar10") == plain
    assert c.trial_id != plain.trial_id


def test_sizes_outside_table_i_run_on_the_data_set_that_is_given():
    c = trial_config("digits", "U_16-256", "sr-static", 0, dataset="digits16")
    row = trial_config("digits", "D_128-256", "sr-static", 0, dataset="digits16")
    assert numbers(c, "batch_size", "channels", "dataset") == (20, 64, "digits16")
    assert dataclasses.replace(c, setting=row.setting, batch_size=40, micro_batch=40) == (
        dataclasses.replace(row, generator_batch_size=20)
    )
    assert c.trial_id.startswith("digits.U_16-256.sr-static.0.5.s0-")
    other = trial_config("digits", "U_16-256", "sr-static", 0, dataset="digits8")
    assert other.trial_id != c.trial_id, "the data set is not in the name but in the hash"


def test_sizes_outside_table_i_need_a_data_set_and_no_row_of_it():
    with pytest.raises(UsageError, match=r"U_16-256 is outside Table I .* digits8, digits16"):
        trial_config("digits", "U_16-256", "sn", 0)
    with pytest.raises(UsageError, match="U_64-64 on cifar10 is B_64-64 of Table I"):
        trial_config("paper", "U_64-64", "sn", 0, dataset="cifar10")
    with pytest.raises(UsageError, match="digits8 is a data set of the digits profile"):
        trial_config("paper", "U_64-64", "sn", 0, dataset="digits8")
    with pytest.raises(UsageError, match="unknown setting 'U_16-255'"):
        trial_config("digits", "U_16-255", "sn", 0, dataset="digits8")


def test_toy_trials():
    c = trial_config("toy", "ring8", "jare", 1)
    assert numbers(c, "dataset", "resolution", "loss", "optimiser", "penalty_weight") == (
        "ring8", None, "zero-sum", "rmsprop", 1000.0,
    )  # fmt: skip
    assert c.trial_id.startswith("toy.ring8.jare.-.s1-")
    assert c.score_name == "mode_distance"
    affine = trial_config("toy", "affine", "conopt", 0)
    assert numbers(affine, "optimiser", "penalty_weight", "score_name") == (
        "sgd", 10.0, "equilibrium_distance",
    )  # fmt: skip


def test_simultaneous_methods_show_both_players_the_same_batch():
    for method in METHODS:
        c = trial_config("paper", "A_64-128", method, 0)
        together = METHODS[method].simultaneous
        assert (c.n_critic, c.generator_batch_size) == ((1, 64) if together else (5, 128)), method


@pytest.mark.parametrize("method", METHODS)
def test_a_method_brings_the_numbers_it_takes_and_no_others(method):
    m, c = METHODS[method], trial_config("digits", "C_32-32", method, 0)
    assert c.i_ratio == (0.5 if m.lifts else None)
    projects = m.form == "project"
    assert (c.projection_period, c.projection_burst) == ((5, True) if projects else (None, None))
    assert c.penalty_weight == m.penalty_weight
    nudges = numbers(c, "nudge_k", "nudge_every", "nudge_gamma")
    assert nudges == ((5, 100, 0.1) if m.nudges else (None, None, None))
    assert c.loss == m.loss
    assert c.discriminator_rate_factor == m.discriminator_rate_factor
    assert c.packing == m.packing
    assert c.unrolled_steps == m.unrolled_steps
    assert c.spectral_floor == (0.5 if m.compensation == "floor" else None)


def test_none_among_the_changes_leaves_the_default():
    plain = trial_config("digits", "C_32-32", "sr-static", 0)
    assert trial_config("digits", "C_32-32", "sr-static", 0, i_ratio=None, loss=None) == plain


def test_a_rate_of_d_is_the_profiles_times_its_factor():
    for names, rate in ((("paper", "B_64-64"), 2e-4), (("paper", "E_2048-64"), 4e-4)):
        assert trial_config(*names, "sn", 0).discriminator_rate == rate
        ttur = trial_config(*names, "sn-ttur", 0)
        assert ttur.discriminator_rate == 4 * rate
        assert ttur.discriminator_learning_rate == rate, "a pair with sn differs in the factor"
    half = trial_config("digits", "C_32-32", "sr-static", 0, discriminator_rate_factor=0.5)
    assert half.discriminator_rate == 1e-3


def test_a_factor_of_1_is_no_part_of_the_identity():
    for method in ("sn", "sr-static"):
        plain = trial_config("digits", "C_32-32", method, 0)
        assert trial_config("digits", "C_32-32", method, 0, discriminator_rate_factor=1.0) == plain


def test_shorter_runs_are_evaluated_as_often():
    full = trial_config("digits", "C_32-32", "sn", 0)
    short = trial_config("digits", "C_32-32", "sn", 0, iterations=100)
    assert full.iterations / full.evaluate_every == short.iterations / short.evaluate_every
    assert trial_config("digits", "C_32-32", "sn", 0, iterations=3).evaluate_every == 1


def test_protocols_apply_where_there_are_weights_and_have_one_label():
    scored = trial_config(
        "paper", "C_8-32", "sn", 0, scorer=REFERENCE_SHA256, curve_protocol="paper-2000"
    )
    assert numbers(scored, "curve_protocol", "curve_samples") == ("paper-2k", 2000)
    assert numbers(scored, "final_protocol", "final_samples") == ("modern-50k", 50_000)
    unscored = trial_config("paper", "C_8-32", "sn", 0)
    assert numbers(unscored, "curve_protocol", "final_protocol") == (None, None)


# Identity.

# A change here means that nothing stored so far is found again: it must be on purpose.
IDS = {
    ("toy", "ring8", "jare", 2): "toy.ring8.jare.-.s2-15ecc880",
    ("digits", "C_32-32", "sn", 0): "digits.C_32-32.sn.-.s0-5965ed5e",
    ("paper", "B_64-64", "sr-static", 1): "paper.B_64-64.sr-static.0.5.s1-7e2a83b9",
}


# Of the methods as they were when the first of these trials were stored.
FIRST_METHODS = (
    "sn", "sr-static", "sn-renorm", "sr-lift", "sr-dynamic", "sr-dynamic-renorm",
    "sr-static-reparam", "sr-dynamic-reparam", "none", "wn", "simgd", "jare", "conopt", "r1",
    "wgan-gp", "orthonormal", "nugan",
)  # fmt: skip
ALL_IDS = "e45eed8755a81d25338694bcd5dedf46102606111dd60a520855426931555bf0"


def test_no_trial_of_the_first_methods_was_renamed():
    names = [(profile, name) for profile in ("paper", "digits") for name in SETTINGS]
    names += [("toy", name) for name in ("ring8", "grid25", "affine")]
    digest = hashlib.sha256()
    for (profile, name), method in itertools.product(names, FIRST_METHODS):
        # Some are refused, as jare is where batches come in parts.
        with contextlib.suppress(UsageError):
            digest.update(trial_config(profile, name, method, 3).trial_id.encode())
    assert digest.hexdigest() == ALL_IDS


@pytest.mark.parametrize("arguments", IDS)
def test_ids_as_they_are_stored(arguments):
    assert trial_config(*arguments).trial_id == IDS[arguments]


def test_the_id_is_the_same_in_another_process():
    code = "from trainer.config.trial import trial_config as t; print(t(*{!r}).trial_id)"
    for arguments, expected in list(IDS.items())[:1]:
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[3],
            env={"PYTHONHASHSEED": "7"},
        )
        assert done.stdout.strip() == expected


def test_an_id_that_was_asked_for_is_no_part_of_the_configuration():
    config, same = (trial_config("digits", "C_8-32", "sn", 0) for _ in range(2))
    trial_id = config.trial_id
    assert config.trial_id is trial_id, "worked out once"
    assert config == same
    assert hash(config) == hash(same)
    assert dataclasses.asdict(config) == dataclasses.asdict(same)
    other = dataclasses.replace(config, seed=1)
    assert other.trial_id == trial_config("digits", "C_8-32", "sn", 1).trial_id != trial_id
    assert pickle.loads(pickle.dumps(config)).trial_id == trial_id


def test_fields_that_do_not_apply_are_not_hashed():
    """So that a new field of one method renames no trial of another."""

    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Later(TrialConfig):
        new_field: float | None = None

    config = trial_config("digits", "C_32-32", "sn", 0)
    values = dataclasses.asdict(config)
    assert Later(**values).trial_id == config.trial_id
    assert Later(**values, new_field=1.0).trial_id != config.trial_id


# A valid other value of each field, where it is not twice the number or another string.
OTHER = {
    "resolution": 16,
    "batch_size": 96,
    "micro_batch": 1,
    "i_ratio": 0.25,
    "precision": "bf16",
    "seed": 7,
    "projection_burst": False,
    "decays": False,
    "beta1": 0.5,
    "method": "sr-lift",
}
# And of the fields that are None in what is changed.
ABSENT = {
    "hessian_k": 2,
    "curve_protocol": "paper-5k",
    "final_protocol": "modern-50k",
    "parent": "digits.C_32-32.sn.-.s0-5965ed5e",
    "parent_iteration": 3,
    "data_share": 0.1,
    "world_size": 2,
}
# And of those on own pictures; the data set's name begins as the hash does.
OF_OWN_IMAGES = {"data_sha256": 4 * "ab" + 28 * "01", "data_images": 4501, "data_classes": 3}
# And of those that run a person's own code; what is measured of it follows from these.
OF_OWN_CODE = {
    "networks": "nets:build", "networks_source": "sha256:ab", "loss_source": "sha256:ab",
    "augment": "nets:augment", "augment_source": "sha256:ab",
}  # fmt: skip
OTHER_METHODS = {
    "penalty_weight": ("r1", 3.0),
    "nudge_k": ("nugan", 3),
    "nudge_every": ("nugan", 3),
    "nudge_gamma": ("nugan", 0.5),
    "discriminator_rate_factor": ("sn-ttur", 2.0),
    "packing": ("pacgan", 3),
    "unrolled_steps": ("unrolled", 1),
    "spectral_floor": ("sr-floor", 0.25),
}


@pytest.mark.parametrize(
    "name",
    [field.name for field in dataclasses.fields(TrialConfig) if field.name != "network_facts"],
)
def test_every_field_changes_the_id(name):
    method, value = OTHER_METHODS.get(name, ("sr-static", None))
    config = trial_config("digits", "C_32-32", method, 0)
    if name in OF_OWN_IMAGES:
        config = own_config(32, method)
    if name == "world_size":
        config = dataclasses.replace(config, micro_batch=config.batch_size // 2)
    now = getattr(config, name)
    if value is None:
        value = (OTHER | ABSENT | OF_OWN_IMAGES | OF_OWN_CODE).get(name)
    if value is None:
        value = f"{now}x" if isinstance(now, str) else 2 * now
    assert value != now
    changed = dataclasses.replace(config, **{name: value})
    assert changed.trial_id != config.trial_id
    if name not in ("profile", "setting", "method", "seed", "i_ratio"):
        readable, _ = config.trial_id.rsplit("-", 1)
        assert changed.trial_id.startswith(f"{readable}-"), "only the hash differs"


def test_a_world_size_of_one_is_none():
    alone = trial_config("digits", "C_32-32", "sn", 0)
    one = trial_config("digits", "C_32-32", "sn", 0, world_size=1)
    assert (one, one.trial_id, one.ranks) == (alone, alone.trial_id, 1)


@pytest.mark.parametrize(
    ("setting", "world_size", "micro_batch"),
    [("C_64-32", 2, 32), ("C_64-32", 8, 8), ("E_2048-64", 8, 32), ("E_512-64", 32, 16)],
)
def test_every_rank_takes_as_many_micro_batches(setting, world_size, micro_batch):
    """Of the recipe's size, 64 and 32, or smaller where there are too few."""
    c = trial_config("paper", setting, "sn", 0, world_size=world_size)
    assert (c.ranks, c.micro_batch) == (world_size, micro_batch)
    assert c.batch_size // c.micro_batch % world_size == 0


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_which_gpu_of_a_host_runs_a_trial_is_no_part_of_its_id(precision):
    def on(device, setting="C_32-32"):
        return trial_config("paper", setting, "sn", 0, device=device, precision=precision)

    first, second = on("cuda"), on("cuda:1")
    assert second.trial_id == first.trial_id
    assert (second.device, second.device_type) == ("cuda:1", "cuda")
    cpu = trial_config("paper", "C_32-32", "sn", 0, device="cpu")
    assert cpu.device_type == "cpu"
    assert cpu.trial_id != first.trial_id


def test_id_names_what_runs():
    def readable(*arguments, **changes):
        return trial_config(*arguments, **changes).trial_id.rsplit("-", 1)[0]

    assert readable("digits", "C_32-32", "sr-static", 3) == "digits.C_32-32.sr-static.0.5.s3"
    assert readable("digits", "C_32-32", "sn", 3) == "digits.C_32-32.sn.-.s3"
    eighth = readable("paper", "A_16-128", "sr-lift", 0, i_ratio=0.125)
    assert eighth == "paper.A_16-128.sr-lift.0.125.s0"


# What is refused, in one line.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digits", "C_32-23", "sn", 0), "unknown setting 'C_32-23'; did you mean: C_32-32"),
        (("digits", "C_32-32", "sr_static", 0), "unknown method 'sr_static'; did you mean: sr-st"),
        (("digit", "C_32-32", "sn", 0), "unknown profile 'digit'; did you mean: digits"),
        (("toy", "ring9", "sn", 0), "unknown toy problem 'ring9'; did you mean: ring8"),
        (("digits", "C_32-32", "sn", -1), "seed must be at least 0, but got -1"),
        (("digits", "C_32-32", "sn", 2**63), "seed must be at most 2^63 - 1, but got 92233720368"),
    ],
)
def test_unknown_names(arguments, said):
    with pytest.raises(UsageError) as error:
        trial_config(*arguments)
    assert str(error.value).startswith(said)


CIFAR, IMAGENET = ("paper", "A_64-128"), ("paper", "E_512-64")
REFUSED = [
    (CIFAR, "sr-static", {"i_ratio": 0.0}, "i_ratio must be in (0, 1], but got 0"),
    (CIFAR, "sr-static", {"i_ratio": -0.5}, "i_ratio must be in (0, 1], but got -0.5"),
    (CIFAR, "sr-static", {"i_ratio": 1.01}, "i_ratio must be in (0, 1], but got 1.01"),
    (CIFAR, "sr-static", {"i_ratio": math.nan}, "i_ratio must be in (0, 1], but got nan"),
    (
        CIFAR,
        "sn",
        {"i_ratio": 0.5},
        "method 'sn' lifts no singular values by rank and takes no i_ratio",
    ),
    (
        CIFAR,
        "sr-dynamic",
        {"i_ratio": 0.5},
        "method 'sr-dynamic' lifts no singular values by rank and takes no i_ratio",
    ),
    (
        CIFAR,
        "sr-static-reparam",
        {"projection_period": 5},
        "method 'sr-static-reparam' overwrites no weights and takes no projection_period",
    ),
    (
        CIFAR,
        "sn",
        {"projection_burst": False},
        "method 'sn' overwrites no weights and takes no projection_burst",
    ),
    (
        CIFAR,
        "sn",
        {"penalty_weight": 1.0},
        "method 'sn' has no penalty and takes no penalty_weight",
    ),
    (CIFAR, "sn", {"nudge_k": 3}, "method 'sn' nudges no gradient and takes no nudge_k"),
    (
        CIFAR,
        "sn",
        {"discriminator_rate_factor": 2.0},
        "method 'sn' with a discriminator_rate_factor of 2 is 'sn-ttur': use that name",
    ),
    (
        CIFAR,
        "sn-ttur",
        {"discriminator_rate_factor": 1.0},
        "method 'sn-ttur' with a discriminator_rate_factor of 1 is 'sn': use that name",
    ),
    *(
        (
            CIFAR,
            "sr-static",
            {"discriminator_rate_factor": factor},
            f"discriminator_rate_factor must be above 0, but got {factor:g}",
        )
        for factor in (0.0, -1.0, math.inf, math.nan)
    ),
    (CIFAR, "sn", {"packing": 2}, "method 'sn' judges images one by one and takes no packing"),
    (CIFAR, "pacgan", {"packing": 0}, "packing must be at least 1, but got 0"),
    (
        CIFAR,
        "pacgan",
        {"packing": 1},
        "method 'pacgan' with a packing of 1 is 'sn': use that name",
    ),
    (
        CIFAR,
        "pacgan",
        {"packing": 4, "micro_batch": 2},
        "packing 4 needs as many images at once, but micro_batch is 2",
    ),
    *(
        (
            CIFAR,
            "sr-floor",
            {"spectral_floor": floor},
            f"spectral_floor must be in (0, 1], but got {floor:g}",
        )
        for floor in (0.0, 1.01, math.nan)
    ),
    (
        CIFAR,
        "sr-static",
        {"spectral_floor": 0.5},
        "method 'sr-static' has no floor under its spectra and takes no spectral_floor",
    ),
    (CIFAR, "sn", {"unrolled_steps": 1}, "method 'sn' foresees no update of D and takes no unr"),
    (CIFAR, "unrolled", {"unrolled_steps": 0}, "unrolled_steps must be at least 1, but got 0"),
    (CIFAR, "unrolled", {"precision": "bf16"}, "method 'unrolled' differentiates twice and needs"),
    (
        IMAGENET,
        "unrolled",
        {},
        "method 'unrolled' foresees D's update on the whole batch, which is no sum over parts of "
        "it: micro_batch must be 512, not 32",
    ),
    *(
        (("toy", "ring8"), name, {}, f"method {name!r} augments images, and ring8 has points")
        for name in ("bcr", "diffaug")
    ),
    (CIFAR, "sn", {"world_size": 0}, "world_size must be at least 1, but got 0"),
    (CIFAR, "sn", {"world_size": 2, "device": "cuda:1"}, "world_size 2 takes the GPUs from the f"),
    (
        CIFAR,
        "sn",
        {"world_size": 3},
        "batch_size 64 in micro-batches of 64 does not divide among world_size 3: it must be a",
    ),
    (
        CIFAR,
        "sn",
        {"world_size": 2, "micro_batch": 64},
        "batch_size 64 in micro-batches of 64 does not divide among world_size 2: it must be a",
    ),
    *(
        (
            CIFAR,
            name,
            {"world_size": 2},
            f"method {name!r} {what}, which is no sum over the parts of several ranks: world_size "
            "must be 1, not 2",
        )
        for name, what in (
            ("jare", "penalises the norm of the batch's mean gradient"),
            ("conopt", "penalises the norm of the batch's mean gradient"),
            ("unrolled", "foresees D's update on the whole batch"),
        )
    ),
    (CIFAR, "sn", {"channels": 0}, "channels must be at least 1, but got 0"),
    (CIFAR, "sn", {"channels": -4}, "channels must be at least 1, but got -4"),
    (CIFAR, "sn", {"iterations": 2**63}, "iterations must be at most 2^63 - 1, but got 92233720"),
    (CIFAR, "sn", {"iterations": 10**5000}, "iterations must be at most 2^63 - 1, but got one of"),
    (CIFAR, "sn", {"batch_size": 2**70}, "batch_size must be at most 2^63 - 1, but got 11805916"),
    (CIFAR, "sn", {"hessian_k": 2**64}, "hessian_k must be at most 2^63 - 1, but got 18446744"),
    (CIFAR, "sn", {"iterations": 0}, "iterations must be at least 1, but got 0"),
    (CIFAR, "sn", {"evaluate_every": 0}, "evaluate_every must be at least 1, but got 0"),
    (CIFAR, "sn", {"threads": 0}, "threads must be at least 1, but got 0"),
    (CIFAR, "sn", {"micro_batch": 0}, "micro_batch must be at least 1, but got 0"),
    (CIFAR, "sr-static", {"projection_period": 0}, "projection_period must be at least 1"),
    (CIFAR, "nugan", {"nudge_every": 0}, "nudge_every must be at least 1, but got 0"),
    (CIFAR, "sn", {"hessian_k": 0}, "hessian_k must be at least 1, but got 0"),
    (CIFAR, "r1", {"penalty_weight": -1.0}, "penalty_weight must be at least 0, but got -1"),
    (CIFAR, "r1", {"penalty_weight": math.nan}, "penalty_weight must be at least 0, but got nan"),
    (CIFAR, "sn", {"micro_batch": 30}, "batch_size 64 is not a multiple of micro_batch 30"),
    (CIFAR, "sn", {"micro_batch": 128}, "batch_size 64 is not a multiple of micro_batch 128"),
    (CIFAR, "sn", {"precision": "fp16"}, "precision 'fp16' is none of float32, tf32, bf16"),
    (CIFAR, "sn", {"precision": "tf32", "device": "cpu"}, "precision tf32 is one of GPUs"),
    (
        CIFAR,
        "jare",
        {"precision": "bf16"},
        "method 'jare' differentiates twice and needs float32, not bf16",
    ),
    (
        IMAGENET,
        "jare",
        {},
        "method 'jare' penalises the norm of the batch's mean gradient, which is no sum over "
        "parts of a batch: micro_batch must be 512, not 32",
    ),
    (
        CIFAR,
        "conopt",
        {"micro_batch": 32},
        "method 'conopt' penalises the norm of the batch's mean gradient, which is no sum over "
        "parts of a batch: micro_batch must be 64, not 32",
    ),
    (
        CIFAR,
        "sn",
        {"parent": "p", "parent_iteration": 50_000},
        "the snapshot is of iteration 50000, so --iterations must be more than that, "
        "but got 50000",
    ),
    (
        CIFAR,
        "sn",
        {"parent": "p", "parent_iteration": -1},
        "the snapshot is of iteration -1",
    ),
    (
        CIFAR,
        "sn",
        {"dataset": "cifar100"},
        "unknown data set of the paper profile 'cifar100'; did you mean: cifar10",
    ),
    (
        CIFAR,
        "sn",
        {"scorer": "f" * 64, "curve_protocol": "best"},
        "unknown protocol 'best': expected paper-N or modern-N",
    ),
    (
        ("toy", "affine"),
        "sn",
        {},
        "the affine problem is one of simultaneous methods: simgd, jare or conopt, not sn",
    ),
]


@pytest.mark.parametrize(("names", "method", "changes", "said"), REFUSED)
def test_refused(names, method, changes, said):
    with pytest.raises(UsageError) as error:
        trial_config(*names, method, 0, **changes)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_borders_that_are_allowed():
    for i_ratio in (1e-6, 1.0):
        assert trial_config(*CIFAR, "sr-static", 0, i_ratio=i_ratio).i_ratio == i_ratio
    assert trial_config(*CIFAR, "r1", 0, penalty_weight=0.0).penalty_weight == 0
    assert trial_config(*CIFAR, "sn", 0, channels=1, micro_batch=1).channels == 1
    assert trial_config(*IMAGENET, "jare", 0, micro_batch=512).micro_batch == 512
    branch = trial_config(*CIFAR, "sn", 0, parent="p", parent_iteration=49_999)
    assert branch.parent_iteration == 49_999
    assert trial_config(*CIFAR, "sn", 0, precision="bf16").precision == "bf16"


@pytest.mark.parametrize(
    ("changes", "semantics"),
    [
        ({}, 1),
        ({"device": "cuda"}, 2),
        ({"dataset": "digits16"}, 2),
        ({"precision": "bf16"}, 3),
        ({"precision": "tf32", "device": "cuda"}, 3),
    ],
)
def test_only_numbers_that_changed_have_new_semantics(changes, semantics):
    config = trial_config("digits", "C_32-32", "sn", 0, **changes)
    assert config.semantics == semantics


def test_bf16_numbers_of_points_are_what_they_were():
    assert trial_config("toy", "ring8", "sn", 0, precision="bf16").semantics == 1


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("method", METHODS)
def test_what_differentiates_twice_is_refused_in_less_than_float32(method, precision):
    refused = {"jare", "conopt", "unrolled"}
    if precision == "tf32":
        refused |= {"r1", "wgan-gp", "rpgan-r1r2"}
    if method not in refused:
        assert trial_config(*CIFAR, method, 0, precision=precision).precision == precision
        return
    with pytest.raises(
        UsageError, match=f"differentiates twice and needs float32, not {precision}"
    ):
        trial_config(*CIFAR, method, 0, precision=precision)


def test_every_toy_has_a_method():
    for name in TOYS:
        assert trial_config("toy", name, "simgd", 0).dataset == name


# Own pictures.


def test_a_trial_on_own_pictures():
    c = own_config(64, "sr-static", classes=7, images=900)
    assert c.dataset == "images64-abababab"
    assert c.trial_id.startswith("small.U_8-32.sr-static.0.5.s0-")
    assert (c.resolution, c.classes, c.score_name) == (64, 7, "fd_pictures")
    assert numbers(c, "batch_size", "channels", "n_critic", "iterations") == (16, 16, 1, 2000)
    assert c.own_images is not None
    assert (c.own_images.name, c.own_images.images) == (c.dataset, 900)
    assert trial_config("digits", "C_8-32", "sn", 0).own_images is None
    paper = own_config(32, profile="paper", device="cpu")
    assert numbers(paper, "batch_size", "channels", "n_critic", "iterations") == (8, 32, 5, 50_000)


def test_what_the_pictures_are_is_part_of_the_identity():
    plain = own_config()
    others = [own_config(classes=2), own_config(64), own_config(data_images=4501)]
    assert len({plain.trial_id, *(c.trial_id for c in others)}) == 4
    assert own_config(classes=2).classes == 2
    assert plain.classes is None


@pytest.mark.parametrize(
    ("setting", "dataset", "fields", "text"),
    [
        ("C_8-32", "images32-abababab", {}, "on own pictures its sizes are U_8-32"),
        ("U_8-32", "images32-abababab", {}, "is no set of own pictures"),
        ("U_8-32", "images32-00000000", {"data_sha256": "ab" * 32, "data_images": 9},
         "is not the data set of SHA-256 abab"),
        ("U_8-32", "images48-abababab", {}, "unknown data set of the small profile"),
        ("U_8-32", None, {}, "outside Table I and has no data set of its own"),
        ("C_8-32", None, {}, "give --dataset images and --data-root"),
    ],
)  # fmt: skip
def test_what_is_no_trial_on_own_pictures(setting, dataset, fields, text):
    with pytest.raises(UsageError, match=text):
        trial_config("small", setting, "sn", 0, dataset=dataset, **fields)


def test_pictures_are_of_own_pictures_alone():
    with pytest.raises(UsageError, match="is no set of own pictures"):
        trial_config("digits", "C_8-32", "sn", 0, data_sha256="ab" * 32)
