"""The configuration of one trial and the identity that follows from it. Standard library only.

A trial is identified by what it runs: `trial_id` ends in a hash over every field below, and every
field below can change a number. Host, sweep, resources and the stop policy are not among them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.config.lookup import UsageError, lookup
from trainer.config.methods import (
    DEFAULT_FLOOR,
    DEFAULT_I_RATIO,
    METHODS,
    NOT_ADDITIVE,
    NUDGE_EVERY,
    NUDGE_GAMMA,
    NUDGE_K,
    OF_INPUT_GRADIENTS,
    OWN_LOSSES,
    PROJECTION_PERIOD,
    Method,
)
from trainer.config.own_code import (
    NetworkFacts,
    NetworkSizes,
    OwnCode,
    check_augmentation,
    check_loss,
    check_networks,
)
from trainer.config.own_images import OwnImages, own_resolution, recipe_name
from trainer.config.picture_gauge import FEWEST, SCORE, gauge_hash, is_gauged
from trainer.config.protocols import protocol
from trainer.config.settings import (
    ALL_SETTINGS,
    DATASETS,
    PROFILES,
    TOY_BATCH_SIZE,
    TOY_CHANNELS,
    TOY_PENALTY_WEIGHTS,
    TOYS,
    Profile,
    Recipe,
    Setting,
    setting_name,
)

# Raised whenever the same configuration would give other numbers than before.
SEMANTICS = 3
# Unchanged by 3, in which bf16 activations of images keep their type and TF32 is of training
# passes alone.
_SEMANTICS_OF_FLOAT32 = 2
# Unchanged by 2, which folds convolutions from 16 pixels on, and on a GPU takes TF32 for nothing
# that does not ask for it and projects in stacks.
_SEMANTICS_OF_SMALL = 1

CLASSIFIER_FILE = Path(__file__).parents[1] / "scores" / "digits_classifier.pt"
PRECISIONS = ("float32", "tf32", "bf16")
_COUNTS = (
    "iterations",
    "batch_size",
    "micro_batch",
    "channels",
    "generator_channels",
    "n_critic",
    "threads",
    "evaluate_every",
    "projection_period",
    "nudge_k",
    "nudge_every",
    "packing",
    "unrolled_steps",
    "hessian_k",
    "world_size",
)
# Stored as int64.
LARGEST = 2**63 - 1
_WITH_OWN_SCORES = ("digits8", "digits16", "ring8", "grid25", "affine")


class _Identified:
    """Where a configuration keeps its id: no field, so it is neither hashed nor stored."""

    __slots__ = ("_trial_id",)
    _trial_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig(_Identified):
    """Everything that can change a number of one training run; None where it does not apply.

    `batch_size` is the number of real images per D update, in parts of `micro_batch`. `scorer` is
    the SHA-256 of the network that the scores come from, or of the recipe of FD-pictures; None
    where there is none. Protocols name
    how Inception scores are taken, on the curve and at the end. A branch goes on from iteration
    `parent_iteration` of the trial `parent`. `discriminator_rate_factor` multiplies
    `discriminator_learning_rate`; 1 is None. D judges `packing` images together. `spectral_floor`
    is a share of sigma_1. G foresees `unrolled_steps` updates of D. `hessian_k` eigenvalues of
    G's and of D's Hessian are logged at every evaluation. `data_sha256`, `data_images` to train
    on and, where training is conditional, `data_classes` are of own pictures. `data_share` of the
    training images are trained on; all, 1, is None. `networks`, `augment` and, with a
    `loss_source`, `loss` are import paths of a person's own code, whose files' hashes are the
    sources; `network_facts` are measured of those networks, follow from them, and so are no part
    of the identity. `world_size` processes train it together, each on its share of the
    micro-batches; 1 is None.
    """

    profile: str
    setting: str
    method: str
    seed: int
    dataset: str
    resolution: int | None
    batch_size: int
    micro_batch: int
    generator_batch_size: int
    channels: int
    generator_channels: int
    generator_normalisation: str
    latent_size: int
    n_critic: int
    iterations: int
    loss: str
    optimiser: str
    learning_rate: float
    discriminator_learning_rate: float
    beta1: float
    beta2: float
    decays: bool
    evaluate_every: int
    curve_samples: int
    final_samples: int
    precision: str
    device: str
    threads: int
    semantics: int
    i_ratio: float | None = None
    projection_period: int | None = None
    projection_burst: bool | None = None
    penalty_weight: float | None = None
    nudge_k: int | None = None
    nudge_every: int | None = None
    nudge_gamma: float | None = None
    discriminator_rate_factor: float | None = None
    packing: int | None = None
    spectral_floor: float | None = None
    unrolled_steps: int | None = None
    hessian_k: int | None = None
    scorer: str | None = None
    curve_protocol: str | None = None
    final_protocol: str | None = None
    parent: str | None = None
    parent_iteration: int | None = None
    data_sha256: str | None = None
    data_images: int | None = None
    data_classes: int | None = None
    data_share: float | None = None
    networks: str | None = None
    networks_source: str | None = None
    loss_source: str | None = None
    augment: str | None = None
    augment_source: str | None = None
    network_facts: NetworkFacts | None = None
    world_size: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.network_facts, Mapping):  # as JSON and checkpoints have them
            object.__setattr__(self, "network_facts", NetworkFacts(**self.network_facts))
        _check_numbers(self)
        _check_world_size(self)
        _check_precision(self)
        _check_method(self, METHODS[self.method])

    @property
    def trial_id(self) -> str:
        """`<profile>.<setting>.<method>.<i or ->.s<seed>-<hash8>`.

        A field that does not apply is not hashed, so that a new one renames no old trial.
        """
        try:
            return self._trial_id
        except AttributeError:
            object.__setattr__(self, "_trial_id", self._worked_out_id())
            return self._trial_id

    def _worked_out_id(self) -> str:
        names = (field.name for field in dataclasses.fields(self))
        values = {name: getattr(self, name) for name in names}
        # Which GPU of a host it is changes no number.
        values["device"] = self.device_type
        del values["network_facts"]
        applies = {name: value for name, value in values.items() if value is not None}
        digest = hashlib.sha256(json.dumps(applies, sort_keys=True).encode()).hexdigest()[:8]
        i = "-" if self.i_ratio is None else f"{self.i_ratio:g}"
        return f"{self.profile}.{self.setting}.{self.method}.{i}.s{self.seed}-{digest}"

    @property
    def ranks(self) -> int:
        """Number of processes that train it: 1 without a world size."""
        return self.world_size or 1

    @property
    def device_type(self) -> str:
        """`cpu` or `cuda`, without the number of the GPU."""
        return self.device.partition(":")[0]

    @property
    def discriminator_rate(self) -> float:
        """D's learning rate at the start."""
        factor = self.discriminator_rate_factor
        return self.discriminator_learning_rate * (1.0 if factor is None else factor)

    @property
    def score_name(self) -> str:
        """Names the distance that decides which evaluation is best: lower is better."""
        if self.dataset.startswith("digits"):
            return "fd_digits"
        if is_gauged(self.scorer):
            return SCORE
        if self.resolution is not None:
            return "fid"
        return "mode_distance" if DATASETS[self.dataset].modes else "equilibrium_distance"

    @property
    def classes(self) -> int | None:
        return self.data_classes if self.own_images else DATASETS[self.dataset].classes

    @property
    def runs_own_code(self) -> bool:
        """True if networks, loss or augmentation are a person's own."""
        sources = (self.networks_source, self.loss_source, self.augment_source)
        return any(source is not None for source in sources)

    @property
    def pairs_images(self) -> bool:
        """True if the loss sees D's outputs on real and on generated images together."""
        return self.loss == "relativistic" or self.loss_source is not None

    @property
    def own_images(self) -> OwnImages | None:
        """Identity of the own pictures that it trains on; None on any other data set."""
        resolution = own_resolution(self.dataset)
        if resolution is None or self.data_sha256 is None or self.data_images is None:
            return None
        return OwnImages(
            resolution=resolution,
            sha256=self.data_sha256,
            images=self.data_images,
            classes=self.data_classes,
        )


def trial_config(
    profile: str,
    setting: str,
    method: str,
    seed: int,
    *,
    dataset: str | None = None,
    iterations: int | None = None,
    code: OwnCode | None = None,
    **changes: Any,
) -> TrialConfig:
    """The configuration of a named trial. Raises UsageError for a name or value that is not one.

    `iterations` shortens or lengthens the recipe's run (a rate that decays still ends at 0, and
    there are as many evaluations). `changes` are fields of TrialConfig; None leaves the default.
    For a toy problem `profile` is `toy` and `setting` its name. A setting outside Table I needs
    its `dataset`. With a person's own `code` the setting names sizes alone.
    """
    for name, value in {"seed": seed, "iterations": iterations, **changes}.items():
        _check_size(name, value)
    m = lookup("method", METHODS, method)
    if profile == "toy":
        dataset = setting
        recipe = lookup("toy problem", TOYS, setting)
        batch_size, channels = TOY_BATCH_SIZE, TOY_CHANNELS
    else:
        p = lookup("profile", PROFILES, profile)
        s = lookup("setting", ALL_SETTINGS, setting)
        dataset = _dataset(p, s, dataset, is_row=code is None)
        recipe = _recipe(profile, p, recipe_name(dataset))
        batch_size, channels = p.batch_size[s.batch_size], p.channels[s.channels]
    length = recipe.iterations if iterations is None else iterations
    simultaneous = m.simultaneous
    values = _taken_over(recipe) | {
        "profile": profile,
        "setting": setting,
        "method": method,
        "seed": seed,
        "dataset": dataset,
        "resolution": own_resolution(dataset) or DATASETS[dataset].resolution,
        "scorer": classifier_hash() if dataset.startswith("digits") else None,
        "batch_size": batch_size,
        "micro_batch": min(batch_size, recipe.micro_batch or batch_size),
        # Players that step at once look at the same images.
        "generator_batch_size": batch_size
        * (1 if simultaneous else recipe.generator_batch_factor),
        "channels": channels,
        "n_critic": 1 if simultaneous else recipe.n_critic,
        "iterations": length,
        "loss": m.loss if recipe.loss is None or m.loss in OWN_LOSSES else recipe.loss,
        "discriminator_learning_rate": recipe.discriminator_learning_rate or recipe.learning_rate,
        "beta1": 0.0,
        "evaluate_every": max(1, math.ceil(length * recipe.evaluate_every / recipe.iterations)),
        "precision": "float32",
        "threads": 1,
        **_method_defaults(dataset, method, m),
    }
    values |= {name: value for name, value in changes.items() if value is not None}
    if changes.get("micro_batch") is None:
        values["micro_batch"] = _micro_batch_of_ranks(values)
    for name in ("discriminator_rate_factor", "data_share", "world_size"):
        if values.get(name) == 1:
            # Changes nothing, and so is no part of the identity.
            values[name] = None
    if code is not None:
        values |= _own_code(code, values, setting)
    if values["scorer"] is None and (values.get("data_images") or 0) >= FEWEST:
        values["scorer"] = gauge_hash()
    values["semantics"] = _semantics(values)
    return TrialConfig(**(values | _protocols(values)))


def _own_code(code: OwnCode, values: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """The fields that a person's own code sets. Raises UsageError where it cannot be trained."""
    if values["resolution"] is None:
        raise UsageError(
            f"{setting} is a problem of points: your own networks, loss and augmentation are for "
            "images"
        )
    sizes = ALL_SETTINGS[setting]
    fields = {**code.fields, "setting": code.setting_name(sizes.batch_size, sizes.channels)}
    classes = values.get("data_classes")
    if own_resolution(values["dataset"]) is None:
        classes = DATASETS[values["dataset"]].classes
    names = ("resolution", "channels", "generator_channels", "latent_size")
    built_of = {name: values[name] for name in names}
    fields["network_facts"] = code.check(code, NetworkSizes(**built_of, classes=classes))
    if code.networks is not None:
        # G is as it is built.
        fields["generator_normalisation"] = "none"
    return fields


def _micro_batch_of_ranks(values: Mapping[str, Any]) -> int:
    """The largest part up to the recipe's of which every rank takes as many; the recipe's own
    where the batch cannot be divided so, of which the configuration's check tells."""
    share, rest = divmod(values["batch_size"], max(1, values.get("world_size") or 1))
    return values["micro_batch"] if rest else math.gcd(values["micro_batch"], share)


def _semantics(values: Mapping[str, Any]) -> int:
    precision, resolution = values["precision"], values["resolution"]
    if precision == "tf32" or (precision == "bf16" and resolution is not None):
        return SEMANTICS
    small = resolution in (None, 8) and values["device"] == "cpu"
    return _SEMANTICS_OF_SMALL if small else _SEMANTICS_OF_FLOAT32


def _recipe(name: str, profile: Profile, dataset: str) -> Recipe:
    """Raises UsageError for a data set that the profile lacks, and says which profile has it."""
    owners = [other for other, p in PROFILES.items() if dataset in p.recipes and other != name]
    if dataset in profile.recipes or not owners:
        return lookup(f"data set of the {name} profile", profile.recipes, dataset)
    raise UsageError(
        f"{dataset} is a data set of the {owners[0]} profile, not of {name}: give --profile "
        f"{owners[0]}, or one of {', '.join(profile.recipes)}"
    )


def _dataset(
    profile: Profile, setting: Setting, dataset: str | None, *, is_row: bool = True
) -> str:
    """Raises UsageError for sizes outside Table I without a data set, or, where the trial is one
    of Table I's if its sizes are, if they are a row."""
    own = dataset is not None and own_resolution(dataset) is not None
    if setting.dataset is not None and not own:
        dataset = dataset or profile.dataset.get(setting.dataset)
        if dataset is None:
            raise UsageError(
                "this profile is of your own pictures: give --dataset images and --data-root"
            )
        return dataset
    if dataset is None:
        raise UsageError(
            f"{setting.name} is outside Table I and has no data set of its own: give one of "
            f"{', '.join(profile.recipes)}"
        )
    if not is_row:
        return dataset
    row = setting_name(profile, dataset, setting.batch_size, setting.channels)
    if row != setting.name and own:
        raise UsageError(
            f"{setting.name} is a row of Table I: on own pictures its sizes are {row}"
        )
    if row != setting.name:
        raise UsageError(f"{setting.name} on {dataset} is {row} of Table I: use that name")
    return dataset


def _protocols(values: Mapping[str, Any]) -> dict[str, Any]:
    """Protocols by their one label, with their sample counts; none where nothing is scored."""
    if values["dataset"] in _WITH_OWN_SCORES:
        for name in ("curve_protocol", "final_protocol"):
            if values[name] is not None:
                raise UsageError(
                    f"{values['dataset']} has scores of its own and takes no {name}, "
                    f"but got {values[name]!r}"
                )
        return {}
    curve, final = protocol(values["curve_protocol"]), protocol(values["final_protocol"])
    if values["scorer"] is None or is_gauged(values["scorer"]):
        return {"curve_protocol": None, "final_protocol": None}
    return {
        "curve_protocol": curve.name,
        "final_protocol": final.name,
        "curve_samples": curve.samples,
        "final_samples": final.samples,
    }


def _taken_over(recipe: Recipe) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(TrialConfig)}
    return {k: v for k, v in dataclasses.asdict(recipe).items() if k in names}


def _method_defaults(dataset: str, name: str, method: Method) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if method.lifts:
        values["i_ratio"] = DEFAULT_I_RATIO
    if method.compensation == "floor":
        values["spectral_floor"] = DEFAULT_FLOOR
    if method.form == "project":
        values |= {"projection_period": PROJECTION_PERIOD, "projection_burst": True}
    if method.penalty:
        weight = TOY_PENALTY_WEIGHTS.get((dataset, name), method.penalty_weight)
        values["penalty_weight"] = weight
    if method.discriminator_rate_factor is not None:
        values["discriminator_rate_factor"] = method.discriminator_rate_factor
    for name_of in ("packing", "unrolled_steps"):
        if getattr(method, name_of) is not None:
            values[name_of] = getattr(method, name_of)
    if method.nudges:
        values |= {
            "nudge_k": NUDGE_K,
            "nudge_every": NUDGE_EVERY,
            "nudge_gamma": NUDGE_GAMMA,
            "hessian_k": NUDGE_K,
        }
    return values


@lru_cache(maxsize=1)
def classifier_hash() -> str:
    """SHA-256 of the digit classifier that is shipped with the package."""
    return hashlib.sha256(CLASSIFIER_FILE.read_bytes()).hexdigest()


def _check_size(name: str, value: Any) -> None:
    """Raises UsageError for an integer that no store takes; some have too many digits to show."""
    if isinstance(value, int) and value > LARGEST:
        got = f"{value}" if value < 10**40 else "one of more than 40 digits"
        raise UsageError(f"{name} must be at most 2^63 - 1, but got {got}")


def _check_numbers(c: TrialConfig) -> None:
    for name in _COUNTS:
        value = getattr(c, name)
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, but got {value}")
        _check_size(name, value)
    _check_size("seed", c.seed)
    if c.seed < 0:
        raise UsageError(f"seed must be at least 0, but got {c.seed}")
    _check_shares(c)
    if c.nudge_gamma is not None and not 0 <= c.nudge_gamma < math.inf:
        raise UsageError(f"nudge_gamma must be at least 0, but got {c.nudge_gamma:g}")
    if c.penalty_weight is not None and not 0 <= c.penalty_weight < math.inf:
        raise UsageError(f"penalty_weight must be at least 0, but got {c.penalty_weight:g}")
    factor = c.discriminator_rate_factor
    if factor is not None and not 0 < factor < math.inf:
        raise UsageError(f"discriminator_rate_factor must be above 0, but got {factor:g}")
    if c.batch_size % c.micro_batch:
        raise UsageError(
            f"batch_size {c.batch_size} is not a multiple of micro_batch {c.micro_batch}"
        )
    if c.parent_iteration is not None and not 0 <= c.parent_iteration < c.iterations:
        raise UsageError(
            f"the snapshot is of iteration {c.parent_iteration}, so --iterations must be more "
            f"than that, but got {c.iterations}"
        )


def _check_world_size(c: TrialConfig) -> None:
    if c.world_size is None:
        return
    method = METHODS[c.method]
    if method.penalty in NOT_ADDITIVE or method.unrolled_steps is not None:
        reason = (
            "foresees D's update on the whole batch"
            if method.unrolled_steps is not None
            else "penalises the norm of the batch's mean gradient"
        )
        raise UsageError(
            f"method {c.method!r} {reason}, which is no sum over the parts of several ranks: "
            f"world_size must be 1, not {c.world_size}"
        )
    if c.batch_size // c.micro_batch % c.world_size:
        raise UsageError(
            f"batch_size {c.batch_size} in micro-batches of {c.micro_batch} does not divide among "
            f"world_size {c.world_size}: it must be a multiple of the product of both"
        )
    if c.device != c.device_type:
        raise UsageError(
            f"world_size {c.world_size} takes the GPUs from the first on: device must be "
            f"{c.device_type}, not {c.device}"
        )


def _check_shares(c: TrialConfig) -> None:
    for name in ("i_ratio", "spectral_floor", "data_share"):
        share = getattr(c, name)
        if share is not None and not 0 < share <= 1:
            raise UsageError(f"{name} must be in (0, 1], but got {share:g}")


def _check_precision(c: TrialConfig) -> None:
    if c.precision not in PRECISIONS:
        raise UsageError(f"precision {c.precision!r} is none of {', '.join(PRECISIONS)}")
    if c.precision == "tf32" and c.device == "cpu":
        raise UsageError("precision tf32 is one of GPUs, and the device is cpu")


def _check_method(c: TrialConfig, method: Method) -> None:
    takes = {
        "i_ratio": (method.lifts, "lifts no singular values by rank"),
        "projection_period": (method.form == "project", "overwrites no weights"),
        "projection_burst": (method.form == "project", "overwrites no weights"),
        "penalty_weight": (method.penalty is not None, "has no penalty"),
        "nudge_k": (method.nudges, "nudges no gradient"),
        "nudge_every": (method.nudges, "nudges no gradient"),
        "nudge_gamma": (method.nudges, "nudges no gradient"),
        "spectral_floor": (method.compensation == "floor", "has no floor under its spectra"),
        "unrolled_steps": (method.unrolled_steps is not None, "foresees no update of D"),
        "packing": (method.packing is not None, "judges images one by one"),
    }
    for name, (applies, reason) in takes.items():
        if getattr(c, name) is not None and not applies:
            raise UsageError(f"method {c.method!r} {reason} and takes no {name}")
    _check_rate(c, method)
    _check_packing(c)
    _check_own_images(c)
    _check_images(c, method)
    _check_unrolling(c)
    _check_own_code(c, method)
    # In bf16 a penalty of input gradients stays in float32, in a pass of its own.
    separate_pass = c.precision == "bf16" and method.penalty in OF_INPUT_GRADIENTS
    if method.differentiates_twice and c.precision != "float32" and not separate_pass:
        raise UsageError(
            f"method {c.method!r} differentiates twice and needs float32, not {c.precision}"
        )
    if c.micro_batch < c.batch_size and method.penalty in NOT_ADDITIVE:
        raise UsageError(
            f"method {c.method!r} penalises the norm of the batch's mean gradient, which is no "
            f"sum over parts of a batch: micro_batch must be {c.batch_size}, not {c.micro_batch}"
        )
    if c.dataset == "affine" and not method.simultaneous:
        raise UsageError(
            f"the affine problem is one of simultaneous methods: simgd, jare or conopt, "
            f"not {c.method}"
        )


def _check_rate(c: TrialConfig, method: Method) -> None:
    """SN has one name for its own rate of D and one for all others, so that no trial has two."""
    if c.method == "sn" and c.discriminator_rate_factor is not None:
        raise UsageError(
            f"method 'sn' with a discriminator_rate_factor of {c.discriminator_rate_factor:g} is "
            "'sn-ttur': use that name"
        )
    if method.discriminator_rate_factor is not None and c.discriminator_rate_factor is None:
        raise UsageError(
            f"method {c.method!r} with a discriminator_rate_factor of 1 is 'sn': use that name"
        )


def _check_packing(c: TrialConfig) -> None:
    if c.packing is None:
        return
    if c.packing == 1:
        raise UsageError(f"method {c.method!r} with a packing of 1 is 'sn': use that name")
    if c.micro_batch < c.packing:
        raise UsageError(
            f"packing {c.packing} needs as many images at once, but micro_batch is {c.micro_batch}"
        )


def _check_own_images(c: TrialConfig) -> None:
    identity = c.own_images
    if identity is not None and c.dataset != identity.name:
        raise UsageError(f"{c.dataset} is not the data set of SHA-256 {identity.sha256}")
    if identity is None and (own_resolution(c.dataset) or c.data_sha256 is not None):
        raise UsageError(
            f"{c.dataset} with data_sha256 {c.data_sha256} is no set of own pictures: both name it"
        )


def _check_unrolling(c: TrialConfig) -> None:
    if c.unrolled_steps is not None and c.micro_batch < c.batch_size:
        raise UsageError(
            f"method {c.method!r} foresees D's update on the whole batch, which is no sum over "
            f"parts of it: micro_batch must be {c.batch_size}, not {c.micro_batch}"
        )


def _check_own_code(c: TrialConfig, method: Method) -> None:
    if c.networks is not None and c.network_facts is not None:
        check_networks(c.networks, method, c.method, c.network_facts)
        if c.hessian_k is not None and c.network_facts.unreached:
            raise UsageError(
                f"a Hessian is in every parameter, and of {c.networks} {c.network_facts.unreached}"
            )
    if c.loss_source is not None:
        check_loss(c.method)
    if c.augment is not None:
        check_augmentation(c.method)


def _check_images(c: TrialConfig, method: Method) -> None:
    if c.resolution is None and c.data_share is not None:
        raise UsageError(f"{c.dataset} is a distribution, of which every share is the whole")
    if c.resolution is None and (method.augments or method.penalty == "bcr"):
        raise UsageError(f"method {c.method!r} augments images, and {c.dataset} has points")
