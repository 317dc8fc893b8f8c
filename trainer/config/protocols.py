"""Protocols of the Inception scores by name, and the weights file. Standard library only.

A score means little without the number of samples behind it, so the name carries it:

- `paper-5k`: 5,000 samples, Inception Score in 1 split, FID against the statistics of the whole
  training set: what the released code does. That code ran a Chainer port of the Inception network
  against statistics made with TensorFlow; here both sides go through one extractor, a PyTorch
  port with TensorFlow's resize. The published numbers therefore compare only roughly.
- `modern-50k`: 50,000 samples, Inception Score in 10 splits, FID as above, KID, precision, recall.

Any other number of samples goes by the same names: `paper-2k`, `modern-10k`, `modern-1500`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from trainer.config.lookup import UsageError

REFERENCE_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
REFERENCE_BYTES = 95_628_359
REFERENCE_FILE = "weights-inception-2015-12-05-6726825d.pth"
WEIGHTS_VARIABLE = "INCEPTION_WEIGHTS"
HOW_TO_GET = (
    f"take {REFERENCE_FILE} ({REFERENCE_BYTES:,} bytes) from torch-fidelity's release v0.2.0 and "
    f"give its path, or name it in {WEIGHTS_VARIABLE}"
)

EXPECTED = (
    "expected paper-N or modern-N with N samples, such as paper-5k, modern-50k or modern-1500"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Number of samples scored, number of splits, and the metrics of torch-fidelity."""

    name: str
    samples: int
    splits: int
    metrics: tuple[str, ...]


def protocol(name: str | None) -> Protocol:
    """The protocol of that name. Raises UsageError for a name or sample count that is none.

    One protocol has one label: `paper-5000` is called `paper-5k`.
    """
    match = re.fullmatch(r"(paper|modern)-([1-9][0-9]{0,8})(k?)", name or "")
    if match is None:
        raise UsageError(f"unknown protocol {name!r}: {EXPECTED}")
    family, digits, thousands = match.groups()
    samples = int(digits) * (1_000 if thousands else 1)
    paper = family == "paper"
    # A covariance needs two samples, a split of the Inception Score one.
    fewest = 2 if paper else 10
    if samples < fewest:
        raise UsageError(f"protocol {name!r} needs at least {fewest} samples, but names {samples}")
    label = f"{samples // 1_000}k" if samples % 1_000 == 0 else str(samples)
    return Protocol(
        name=f"{family}-{label}",
        samples=samples,
        splits=1 if paper else 10,
        metrics=("isc", "fid") if paper else ("isc", "fid", "kid", "prc"),
    )


def weights_path(path: Path | None) -> Path | None:
    """`path`, else the one in `INCEPTION_WEIGHTS`, else None."""
    if path is not None:
        return path
    variable = os.environ.get(WEIGHTS_VARIABLE)
    return Path(variable).expanduser() if variable else None


def missing_reason(weights: Path | None) -> str | None:
    """Says why no Inception score can be taken and what to do; None when one can be tried.

    `weights` is what `weights_path` gave. Whether the file is the right one is for
    `inception.load_scorer` to say: a wrong file is an error, an absent one is not.
    """
    if weights is None:
        return f"no Inception weights: {HOW_TO_GET}"
    if not weights.is_file():
        return f"no Inception weights at {weights}: {HOW_TO_GET}"
    if importlib.util.find_spec("torch_fidelity") is None:
        return "torch-fidelity is not installed: pip install 'torch-fidelity>=0.4,<0.5'"
    return None


def not_the_reference(path: Path, digest: str) -> str:
    """Says what is wrong with a file of that SHA-256, and what to do."""
    return (
        f"{path} is not the reference Inception file (SHA-256 {digest[:8]}.., expected "
        f"{REFERENCE_SHA256[:8]}..): {HOW_TO_GET}, or give --allow-other-weights"
    )


def weights_hash(path: Path) -> str:
    """SHA-256 of the weights file. Raises UsageError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read the Inception weights {path}: {error.strerror}") from error
