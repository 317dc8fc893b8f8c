"""One run without Ray: `python -m trainer --setting C_32-32 --profile digits --method sr-static`.

Prints one JSON object per evaluation when piped, a progress line on a terminal. The folder given
by --out holds evaluations.jsonl, spectra/, samples/, checkpoint.pt and result.json; the same
command again goes on from the checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from trainer.config import TrialConfig, trial_config
from trainer.settings import METHODS, PROFILES, SETTINGS, UsageError

USAGE = 2


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m trainer",
        description="Train one GAN of Table I and record what happens to its spectrum.",
        epilog="example: python -m trainer --profile digits --setting C_32-32 --method sr-static "
        "--seed 0 --out runs/c32",
    )
    p.add_argument("--profile", default="paper", help=f"{' or '.join(PROFILES)} (default paper)")
    p.add_argument("--setting", metavar="NAME", help=f"row of Table I: {', '.join(SETTINGS)}")
    p.add_argument("--method", default="sn", help=f"{', '.join(METHODS)} (default sn)")
    p.add_argument("--i-ratio", type=float, help="share of singular values lifted (default 0.5)")
    p.add_argument("--seed", type=int, default=0, help="default 0")
    p.add_argument("--iterations", type=int, help="G updates (default: the profile's)")
    p.add_argument("--out", type=Path, metavar="DIR", help="where to write; nothing without it")
    p.add_argument("--data-root", type=Path, metavar="DIR", help="where torchvision's data lie")
    p.add_argument("--download", action="store_true", help="download the data set if missing")
    p.add_argument("--device", help="cpu or cuda (default: the profile's)")
    p.add_argument(
        "--stop-on-collapse",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end the run when the verdict says so (default yes)",
    )
    p.add_argument("--list-methods", action="store_true", help="print the methods and exit")
    p.add_argument(
        "--controls",
        action="store_true",
        help="print what the digits scores say of real images, noise and a constant, and exit",
    )
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        if args.list_methods:
            for name, method in METHODS.items():
                say(f"{name:10}  {method.formula}  [{method.source}]")
            return 0
        if args.controls:
            return print_controls()
        if args.setting is None:
            raise UsageError("--setting is missing; for example --setting C_32-32")
        config = trial_config(
            args.profile,
            args.setting,
            args.method,
            args.seed,
            i_ratio=args.i_ratio,
            iterations=args.iterations,
            device=args.device,
        )
        return run(config, args)
    except UsageError as error:
        sys.stderr.write(f"python -m trainer: {error}\n")
        return USAGE


def run(config: TrialConfig, args: argparse.Namespace) -> int:
    """Trains, writes and prints; returns the exit code. Raises UsageError before any work."""
    import torch

    from trainer import data, digits
    from trainer.loop import final_scores, train
    from trainer.state import to_bytes

    if config.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("no GPU is visible here; --device cpu trains without one, slowly")
    torch.set_num_threads(config.threads)
    images = data.load(config.dataset, config.device, args.data_root, download=args.download)
    scorer = digits.load_scorer(config.device) if config.scorer else None
    state = open_run(config, args.out)
    if scorer is None:
        sys.stderr.write("IS and FID are not measured: this version has no Inception network\n")
    verdict = "no evaluation was due"
    first, began = state.iteration, time.monotonic()
    for evaluation in train(config, state, images, scorer):
        if args.out:
            replace(args.out / f"samples/{evaluation.iteration}.png", evaluation.samples)
            replace(args.out / f"spectra/{evaluation.iteration}.json", dump(evaluation.spectra))
            history = b"\n".join(dump(record) for record in state.history)
            replace(args.out / "evaluations.jsonl", history + b"\n")
            replace(args.out / "checkpoint.pt", to_bytes(config, state))
        verdict = evaluation.verdict.words
        speed = (time.monotonic() - began) / max(1, state.iteration - first)
        report(config, evaluation.record, verdict, speed)
        if evaluation.verdict.stop and args.stop_on_collapse:
            break
    result = {
        "trial_id": config.trial_id,
        "iteration": state.iteration,
        "seconds": state.seconds,
        "verdict": verdict,
        "final": final_scores(config, state, scorer),
    }
    if args.out:
        replace(args.out / "result.json", dump(result))
    say("\n" * sys.stdout.isatty() + dump(result).decode())
    return 0


def open_run(config: TrialConfig, out: Path | None) -> Any:
    """The state to go on from; `out` is made if need be. Raises UsageError if it cannot serve."""
    from trainer.state import from_bytes, initial_state

    if out is None:
        return initial_state(config)
    try:
        for folder in ("samples", "spectra"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        if (out / "checkpoint.pt").exists():
            return from_bytes(config, (out / "checkpoint.pt").read_bytes())
        replace(out / "config.json", dump(dataclasses.asdict(config)))
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}") from error
    return initial_state(config)


def report(config: TrialConfig, record: dict[str, Any], verdict: str, speed: float) -> None:
    """One JSON line, or on a terminal the progress line again. `speed` is in s per iteration."""
    if not sys.stdout.isatty():
        say(dump({**record, "verdict": verdict}).decode())
        return
    done, planned = record["iteration"], config.iterations
    eta = round(speed * (planned - done))
    modes = f"modes {record['modes']}  FD-digits {record['fd_digits']:.0f}  " * ("modes" in record)
    sys.stdout.write(
        f"\r\x1b[K{config.setting} {config.method} seed {config.seed}  {done}/{planned}  {modes}"
        f"gap {record['gap']:.3f}  spectrum {record['spectrum_left']:.2f}  {verdict}  "
        f"ETA {eta // 60}:{eta % 60:02d}"
    )
    sys.stdout.flush()


def print_controls() -> int:
    """What the scores of the digits profile say of images that are not generated."""
    from trainer import data, digits

    n = PROFILES["digits"].final_samples
    rows = digits.control_scores(data.load("digits8", "cpu"), digits.load_scorer("cpu"), n)
    for name, scores in rows.items():
        say(dump({"control": name, **scores}).decode())
    return 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def dump(value: Any) -> bytes:
    """JSON; numbers that are not finite become null, for JSON has no word for them."""
    return json.dumps(_finite(value)).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def replace(path: Path, content: bytes) -> None:
    """Replaces the file as a whole, so that a reader or a crash never meets half of it."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
