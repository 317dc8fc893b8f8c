"""A run in a folder: evaluations.jsonl, spectra, outputs, samples, checkpoint.pt, result.json.

Each is replaced as a whole, so that a reader or a crash never meets half of it; the same command
again goes on from the checkpoint. SIGTERM and Ctrl-C save one at the next iteration.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch

from trainer import affine
from trainer.collapse import verdict_on
from trainer.config import lifting, picture_flags
from trainer.config.costs import cpu_seconds, hessian_warning
from trainer.config.lookup import UsageError
from trainer.config.methods import METHODS
from trainer.config.picture_gauge import TITLE, is_gauged
from trainer.config.protocols import missing_reason, weights_path
from trainer.config.settings import PROFILES
from trainer.config.trial import TrialConfig
from trainer.data.images import Images, load
from trainer.data.share import shared
from trainer.data.sources import load_source
from trainer.interruption import Interrupted, Stop, termination
from trainer.loop import Evaluation, final_scores, train
from trainer.out_of_memory import is_out_of_memory, out_of_memory_advice, phase_of
from trainer.parallel.processes import RankDied, launched_ranks
from trainer.scores import digits
from trainer.scores.scorers import Scorer, load_scorer
from trainer.state import TrainState, branch, from_bytes, initial_state, to_bytes

RANK_DIED, INTERRUPTED = 1, 130


def run(config: TrialConfig, args: argparse.Namespace) -> int:
    """Trains, writes and prints; returns the exit code. Raises UsageError where it cannot."""
    check_device(config.device, config.ranks)
    for text in [*lifting.warnings([config]), *filter(None, [hessian_warning(config)])]:
        sys.stderr.write(f"warning: {text}\n")
    if config.own_images is not None and config.device == "cpu":
        # A rough one, said before a run that may take days.
        time_needed = timedelta(seconds=round(cpu_seconds(config)))
        sys.stderr.write(
            f"expected to take about {time_needed} (h:mm:ss) on {config.threads} CPU "
            f"thread{'s' if config.threads > 1 else ''}, by constants measured elsewhere\n"
        )
    torch.set_num_threads(config.threads)
    source = load_source(
        config.dataset,
        config.device,
        args.data_root,
        download=args.download,
        own=config.own_images,
        reading=picture_flags.reading_of(args),
    )
    source = shared(source, config.data_share)
    state = open_run(config, args)
    scorer = load_scorer(
        config, source, state, args.inception_weights, allow_other=args.allow_other_weights
    )
    if scorer is None or is_gauged(config.scorer):
        reason = missing_reason(weights_path(args.inception_weights))
        sys.stderr.write(f"IS and FID are not measured: {reason}\n")
    if is_gauged(config.scorer):
        sys.stderr.write(
            f"scored by {TITLE}, features learnt from the pictures themselves: no FID\n"
        )
    if args.out and not state.history:
        _writing(args.out, lambda out: replace(out / "config.json", dump(asdict(config))))
    try:
        with termination() as stop:
            return _train(config, args, state, source, scorer, stop)
    except RankDied as death:
        advice = "nothing is kept without --out"
        if args.out:
            advice = f"the same command goes on from {args.out / 'checkpoint.pt'}"
        sys.stderr.write(f"{death}, and the run with it: {advice}\n")
        return RANK_DIED
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        phase_name = phase_of(error)
        # Tried only after this block: the error's traceback holds what filled the memory.
        del state, scorer
    raise UsageError(out_of_memory_advice(config, source, phase_name))


def check_device(device: str, ranks: int = 1) -> None:
    """Raises UsageError unless torch can train on it here, with a GPU for each of the ranks."""
    if (match := re.fullmatch(r"cpu|(cuda)(?::(\d+))?", device)) is None:
        raise UsageError(f"unknown device {device!r}: cpu, cuda, or cuda:N for the Nth GPU")
    cuda, index = match.groups()
    if cuda and not torch.cuda.is_available():
        raise UsageError("no GPU is visible here; --device cpu trains without one, slowly")
    if cuda and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(f"no {device} here: {torch.cuda.device_count()} GPUs, counted from 0")
    if cuda and ranks > torch.cuda.device_count():
        raise UsageError(
            f"--world-size {ranks} takes a GPU for each rank: {torch.cuda.device_count()} here"
        )


def _train(
    config: TrialConfig,
    args: argparse.Namespace,
    state: TrainState,
    source: Any,
    scorer: Any,
    stop: Stop,
) -> int:
    verdict = verdict_on(config, state.history)
    first, start = state.iteration, time.monotonic()
    # A run that had stopped on collapse does not go on when the same command is given again.
    finished = verdict.stop and args.stop_on_collapse
    training = _training(config, args, state, source, scorer, stop)
    with nullcontext(()) if finished else training as evaluations:
        for evaluation in evaluations:
            if args.out:
                step = partial(write, config=config, state=state, evaluation=evaluation)
                _writing(args.out, step)
            verdict = evaluation.verdict
            speed = (time.monotonic() - start) / max(1, state.iteration - first)
            report(config, evaluation.record, verdict.words, speed)
            if verdict.stop and args.stop_on_collapse:
                break
    try:
        final = final_scores(config, state, scorer, stop)
    except Interrupted:
        final = None
    if final is None or stop():
        return _interrupted(config, args.out, state)
    result = {
        "trial_id": config.trial_id,
        "iteration": state.iteration,
        "seconds": state.seconds,
        "verdict": verdict.words,
        "final": final,
        "protocol": protocols(config, scorer),
    }
    if config.dataset == "affine":
        result["equilibrium"] = equilibrium(config)
    if args.out:
        _writing(args.out, lambda out: replace(out / "result.json", dump(result)))
    say("\n" * sys.stdout.isatty() + dump(result).decode())
    return 0


@contextmanager
def _training(
    config: TrialConfig,
    args: argparse.Namespace,
    state: TrainState,
    source: Any,
    scorer: Any,
    stop: Stop,
) -> Iterator[Iterator[Evaluation]]:
    """Yields the evaluations of the run, whose other ranks live as long as the block."""
    reading = picture_flags.reading_of(args)
    with launched_ranks(config, state, root=args.data_root, reading=reading) as ranks:
        yield train(config, state, source, scorer, stop, ranks)


def _interrupted(config: TrialConfig, out: Path | None, state: TrainState) -> int:
    """Keeps what was trained since the last evaluation, and says what is kept."""
    kept = "nothing is kept without --out"
    if out is not None:
        content = to_bytes(config, state)
        _writing(out, lambda out: replace(out / "checkpoint.pt", content))
        kept = f"{out / 'checkpoint.pt'} has it, and the same command goes on from there"
    sys.stderr.write(
        "\n" * sys.stdout.isatty() + f"interrupted at iteration {state.iteration}: {kept}\n"
    )
    return INTERRUPTED


def open_run(config: TrialConfig, args: argparse.Namespace) -> TrainState:
    """The state to go on from; --out is made if need be. Raises UsageError if it cannot serve."""
    out: Path | None = args.out
    if out is not None and (out / "checkpoint.pt").exists():
        if not args.resume:
            raise UsageError(f"{out} holds a run already: give another --out, or --resume")
        try:
            return from_bytes(config, read(out / "checkpoint.pt"))
        except UsageError as error:
            raise UsageError(f"in {out}: {error}; give another --out") from error
    if args.from_checkpoint is None:
        state = initial_state(config)
    else:
        state = branch(config, read(args.from_checkpoint))
    if out is not None:
        _writing(out, make_folders)
    return state


def make_folders(out: Path) -> None:
    for folder in ("samples", "spectra", "outputs"):
        (out / folder).mkdir(parents=True, exist_ok=True)


def read(path: Path) -> bytes:
    """The file's content. Raises UsageError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _writing(out: Path, step: Callable[[Path], None]) -> None:
    """step(out). Raises UsageError if it cannot write."""
    try:
        step(out)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}") from error


def write(out: Path, config: TrialConfig, state: TrainState, evaluation: Evaluation) -> None:
    """Everything that the evaluation measured, and the checkpoint last: a resume rests on it."""
    iteration = evaluation.iteration
    spectra = {"singular_values": evaluation.spectra, "stable_ranks": evaluation.stable_ranks}
    replace(out / f"samples/{iteration}.png", evaluation.samples)
    replace(out / f"spectra/{iteration}.json", dump(spectra))
    replace(out / f"outputs/{iteration}.json", dump(evaluation.outputs))
    history = b"\n".join(dump(record) for record in state.history)
    replace(out / "evaluations.jsonl", history + b"\n")
    replace(out / "checkpoint.pt", to_bytes(config, state))


def report(config: TrialConfig, record: dict[str, Any], verdict: str, speed: float) -> None:
    """Prints a JSON line, or on a terminal the progress line. `speed` is in s per iteration."""
    if not sys.stdout.isatty():
        say(dump({**record, "verdict": verdict}).decode())
        return
    done, planned = record["iteration"], config.iterations
    eta = round(speed * (planned - done))
    modes = f"modes {record['modes']}  " * ("modes" in record)
    distance = record.get(config.score_name)
    score = "" if distance is None else f"{config.score_name} {distance:.4g}  "
    sys.stdout.write(
        f"\r\x1b[K{config.setting} {config.method} seed {config.seed}  {done}/{planned}  {modes}"
        f"{score}gap {record['gap']:.3f}  spectrum {record['spectrum_left']:.2f}  {verdict}  "
        f"ETA {eta // 60}:{eta % 60:02d}"
    )
    sys.stdout.flush()


def protocols(config: TrialConfig, scorer: Scorer | None) -> dict[str, Any] | None:
    """Protocol records of the scores on the curve and at the end."""
    if scorer is None:
        return None
    names = {"curve": config.curve_protocol, "final": config.final_protocol}
    return {stage: scorer.protocol_record(name) for stage, name in names.items()}


def equilibrium(config: TrialConfig) -> dict[str, Any]:
    """Theory of the affine problem under this method, at its equilibrium."""
    own = METHODS[config.method].penalty == "conopt"
    field = affine.update_field(config.penalty_weight or 0.0, own=own)
    return {
        "eigenvalues": [[float(v.real), float(v.imag)] for v in field.eigenvalues],
        "phase_factor": field.phase_factor,
        "conditioning": field.conditioning,
    }


def print_controls() -> int:
    """Prints the digits scores of images that are not generated."""
    n = PROFILES["digits"].recipes["digits8"].final_samples
    images = load("digits8", "cpu")
    assert isinstance(images, Images)
    rows = digits.control_scores(images, digits.load_scorer("cpu"), n)
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
    """Replaces the file as a whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
