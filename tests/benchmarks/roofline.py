"""How near a training iteration comes to what the machine can do at all.

No iteration takes less time than its floor, max(operations / rate, bytes / bandwidth): operations
and bytes from the trainer's own model of costs, rate and bandwidth measured here, as what large
convolutions, matrix products and copies reach. A multiply-add is two operations (FLOP). The rate
is the best one in the precision of the trials; in bf16 the bytes are an upper bound. Where an
iteration is far from its floor and takes some microseconds per operator, it is the operators'
number that takes the time.

    python tests/benchmarks/roofline.py [--device cuda] [--threads 2] [--repetitions 2]
        [--precision tf32] [--settings digits:C_32-32,paper:A_16-128]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence

import torch
from ledger import record, say
from noise import noise
from timing import medians
from torch import Tensor

from trainer.config.costs import launches, operations
from trainer.config.traffic import traffic
from trainer.config.trial import PRECISIONS, TrialConfig, trial_config
from trainer.precision import training_pass
from trainer.state import initial_state
from trainer.updates import train_iteration

DIGITS = ("digits:C_32-32", "digits:B_64-64", "digits:A_64-128")
PAPER = ("paper:C_16-32", "paper:B_16-64", "paper:A_16-128")
LARGER = ("paper:C_64-32", "paper:B_64-64", "paper:A_64-128", "paper:D_128-256")
SETTINGS = {"cpu": DIGITS + PAPER, "cuda": DIGITS + PAPER + LARGER}
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}
# Side of the matrices, images per convolution, float32 values in a copy: enough for the full rate.
SIZES = {"cpu": (2048, 16, 2**26), "cuda": (8192, 256, 2**29)}
COPY = "copy"
Work = Callable[[], object]


def machine(device: str, repetitions: int) -> dict[str, float]:
    """FLOP/s of each kind of arithmetic by its name, and bytes/s of COPY, read and written."""
    parts: dict[str, Work] = {}
    amounts: dict[str, float] = {}
    for name, (amount, work) in _kernels(device).items():
        parts[name], amounts[name] = work, amount
    with torch.no_grad():
        times = medians(parts, repetitions, device)
    return {name: amounts[name] / times[name] for name in parts}


def _kernels(device: str) -> dict[str, tuple[float, Work]]:
    """(FLOP or bytes, what takes them)."""
    side, n, values = SIZES[device]
    source, target = (torch.ones(values, device=device) for _ in range(2))
    kernels: dict[str, tuple[float, Work]] = {
        COPY: (2.0 * 4 * values, lambda: target.copy_(source))
    }
    for precision, dtype in KINDS.items():
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        kernels[f"{precision} matmul"] = (2.0 * side**3, lambda a=a, b=b: a @ b)
        for channels in (128, 256):
            x = _innermost(torch.randn(n, channels, 32, 32, device=device, dtype=dtype))
            for kernel, stride in ((3, 1), (4, 2)):
                shape = (channels, channels, kernel, kernel)
                weight = _innermost(torch.randn(shape, device=device, dtype=dtype))
                flop = 2.0 * n * weight.numel() * (32 // stride) ** 2
                name = f"{precision} {kernel}x{kernel} of {channels}"
                kernels[name] = (flop, _convolution(x, weight, stride))
    return kernels


def _innermost(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _convolution(x: Tensor, weight: Tensor, stride: int) -> Work:
    return lambda: torch.nn.functional.conv2d(x, weight, stride=stride, padding=1)


def configurations(names: Sequence[str], device: str, precision: str) -> dict[str, TrialConfig]:
    found = {}
    for name in names:
        profile, _, setting = name.partition(":")
        found[name] = trial_config(profile, setting, "sn", 0, device=device, precision=precision)
    return found


def iterations(
    configs: Mapping[str, TrialConfig], repetitions: int, device: str
) -> dict[str, float]:
    """Seconds of one iteration of each, in turn."""
    return medians({name: iteration(c) for name, c in configs.items()}, repetitions, device)


def iteration(config: TrialConfig) -> Work:
    """On images of noise, for their content costs nothing."""
    data = noise(config)
    state = initial_state(config)
    return lambda: train_iteration(config, state, data)


def show_machine(rates: Mapping[str, float]) -> None:
    say("TFLOP/s; convolutions of 32x32 pixels, channels innermost")
    say(f"{'':14}{'fp32':>12}{'bf16':>12}")
    for kind in [name.removeprefix("fp32 ") for name in rates if name.startswith("fp32 ")]:
        fp32, bf16 = (rates[f"{precision} {kind}"] / 1e12 for precision in KINDS)
        say(f"{kind:14}{fp32:12.3f}{bf16:12.3f}")
    say(f"{COPY:14}{rates[COPY] / 1e9:12.1f} GB/s")


def show_settings(
    configs: Mapping[str, TrialConfig],
    seconds: Mapping[str, float],
    rates: Mapping[str, float],
) -> dict[str, float]:
    """Prints a line per setting; returns the figures to keep."""
    precision = next(iter(configs.values())).precision
    kind = "bf16" if precision == "bf16" else "fp32"
    rate = max(value for name, value in rates.items() if name.startswith(kind))
    say(
        f"\nan iteration of SN in {precision}; floor at {rate / 1e12:.3f} TFLOP/s and "
        f"{rates[COPY] / 1e9:.1f} GB/s; share: floor / time; times in ms, per operator in us"
    )
    say(
        f"{'setting':16}{'GFLOP':>9}{'GB':>8}{'by FLOP':>10}{'by bytes':>10}  {'binds':10}"
        f"{'time':>9}{'share':>7}{'TFLOP/s':>9}{'operator':>10}"
    )
    figures = {}
    for name, config in configs.items():
        flop = 2 * operations(config) / config.iterations
        moved, time = traffic(config), seconds[name]
        by_flop, by_bytes = flop / rate, moved / rates[COPY]
        binds = "arithmetic" if by_flop >= by_bytes else "memory"
        each = time / (launches(config) / config.iterations)
        share = max(by_flop, by_bytes) / time
        say(
            f"{name:16}{flop / 1e9:9.1f}{moved / 1e9:8.2f}{1e3 * by_flop:10.1f}"
            f"{1e3 * by_bytes:10.1f}  {binds:10}{1e3 * time:9.1f}{share:7.2f}"
            f"{flop / time / 1e12:9.3f}{1e6 * each:10.0f}"
        )
        figures |= {f"{name} seconds": time, f"{name} share of floor": share}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=sorted(SETTINGS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", default="float32", choices=PRECISIONS)
    parser.add_argument("--settings", help="profile:setting,... (default: all that fit)")
    parser.add_argument("--repetitions", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    names = args.settings.split(",") if args.settings else SETTINGS[args.device]
    configs = configurations(names, args.device, args.precision)
    say(f"torch {torch.__version__} on {args.device}, {args.threads} threads")
    # Products of float32 are taken as the trials take them.
    with training_pass(next(iter(configs.values()))):
        rates = machine(args.device, 3 * args.repetitions)
    show_machine(rates)
    seconds = {}
    # Those of milliseconds are noisier, and cost next to nothing.
    for profile, times in (("digits", 5), ("paper", 1)):
        chosen = {name: c for name, c in configs.items() if c.profile == profile}
        seconds |= iterations(chosen, times * args.repetitions, args.device)
    figures = show_settings(configs, seconds, rates)
    record(f"roofline {args.precision}", rates | figures, args.device)


if __name__ == "__main__":
    main()
