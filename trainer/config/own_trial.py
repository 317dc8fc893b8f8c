"""Configuration of a run of somebody else's loop, and its identity. Standard library only.

Such a run is identified by what it was given and by its code: `trial_id` ends in a hash over its
name, its configuration and its version, which is the hash of a source file or a word of its own.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.config.costs import operations
from trainer.config.lookup import UsageError
from trainer.config.settings import ALL_SETTINGS
from trainer.config.trial import LARGEST, TrialConfig

PROFILE = "own"
# Where the configuration has no word for it.
UNNAMED = "own"
DIRECTIONS = ("lower", "higher")
# Scores that every page compares under their own names.
DISTANCES = ("fid", "fd_digits", "fd_pictures")
# Raised whenever the same configuration would have to be another run.
_SEMANTICS = 1
_WORDS = ("setting", "method", "dataset", "precision")
_WHOLE_FROM_1 = ("iterations", "batch_size", "channels")
_SHARES = ("i_ratio", "data_share")
_LONGEST_WORD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrial:
    """A run of a loop that is not this project's: what it is given, and what identifies it.

    `config` holds values of JSON; `setting`, `method`, `dataset`, `seed`, `iterations`,
    `batch_size`, `channels`, `i_ratio`, `data_share` and `precision` among them are columns of
    the store. `scores` name scores with their direction, lower or higher is better; the first one
    decides. `entry` is the import path of a sweep's function, `parameters` what a sampler chose,
    `gpus` whether it asks for any: none of these three is part of the identity. Raises UsageError
    for values that no column takes.
    """

    name: str
    config: Mapping[str, Any]
    version: str
    scores: Mapping[str, str] = field(default_factory=dict)
    entry: str | None = None
    parameters: Mapping[str, Any] | None = None
    gpus: bool = False

    def __post_init__(self) -> None:
        _check(self)

    @property
    def trial_id(self) -> str:
        identity = [_SEMANTICS, self.name, dict(self.config), self.version]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
        i = "-" if self.i_ratio is None else f"{self.i_ratio:g}"
        setting, method = _in_files(self.setting), _in_files(self.method)
        return f"{PROFILE}.{setting}.{method}.{i}.s{self.seed}-{digest}"

    @property
    def profile(self) -> str:
        return PROFILE

    @property
    def setting(self) -> str:
        return str(self.config.get("setting", self.name))

    @property
    def method(self) -> str:
        return str(self.config.get("method", UNNAMED))

    @property
    def dataset(self) -> str:
        return str(self.config.get("dataset", UNNAMED))

    @property
    def seed(self) -> int:
        return self.config.get("seed", 0)

    @property
    def planned_iterations(self) -> int | None:
        return self.config.get("iterations")

    @property
    def iterations(self) -> int:
        """Planned iterations; 1 where none are planned, so that a plan can hold it."""
        return self.planned_iterations or 1

    @property
    def i_ratio(self) -> float | None:
        return self.config.get("i_ratio")

    @property
    def data_share(self) -> float | None:
        return self.config.get("data_share")

    @property
    def score(self) -> str | None:
        """Name of the score that decides what is best; None if none has a direction."""
        return next(iter(self.scores), None)

    @property
    def score_name(self) -> str:
        """Column of that score: of the store's distances their own, else `own_score`."""
        return self.score if self.score in DISTANCES else "own_score"

    @property
    def is_higher_better(self) -> bool:
        """Whether of that score higher is better."""
        return self.score is not None and self.scores[self.score] == "higher"

    @property
    def evaluate_every(self) -> int:
        """Iterations between evaluations, as far as is known: the loop logs when it likes."""
        return 1

    @property
    def scorer(self) -> None:
        """Scores are the loop's own."""
        return None

    @property
    def device_type(self) -> str:
        """`cuda` where it asks for a GPU, else `cpu`."""
        return "cuda" if self.gpus else "cpu"

    @property
    def threads(self) -> int:
        return 1


AnyTrial = TrialConfig | OwnTrial


def work_of(trial: AnyTrial) -> float:
    """Multiply-adds of a trial; of a loop of its own, of which none are known, its iterations."""
    return float(trial.iterations) if isinstance(trial, OwnTrial) else operations(trial)


def source_version(path: Path) -> str:
    """SHA-256 of a source file, as a version. Raises UsageError if it cannot be read."""
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read the source {path}: {error.strerror}") from error


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in values of JSON; numbers of NumPy and paths become plain ones.

    Raises UsageError, with the key, for a value that has no such form.
    """
    return {str(key): _plain(str(key), value) for key, value in config.items()}


def _plain(key: str, value: Any) -> Any:
    match value:
        case None | bool() | str() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case Path():
            return str(value)
        case Mapping():
            return {str(k): _plain(f"{key}.{k}", each) for k, each in value.items()}
        case list() | tuple():
            return [_plain(key, each) for each in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 0) == 0:
        return _plain(key, item())
    raise UsageError(
        f"config[{key!r}] is {str(value)[:40]!r} of {type(value).__name__}: give a finite number, "
        "a text, a truth value, None, or lists and dictionaries of these"
    )


def _check(trial: OwnTrial) -> None:
    words = {name: trial.config[name] for name in _WORDS if name in trial.config}
    for name, word in {"name": trial.name, **words}.items():
        if not isinstance(word, str) or not word.strip() or len(word) > _LONGEST_WORD:
            shown = str(word)[:40]
            raise UsageError(
                f"{name} must be a text of 1 to {_LONGEST_WORD} letters, but got {shown!r}"
            )
    if trial.setting in ALL_SETTINGS:
        raise UsageError(
            f"{trial.setting} is the name of a setting of this project: give another to your own"
        )
    _check_numbers(trial)
    for score, direction in trial.scores.items():
        if direction not in DIRECTIONS:
            raise UsageError(f"of score {score!r} lower or higher is better, not {direction!r}")


def _check_numbers(trial: OwnTrial) -> None:
    least = {**dict.fromkeys(_WHOLE_FROM_1, 1), "seed": 0}
    for name in least.keys() & trial.config.keys():
        value = trial.config[name]
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not least[name] <= value <= LARGEST:
            raise UsageError(
                f"{name} must be a whole number from {least[name]}, but got {str(value)[:40]!r}"
            )
    for name in _SHARES:
        value = trial.config.get(name)
        if value is not None and (not isinstance(value, int | float) or not 0 < value <= 1):
            raise UsageError(f"{name} must be in (0, 1], but got {str(value)[:40]!r}")


def _in_files(word: str) -> str:
    """The word as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", word)[:40]
