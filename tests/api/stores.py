"""A store as a sweep leaves it, seeded, and the writers that fill it."""

from __future__ import annotations

import json
import math
import os
import random
import struct
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sweep.store.schemas import SCORE_NAMES
from sweep.store.store import Store
from trainer.config.settings import METHODS, PROFILES, SETTINGS

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ITERATIONS, PERIOD = 1500, 75
RANKS = (16, 16, 3, 16, 16, 16, 16, 16, 16, 16)
GRID = 8


def trial_id(setting: str, method: str, seed: int, i_ratio: float | None = None) -> str:
    i = "-" if i_ratio is None else f"{i_ratio:g}"
    digest = f"{zlib.crc32(f'{setting} {method} {i} {seed}'.encode()):08x}"
    return f"digits.{setting}.{method}.{i}.s{seed}-{digest}"


def identity(setting: str, method: str, seed: int, i_ratio: float | None = None) -> dict[str, Any]:
    if i_ratio is None and METHODS[method].lifts:
        i_ratio = 0.5
    row, profile = SETTINGS[setting], PROFILES["digits"]
    assert row.dataset is not None  # as every row of Table I has one
    return {
        "trial_id": trial_id(setting, method, seed, i_ratio),
        "profile": "digits",
        "setting": setting,
        "group": row.group,
        "setting_batch_size": row.batch_size,
        "setting_channels": row.channels,
        "batch_size": profile.batch_size[row.batch_size],
        "micro_batch": profile.batch_size[row.batch_size],
        "channels": profile.channels[row.channels],
        "dataset": profile.dataset[row.dataset],
        "method": method,
        "form": METHODS[method].form,
        "i_ratio": i_ratio,
        "data_share": None,
        "seed": seed,
        "iterations": ITERATIONS,
        "precision": "float32",
    }


def curve(who: dict[str, Any], until: int = ITERATIONS) -> list[dict[str, Any]]:
    """Evaluations that look like the digits': SN at narrow widths loses spectrum and modes."""
    rng = random.Random(who["trial_id"])
    narrow = who["setting_channels"] == 32
    sick = narrow and not METHODS[who["method"]].renormalises
    keeps = METHODS[who["method"]].lifts
    top = (110 if sick else 380 if narrow else 620) * rng.uniform(0.9, 1.1)
    floor = (1150 if sick else 640 if narrow else 330) * rng.uniform(0.9, 1.1)
    rows = []
    for iteration in range(0, until + 1, PERIOD):
        t = iteration / ITERATIONS
        left = 0.98 if keeps else 0.95 - (0.35 if sick else 0.1) * min(1, 1.6 * t)
        modes = round(top * (1 - math.exp(-6 * t)) * rng.uniform(0.94, 1.06))
        d_real = 0.9 * math.exp(-5 * t) if sick else 0.8 + 0.1 * rng.random()
        d_fake = -0.9 * math.exp(-5 * t) if sick else -0.7 - 0.1 * rng.random()
        share = min(1.0, modes / 700)
        layers = [left + 0.02 * rng.uniform(-1, 1) for _ in RANKS]
        rows.append(
            {
                "trial_id": who["trial_id"],
                "iteration": iteration,
                "seconds": 0.02 * iteration + 0.4,
                "d_loss": math.nan if iteration == 0 else 2 - (d_real - d_fake) * 0.6,
                "g_loss": math.nan if iteration == 0 else -d_fake,
                "d_real": d_real,
                "d_fake": d_fake,
                "d_test": 0.9 * d_real,
                "images_per_second": math.nan if iteration == 0 else 800.0,
                "gap": d_real - d_fake,
                "d_spread": abs(d_real - d_fake) / 2 + 0.05,
                "d_gradient": 0.1 + 0.3 * abs(d_real - d_fake),
                "n_samples": 1000,
                "modes": modes,
                "reverse_kl": math.nan if modes == 0 else 4.5 - 4 * share + 0.1 * rng.random(),
                "valid_share": 0.2 + 0.7 * share,
                "fd_digits": floor + (2600 - floor) * math.exp(-7 * t) + 25 * rng.random(),
                "joint_class_score": 1 + 300 * share,
                "modes_ungated": modes + 80,
                "reverse_kl_ungated": 4.2 - 3.6 * share,
                "spectrum_left": left,
                "spectrum_low": 1 - left,
                "sigma1": [1 + t for _ in RANKS],
                "sigma2_ratio": layers,
                "low_share": [1 - value for value in layers],
                "mean_ratio": [0.8 * value for value in layers],
                "stable_rank": [0.5 * n * value for n, value in zip(RANKS, layers, strict=True)],
                "effective_rank": [0.8 * n * v for n, v in zip(RANKS, layers, strict=True)],
                "finite": True,
            }
        )
    return rows


def outputs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Histograms of 512 values around the means of the curve, in 64 bins."""
    means = {"training": "d_real", "generated": "d_fake", "test": "d_test"}
    return [
        {
            "trial_id": row["trial_id"],
            "iteration": row["iteration"],
            "images": images,
            "quantity": quantity,
            "low": row[mean] - 1,
            "high": row[mean] + 1,
            "counts": [8] * 64,
            "not_finite": 0,
        }
        for row in rows
        for images, mean in means.items()
        for quantity in ("d", "d_loss")
    ]


def spectra(rows: list[dict[str, Any]], ranks: Sequence[int] = RANKS) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": row["trial_id"],
            "iteration": row["iteration"],
            "layer": layer,
            "singular_values": [
                1.0 if k == 0 else row["spectrum_left"] ** (1 + 8 * k / n) for k in range(n)
            ],
            "stable_ranks": [0.5 * n] * (0 if row["iteration"] == 0 else PERIOD),
        }
        for row in rows
        for layer, n in enumerate(ranks)
    ]


def png(seed: int) -> bytes:
    """64x64 pixels of 8x8 blobs, drawn without an imaging library."""
    rng = random.Random(seed)
    tint = [[rng.randrange(60, 256) for _ in range(3)] for _ in range(GRID * GRID)]
    lines = b""
    for y in range(8 * GRID):
        lines += b"\0"
        for x in range(8 * GRID):
            inside = (x % 8 - 3.5) ** 2 + (y % 8 - 3.5) ** 2 < 9
            lines += bytes(tint[y // 8 * GRID + x // 8] if inside else (0, 0, 0))

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 8 * GRID, 8 * GRID, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def write_trial(store: Store, who: dict[str, Any], status: str = "completed") -> None:
    """A trial with its curve, spectra and samples, as far as one of that status gets."""
    until = {"running": 600, "failed": 225}.get(status, ITERATIONS)
    narrow_sn = who["setting_channels"] == 32 and not METHODS[who["method"]].renormalises
    if narrow_sn and status == "completed":
        status, until = "collapsed", 900
    rows = curve(who, until)
    scored = [row for row in rows if row["iteration"] > 0]
    best = min(scored, key=lambda row: row["fd_digits"])
    store.write_rows("evaluations", who["trial_id"], rows)
    store.write_rows("spectra", who["trial_id"], spectra(rows))
    store.write_rows("outputs", who["trial_id"], outputs(rows))
    for row in rows[::4]:
        name = f"samples/{who['trial_id']}/{row['iteration']}.png"
        store.write(name, png(row["iteration"] + who["seed"]))
    ended = status in ("completed", "collapsed")
    fell = status == "collapsed" and not METHODS[who["method"]].lifts
    store.write_rows(
        "trials",
        who["trial_id"],
        [
            {
                **who,
                "status": status,
                "stop_reason": "mode collapse" if status == "collapsed" else None,
                "mode_collapse_at": 375 if status == "collapsed" else None,
                "spectral_collapse_at": 450 if fell else None,
                "verdict_rules": json.dumps(
                    {"mode_collapse": "modes below 120 after the burn-in, 3 times"}
                    if status == "collapsed"
                    else {}
                ),
                "not_judged": "{}",
                "healthy": status != "collapsed",
                "iteration": until,
                "best_iteration": best["iteration"],
                **{f"best_{name}": best.get(name) for name in SCORE_NAMES},
                "final_iteration": until if ended else None,
                **{f"final_{name}": rows[-1].get(name) if ended else None for name in SCORE_NAMES},
                "first_spectrum_left": rows[0]["spectrum_left"],
                "final_spectrum_left": rows[-1]["spectrum_left"],
                "objective": best["fd_digits"],
                "protocol": json.dumps({"extractor": "digits classifier", "samples": 1000}),
                "config": json.dumps({"n_critic": 1, "learning_rate": 2e-3, "seed": who["seed"]}),
                "thresholds": json.dumps({"patience": 3, "modes_never": 120}),
                "software": json.dumps({"python": "3.11", "torch": "2.15"}),
                "host": "worker-1",
                "attempt": "a1",
                "seconds": rows[-1]["seconds"],
                "started_at": START,
                "updated_at": START + timedelta(seconds=until / 10),
                "traceback": "Traceback (most recent call last):\nRuntimeError: out of memory"
                if status == "failed"
                else None,
            }
        ],
    )


def write_diverged(store: Store, who: dict[str, Any]) -> None:
    """A trial that grows beyond all bounds from iteration 525 on and is not finite from 750."""
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    for k, row in enumerate(rows):
        if k > 6:
            row |= {"fd_digits": row["fd_digits"] * 10.0 ** (k - 6), "d_loss": 10.0 ** (k - 4)}
        if k > 9:
            row |= {"fd_digits": math.nan, "gap": math.nan, "d_loss": math.inf, "finite": False}
    store.write_rows("evaluations", who["trial_id"], rows)
    (row,) = store.read_rows("trials", who["trial_id"])
    changes = {"diverged_at": 750, "stop_reason": "divergence", "spectral_collapse_at": None}
    store.write_rows("trials", who["trial_id"], [row | changes])


def write_imagenet(store: Store, who: dict[str, Any]) -> None:
    """The trial as an ImageNet one: seventeen layers, Inception scores, no modes."""
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    digits_only = dict.fromkeys(("modes", "fd_digits", "valid_share", "reverse_kl"))
    rows = [row | digits_only | {"inception_score": 20.5, "fid": 61.25} for row in rows]
    store.write_rows("evaluations", who["trial_id"], rows)
    store.write_rows("spectra", who["trial_id"], spectra(rows, (64,) * 17))
    (row,) = store.read_rows("trials", who["trial_id"])
    row |= {"best_fid": 61.25, "best_inception_score": 20.5, "best_modes": None}
    row |= {"final_modes": None, "protocol": '{"reference_weights": false}'}
    store.write_rows("trials", who["trial_id"], [row])


def write_plan(store: Store, sweep: str, trials: list[dict[str, Any]]) -> None:
    rows = [
        {"sweep": sweep, "position": k, "operations": 1e12, **who} for k, who in enumerate(trials)
    ]
    store.write_rows("sweeps", sweep, rows)


def write_driver(store: Store, sweep: str, **changes: Any) -> None:
    says = {
        "sweep": sweep,
        "state": "running",
        "host": "head",
        "pid": 4242,
        "pid_started": 1.0,
        "attempt": "a1",
        "started_at": START.isoformat(),
        "heartbeat": datetime.now(UTC).isoformat(),
        "command": "python -m sweep.table1 --profile digits",
        "slots": 2,
        "counts": {},
        "eta_seconds": 240.0,
        **changes,
    }
    store.write(f"sweeps/{sweep}.json", json.dumps(says).encode())


def fill(root: Path) -> Store:
    """Two sweeps: one finished, and one going on with every status in it."""
    store = Store(root)
    settings = ("C_32-32", "B_64-64", "A_64-128")
    methods = ("sn", "sr-static", "sn-renorm", "sr-lift")
    demo = [identity(s, m, seed) for s in settings for m in methods for seed in (0, 1)]
    for who in demo:
        write_trial(store, who)
    write_plan(store, "demo", demo)
    write_driver(store, "demo", state="finished", heartbeat=START.isoformat(), eta_seconds=None)

    grid = [
        identity("C_32-32", "sr-static", seed, i) for i in (0.125, 0.25, 0.75) for seed in (0, 1)
    ]
    for who in grid[:3]:
        write_trial(store, who)
    write_trial(store, grid[3], "running")
    write_trial(store, grid[4], "failed")
    write_plan(store, "fig8", [*grid, demo[0]])
    # Ahead of the clock, so that it still counts as heard of when a long session gets to it.
    ahead = datetime.now(UTC) + timedelta(hours=2)
    write_driver(store, "fig8", heartbeat=ahead.isoformat())
    return store


def age(root: Path, seconds: float = 10) -> None:
    """As if every file had been written that long ago."""
    then = time.time() - seconds
    for path in root.rglob("*"):
        os.utime(path, (then, then))
