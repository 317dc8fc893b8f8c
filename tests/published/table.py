"""Puts published discriminators under the regularizer, and prints what came of each.

    python tests/published/table.py                      # installs into a temporary folder first
    python tests/published/table.py --folder DIR         # installs there, once
    python tests/published/table.py --only 'bigvgan*'

Each is built in a process of its own, takes an Adam step on a random batch, is projected by
`sr-static`, takes one more step, is projected again and run forward once. A line has the layers
that are written; the parameters with a gradient that no product was found for; the layers of
r >= 4 whose applied weight, as that last pass received it, has sigma_{r/2} / sigma_1 above 0.98;
and the factor of the logits. Outside CI: it needs the network.
"""

from __future__ import annotations

import argparse
import fnmatch
import multiprocessing
import subprocess
import sys
import tempfile
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.published.discriminators import DISCRIMINATORS  # noqa: E402
from trainer.watch import spectral_regularization  # noqa: E402
from trainer.weights.layer import block_spectra  # noqa: E402
from trainer.weights.trace import trace  # noqa: E402

FLAT = 0.98
SECONDS = 300
FORK = multiprocessing.get_context("fork")


def install(folder: Path) -> None:
    """Installs the pinned packages, without what they depend on, package by package."""
    for line in (HERE / "requirements.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        done = subprocess.run([*command, str(folder), line], capture_output=True, text=True)
        if done.returncode:
            sys.stderr.write(f"{line}: {done.stderr.strip().splitlines()[-1]}\n")


def measure(name: str) -> dict[str, Any]:
    """The row of one discriminator, which must be importable."""
    from tests.published.discriminators import DISCRIMINATORS

    torch.manual_seed(0)
    torch.set_num_threads(1)
    network, call, logits = DISCRIMINATORS[name]()
    network.train()
    sr = spectral_regularization(network, "sr-static", period=1, logits=logits)
    sr.trace(call)
    optimiser = torch.optim.Adam(network.parameters(), 2e-4, betas=(0.0, 0.9))
    graded: set[str] = set()
    for _ in range(2):
        optimiser.zero_grad()
        logits(call()).float().square().mean().backward()
        graded = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
        optimiser.step()
        sr.step()
    raw = {id(p): n for n, p in network.named_parameters()}
    written = {raw[id(layer.origin.raw)]: layer for layer in sr.lifted_layers()}
    _, last = trace(network, call)
    flat: dict[str, bool] = {}
    for use in last.uses:
        for source in use.sources & set(written):
            if written[source].layout.r >= 4:
                sigma = block_spectra(use.layout.matrices(use.applied))
                middle = sigma[:, sigma.shape[1] // 2 - 1] / sigma[:, 0]
                flat[source] = flat.get(source, True) and bool((middle > FLAT).all())
    missed = [n for n in sr.unused if any(g.startswith(n) for g in graded)]
    return {
        "written": len(written),
        "flat": sum(flat.values()),
        "of": len(flat),
        "watched": {x.name: x.reason for x in sr.layers if x.reason},
        "unused": len(sr.unused),
        "missed": {n: sr.unused[n] for n in missed},
        "factor": sr.logits_factor,
    }


def row(name: str) -> dict[str, Any]:
    """`measure` in a process of its own, forked from this one; an `error` where that fails."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_send, args=(sender, name))
    process.start()
    sender.close()
    try:
        if receiver.poll(SECONDS):
            return receiver.recv()
        return {"error": f"more than {SECONDS} s"}
    except EOFError:
        return {"error": "the process ended without a result"}
    finally:
        process.kill()
        process.join()


def _send(sender: Connection, name: str) -> None:
    warnings.simplefilter("ignore")
    try:
        result = measure(name)
    except Exception as error:  # whatever a foreign package raises is its row
        result = {"error": f"{type(error).__name__}: {error}"[:200]}
    sender.send(result)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the packages are, or are to be")
    parser.add_argument("--only", default="*", help="a shell pattern of names")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="published-"))
    if not folder.is_dir() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        install(folder)
    sys.path.append(str(folder))
    failures = 0
    for name in fnmatch.filter(DISCRIMINATORS, args.only):
        result = row(name)
        if "error" in result:
            failures += 1
            line = result["error"]
        else:
            bad = result["flat"] < result["of"] or bool(result["missed"])
            failures += bad
            line = (
                f"written {result['written']}, missed {len(result['missed'])}, flat "
                f"{result['flat']} of {result['of']}, logits x {result['factor']:.3g}"
                f"{''.join(f'; {n}: {r}' for n, r in result['watched'].items())}"
                f"{''.join(f'; missed {n}: {r}' for n, r in result['missed'].items())}"
            )
        sys.stdout.write(f"{name}: {line}\n")
        sys.stdout.flush()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
