"""Fits CTGAN to a real table, plain and with spectral regularization, and scores what it draws.

    python tests/published/tables.py                     # installs into a temporary folder first
    python tests/published/tables.py --folder DIR --epochs 100 --seeds 5

The table is statsmodels' `fair` (6,366 answers to a survey; six columns of categories, three of
numbers), four fifths of it to fit to. CTGAN builds its discriminator inside of `fit`, which is
left as it is: `watching` finds it. Of 2,000 drawn rows against the held-out fifth a line has
sdmetrics' quality report (mean of column shapes and of trends of pairs of columns), the two apart,
KS complement of numbers and TV complement of categories, and of D's second layer sigma_2/sigma_1
and stable rank at the end. Outside CI: it needs the network.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.resources
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from trainer.watch import watching  # noqa: E402

CATEGORIES = ("rate_marriage", "children", "religious", "educ", "occupation", "occupation_husb")
PLAIN = "plain"
ROWS = 2_000


def install(folder: Path) -> None:
    """Installs the pinned packages, without what they depend on. Raises CalledProcessError."""
    requirements = str(HERE / "tables-requirements.txt")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*command, str(folder), "-r", requirements], check=True)


def read_table() -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows to fit to, held-out rows); categories are words."""
    file = importlib.resources.files("statsmodels.datasets.fair") / "fair.csv"
    with file.open() as stream:
        table = pd.read_csv(stream)
    for name in CATEGORIES:
        table[name] = "c" + table[name].astype(str)
    order = np.random.default_rng(0).permutation(len(table))
    cut = len(table) // 5
    return table.iloc[order[cut:]], table.iloc[order[:cut]]


def scores(real: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, float]:
    """Scores of drawn rows against real ones; all are 0 to 1, higher is better."""
    columns = importlib.import_module("sdmetrics.single_column")
    kinds = {n: "categorical" if n in CATEGORIES else "numerical" for n in real.columns}
    report = importlib.import_module("sdmetrics.reports.single_table").QualityReport()
    metadata = {"columns": {name: {"sdtype": kind} for name, kind in kinds.items()}}
    report.generate(real, drawn, metadata, verbose=False)
    parts = report.get_properties().set_index("Property")["Score"]

    def mean(metric: Any, kind: str) -> float:
        names = [name for name, each in kinds.items() if each == kind]
        return statistics.fmean(metric.compute(real[n], drawn[n]) for n in names)

    return {
        "quality": report.get_score(),
        "shapes": parts["Column Shapes"],
        "pairs": parts["Column Pair Trends"],
        "ks": mean(columns.KSComplement, "numerical"),
        "tv": mean(columns.TVComplement, "categorical"),
    }


def fit(
    real: pd.DataFrame, held_out: pd.DataFrame, method: str | None, seed: int, epochs: int
) -> dict[str, float]:
    """Scores of a CTGAN of its default settings after so many epochs, and D's spectrum."""
    ctgan = importlib.import_module("ctgan.synthesizers.ctgan")
    torch.manual_seed(seed)
    np.random.seed(seed)
    model = ctgan.CTGAN(epochs=epochs, enable_gpu=False)
    model.set_random_state(seed)
    start = time.process_time()
    with watching(ctgan.Discriminator, method) as monitors:
        model.fit(real, list(CATEGORIES))
    seconds = time.process_time() - start
    (monitor,) = monitors
    sigma = [values[0] for values in monitor.spectra().values() if values.shape[1] > 1][-1]
    spectrum = {
        "sigma2": float(sigma[1] / sigma[0]),
        "rank": float((sigma**2).sum() / sigma[0] ** 2),
    }
    return {**scores(held_out, model.sample(ROWS)), **spectrum, "cpu_s": seconds}


def line(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in values.items())


def summary(rows: Sequence[Mapping[str, float]]) -> str:
    """Means, with the standard deviation over seeds where there are several."""
    parts = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        spread = f" ({statistics.stdev(values):.3f})" if len(values) > 1 else ""
        parts.append(f"{name} {statistics.fmean(values):.3f}{spread}")
    return "  ".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the packages are, or are to be")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", default=f"{PLAIN},sn-renorm,sr-static")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="tables-"))
    if not folder.is_dir() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        install(folder)
    sys.path.append(str(folder))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    real, held_out = read_table()
    say(f"real rows: {line(scores(held_out, real.sample(ROWS, random_state=0)))}")
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(args.seeds):
        for name in args.methods.split(","):
            method = None if name == PLAIN else name
            rows.setdefault(name, []).append(fit(real, held_out, method, seed, args.epochs))
            say(f"{name} seed {seed}: {line(rows[name][-1])}")
    for name, of_method in rows.items():
        say(f"{name}, n = {len(of_method)}: {summary(of_method)}")
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
