"""Numbers for the tables of one trial of a made-up store, as columns: plausible, and drawn.

Shapes and sizes are those of real trials; what falls, falls, and what collapses shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice, product
from typing import Any

import numpy as np
import pyarrow as pa

from sweep.store.schemas import SCHEMA_VERSION, SCHEMAS
from trainer.config.trial import TrialConfig

EVALUATIONS, LAYERS, BINS = 50, 10, 64

Columns = Mapping[str, Any]


def curve(config: TrialConfig, n: int, fell: int | None, rng: np.random.Generator) -> Columns:
    """Columns of the evaluations: a distance that falls, and rises again where it collapsed."""
    t = np.arange(n) / EVALUATIONS
    score, top = ("fid", 300.0) if config.profile == "paper" else ("fd_digits", 2600.0)
    floor = top * rng.uniform(0.08, 0.3)
    distance = floor + (top - floor) * np.exp(-7 * t) + 0.01 * top * rng.random(n)
    left = 0.95 - (0.4 if fell else 0.1) * t + 0.01 * rng.random(n)
    if fell is not None:
        distance[fell:] += top * np.maximum(t[fell:] - fell / EVALUATIONS, 0)
    noise = rng.random((4, n))
    d_real, d_fake = 0.4 + 0.5 * noise[0], -0.4 - 0.5 * noise[1]
    first = np.where(t == 0, np.nan, 0.0)
    layers = left[:, None] + 0.02 * rng.random((n, LAYERS))
    scores = {score: distance, "n_samples": np.full(n, 1000)}
    if config.profile == "paper":
        scores |= {
            "inception_score": 8.5 - 7 * np.exp(-5 * t),
            "precision": noise[2],
            "recall": noise[3],
            "kid_mean": distance / 3e4,
            "kid_std": distance / 3e5,
        }
    else:
        share = np.clip(1 - distance / top, 0, 1)
        scores |= {
            "modes": (1000 * share).astype(int),
            "reverse_kl": 4.5 - 4 * share,
            "valid_share": share,
            "joint_class_score": 1 + 300 * share,
            "modes_ungated": (1000 * share).astype(int),
            "reverse_kl_ungated": 4.4 - 4 * share,
        }
    return {
        "iteration": np.arange(n) * config.evaluate_every,
        "seconds": np.arange(n) * rng.uniform(1, 8),
        "d_loss": first + 2 - (d_real - d_fake) * 0.6, "g_loss": first - d_fake,
        "d_real": d_real, "d_fake": d_fake, "d_test": 0.9 * d_real, "gap": d_real - d_fake,
        "d_spread": noise[2] + 0.05, "d_gradient": noise[2] + 0.3, **scores, "spectrum_left": left,
        "spectrum_low": 1 - left,
        "sigma1": _lists(1 + layers), "sigma2_ratio": _lists(layers),
        "mean_ratio": _lists(0.8 * layers), "stable_rank": _lists(20 * layers),
        "low_share": _lists(1 - layers), "effective_rank": _lists(30 * layers),
        "images_per_second": first + 800 * noise[3], "finite": np.full(n, True),
    }  # fmt: skip


def _ranks(config: TrialConfig) -> list[int]:
    """min(out, in * kh * kw) of the ten layers of a discriminator of that width."""
    return [min(config.channels, 27), config.channels, 3] + [config.channels] * (LAYERS - 3)


def spectra(config: TrialConfig, curve: Columns, rng: np.random.Generator) -> Columns:
    """Every singular value of every layer, and the stable ranks of up to 20 iterations before."""
    ranks, at = _ranks(config), curve["iteration"]
    n, since = len(at), min(20, config.evaluate_every)
    fall = curve["spectrum_left"][:, None, None] ** (8 * np.arange(max(ranks)) / max(ranks))
    values = (fall * (1 - 0.001 * rng.random((n, LAYERS, 1)))).astype(np.float32)
    stable = rng.random((n, LAYERS, since), dtype=np.float32)
    there = np.arange(max(ranks)) < np.array(ranks)[:, None]
    return {
        "iteration": np.repeat(at, LAYERS),
        "layer": np.tile(np.arange(LAYERS), n),
        "singular_values": _lists(values[:, there].reshape(-1), ranks * n),
        "stable_ranks": _lists(stable.reshape(n * LAYERS, since)),
    }


def outputs(curve: Columns, rng: np.random.Generator) -> Columns:
    at = curve["iteration"]
    kinds = list(product(("training", "test", "generated"), ("d", "d_loss")))
    n = len(at) * len(kinds)
    counts = rng.integers(0, 16, (n, BINS))
    return {
        "iteration": np.repeat(at, len(kinds)),
        "images": list(islice(cycle(images for images, _ in kinds), n)),
        "quantity": list(islice(cycle(quantity for _, quantity in kinds), n)),
        "low": np.full(n, -2.0), "high": np.full(n, 2.0),
        "counts": _lists(counts), "not_finite": np.zeros(n, int),
    }  # fmt: skip


def _lists(values: np.ndarray, lengths: Sequence[int] = ()) -> pa.Array:
    """A list per row of a matrix, or lists of those lengths of all values one after another."""
    ends = np.cumsum(lengths or [values.shape[1]] * len(values))
    return pa.ListArray.from_arrays(np.concatenate([[0], ends]).astype(np.int32), values.ravel())


def table_of(table: str, trial_id: str, held: Columns) -> pa.Table:
    n = len(held["iteration"])
    given = {"trial_id": [trial_id] * n, **held}
    return pa.table(
        [
            _array(given[field.name], field.type)
            if field.name in given
            else pa.nulls(n, field.type)
            for field in SCHEMAS[table]
        ],
        schema=SCHEMAS[table].with_metadata({"schema_version": str(SCHEMA_VERSION)}),
    )


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)
