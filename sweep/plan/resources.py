"""Resources that a trial asks of a cluster: its share of a GPU, and how many trials fit.

Standard library only. About GPUs nothing here is measured: it is a model of memory
(`sweep.plan.gpu_memory`) and of time, whose constants are stated below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.plan.gpu_memory import memory_bytes
from trainer.config.costs import launches, operations
from trainer.config.lookup import UsageError
from trainer.config.own_trial import AnyTrial, OwnTrial
from trainer.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """CPUs and GPUs that Ray is asked for, for one trial."""

    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """`gigabytes` (10^9) and peaks in TFLOP/s, from the vendors' data sheets: of float32, and
    dense of TF32 where there is that."""

    gigabytes: float
    float32: float
    tf32: float | None = None


# By the names that Ray gives to a node's accelerator (ray.util.accelerators). Where a name has two
# sizes it is the smaller one.
GPUS: Mapping[str, Gpu] = {
    "K80": Gpu(gigabytes=12, float32=4.4),
    "P4": Gpu(gigabytes=8, float32=5.5),
    "P100": Gpu(gigabytes=12, float32=9.3),
    "T4": Gpu(gigabytes=16, float32=8.1),
    "V100": Gpu(gigabytes=16, float32=15.7),
    "L4": Gpu(gigabytes=24, float32=30.3, tf32=60),
    "A10G": Gpu(gigabytes=24, float32=35, tf32=35),
    "A100": Gpu(gigabytes=40, float32=19.5, tf32=156),
    "A100-40G": Gpu(gigabytes=40, float32=19.5, tf32=156),
    "L40S": Gpu(gigabytes=48, float32=91.6, tf32=183),
    "A100-80G": Gpu(gigabytes=80, float32=19.5, tf32=156),
    "H100": Gpu(gigabytes=80, float32=67, tf32=495),
    "RTX-PRO-6000": Gpu(gigabytes=96, float32=125, tf32=250),
    "H20": Gpu(gigabytes=96, float32=44, tf32=74),
    "H200": Gpu(gigabytes=141, float32=67, tf32=495),
    "B200": Gpu(gigabytes=180, float32=75, tf32=1100),
    "GB200": Gpu(gigabytes=186, float32=80, tf32=1250),
}
GPU_BYTES: Mapping[str, float] = {name: gpu.gigabytes * 1e9 for name, gpu in GPUS.items()}
# The type that an unknown GPU is taken for.
UNKNOWN_GPU = "T4"
# One process's CUDA context with torch's kernels: 781 MB, as pytorch#34323 reports it.
CONTEXT_BYTES = 0.8e9
# Sustained part of the peak. NVIDIA's ResNet-50 reaches 0.57 of it in float32 (V100, 367 images a
# second) and 0.15 in TF32 (A100, 938), where memory holds it back. The generators here have five
# times its operations per value in memory, hence 0.3: assumed. bf16 is taken for TF32.
FLOAT32_SUSTAINED, TF32_SUSTAINED = 0.57, 0.3
# Seconds that the host takes to hand one operator to the GPU: Python, autograd, launch. With
# networks of width 1 an iteration on a shared CPU core takes 20 to 25 us per operator, of which a
# part is the operator itself.
LAUNCH_SECONDS = 15e-6
# Compute time beyond that of one GPU for which the trials that share it may ask: each becomes that
# much slower at most, and the gaps between its kernels are filled.
OVERBOOKED = 0.3
# More processes than eight that take turns are not modelled.
_PARTS = (1, 2, 3, 4, 6, 8)
# Ray counts resources in ten-thousandths (`kResourceUnitScaling`).
UNITS = 10_000


def share(
    config: AnyTrial,
    gpu_bytes: float | None,
    *,
    gpus: float | None = None,
    cpus: float | None = None,
) -> Share:
    """The smallest 1/k of a GPU that holds the trial's memory and, nearly, its compute time.

    `gpus` and `cpus`, where given, are taken instead. Raises UsageError for what Ray cannot give,
    for fewer CPUs than the trial has threads, and for GPUs that it would leave idle. A trial that
    no such GPU holds asks for a whole one: whether it fits is only known when it runs. Of several
    ranks each has a whole GPU, or threads of its own, and all are on one node.
    """
    threads = config.threads * (1 if isinstance(config, OwnTrial) else config.ranks)
    if cpus is not None and not threads <= cpus < math.inf:
        raise UsageError(
            f"--cpus-per-trial must be at least {threads}, the threads of a trial, "
            f"but got {cpus:g}"
        )
    if gpus is not None:
        _check_gpus(config, gpus)
    cpus_per_trial = cpus or float(threads)
    if config.device_type != "cuda" or isinstance(config, OwnTrial):
        return Share(cpus=cpus_per_trial, gpus=gpus or 0.0)
    if config.ranks > 1:
        return Share(cpus=cpus_per_trial, gpus=float(config.ranks))
    return Share(cpus=cpus_per_trial, gpus=gpus or 1 / _trials_per_gpu(config, gpu_bytes))


def _check_gpus(config: AnyTrial, gpus: float) -> None:
    whole_gpus = gpus >= 1 and gpus < math.inf and gpus == int(gpus)
    no_gpu = gpus == 0 and config.device_type != "cuda"
    if not (1 / UNITS <= gpus < 1 or whole_gpus or no_gpu):
        raise UsageError(
            f"--gpus-per-trial must be a part of a GPU ({1 / UNITS:f} to 1) or a whole number, "
            f"but got {gpus:g}"
        )
    if isinstance(config, OwnTrial):
        return
    used = config.ranks if config.device_type == "cuda" else 0
    if gpus > max(1, used) or (used > 1 and gpus != used):
        raise UsageError(
            f"a trial of {config.method} on {config.device_type} with a world size of "
            f"{config.ranks} uses {used or 'no'} GPU{'s' * (used != 1)}, but --gpus-per-trial is "
            f"{gpus:g}: give --world-size as many, or leave --gpus-per-trial out"
        )


def _trials_per_gpu(config: TrialConfig, gpu_bytes: float | None) -> int:
    total = GPU_BYTES[UNKNOWN_GPU] if gpu_bytes is None else gpu_bytes
    trial_bytes = memory_bytes(config) + CONTEXT_BYTES
    busy_share = compute_share(config, sustained(total, config.precision))
    return max(
        k
        for k in _PARTS
        if k == 1 or (k * trial_bytes <= total and k * busy_share <= 1 + OVERBOOKED)
    )


def compute_share(config: TrialConfig, flops_per_second: float) -> float:
    """Part of its time for which a trial that has a GPU alone keeps it busy; a model.

    As if the host's launches and the GPU's kernels took turns, which is the least it can be.
    """
    computing = 2 * operations(config) / flops_per_second
    return computing / (computing + launches(config) * LAUNCH_SECONDS)


def sustained(gpu_bytes: float | None, precision: str) -> float:
    """FLOP/s that the slowest known GPU of this size is taken to sustain; a model."""
    total = GPU_BYTES[UNKNOWN_GPU] if gpu_bytes is None else gpu_bytes
    # A card reports a little more or less than its name says.
    sizes = [size for size in GPU_BYTES.values() if size <= 1.1 * total]
    nearest = max(sizes, default=min(GPU_BYTES.values()))
    names = [name for name, size in GPU_BYTES.items() if size == nearest]
    return min(sustained_by(name, precision) for name in names)


def sustained_by(name: str, precision: str) -> float:
    """FLOP/s that the GPU of that name is taken to sustain; a model."""
    gpu = GPUS[name]
    if precision == "float32" or gpu.tf32 is None:
        return 1e12 * gpu.float32 * FLOAT32_SUSTAINED
    return 1e12 * max(gpu.tf32 * TF32_SUSTAINED, gpu.float32 * FLOAT32_SUSTAINED)


def memory_cap(gpus: float, gpu_bytes: float) -> float:
    """Fraction for torch.cuda.set_per_process_memory_fraction, which counts no CUDA context.

    Raises UsageError if the context alone takes the share.
    """
    cap = min(gpus, 1.0) - CONTEXT_BYTES / gpu_bytes
    if cap <= 0:
        raise UsageError(
            f"{gpus:g} of a GPU of {gpu_bytes / 1e9:.0f} GB holds no more than a CUDA context, "
            f"{CONTEXT_BYTES / 1e9:.1f} GB: give a larger --gpus-per-trial"
        )
    return cap


def bigger(share: Share) -> Share | None:
    """The share after out of memory: twice as much, at most a GPU; None if it had one."""
    if share.gpus <= 0 or share.gpus >= 1:
        return None
    return Share(cpus=share.cpus, gpus=min(1.0, 2 * share.gpus))


def gpu_bytes(nodes: Sequence[Mapping[str, float]]) -> float | None:
    """Memory of the smallest GPU that the nodes' `accelerator_type:X` name; None if none does."""
    sizes = [
        # A node with the label of a size has the general one, too.
        max(GPU_BYTES[name] for name in types)
        for node in nodes
        if node.get("GPU") and (types := [n for n in GPU_BYTES if f"accelerator_type:{n}" in node])
    ]
    return min(sizes, default=None)


def check_fits(
    shares: Mapping[str, Share],
    nodes: Sequence[Mapping[str, float]],
    *,
    may_grow_to: Sequence[Mapping[str, float]] = (),
) -> None:
    """Raises UsageError if a trial asks for more than any node has or could have.

    `shares` by the trial's name; `nodes` are resources as Ray gives them, `may_grow_to` those of
    the nodes that an autoscaler may add.
    """
    possible = [*nodes, *may_grow_to]
    for name, request in shares.items():
        if not any(_fits(request, node) for node in possible):
            advice = _advice(request, possible)
            raise UsageError(f"{name} asks for {_in_words(request)}, but {advice}")


def _fits(request: Share, node: Mapping[str, float]) -> bool:
    wanted = {"CPU": request.cpus, "GPU": request.gpus}
    return all(units(value) <= units(node.get(name, 0)) for name, value in wanted.items())


def units(value: float) -> int:
    """The amount of a resource as Ray counts it, which cuts off what is below a unit.

    It does so with the float as it is: 0.3334 is 3333 units.
    """
    return int(value * UNITS)


def _advice(request: Share, nodes: Sequence[Mapping[str, float]]) -> str:
    """Says what the biggest node has that cannot meet a request, and what to do."""
    if not nodes:
        return "the cluster has no node: start one with these resources"
    if request.gpus and not any(node.get("GPU") for node in nodes):
        return (
            "no node has a GPU: submit to a cluster that has one, or try --profile digits, "
            "which needs none"
        )
    order = ("GPU", "CPU") if request.gpus else ("CPU", "GPU")
    biggest = max(nodes, key=lambda node: [node.get(resource, 0) for resource in order])
    capacity = Share(cpus=biggest.get("CPU", 0), gpus=biggest.get("GPU", 0))
    flag = "--gpus-per-trial" if request.gpus > capacity.gpus else "--cpus-per-trial"
    size = _in_words(capacity)
    return f"the biggest node has {size}: give a smaller {flag}, or add a bigger node"


def _in_words(share: Share) -> str:
    gpus = f" and {share.gpus:.3g} GPU{'s' if share.gpus > 1 else ''}" if share.gpus else ""
    return f"{share.cpus:g} CPU{'' if share.cpus == 1 else 's'}{gpus}"


def slots(shares: Sequence[Share], nodes: Sequence[Mapping[str, float]]) -> int:
    """Counts the trials that run at once on these nodes, taken in their order.

    A part of a GPU lies on one GPU: two halves of two GPUs hold no whole trial.
    """
    free = [
        _Free(units(node.get("CPU", 0.0)), [UNITS] * int(node.get("GPU", 0))) for node in nodes
    ]
    return sum(any(node.take(request) for node in free) for request in shares)


@dataclass(slots=True)
class _Free:
    """Free resources of one node, in units: CPUs, and what is left of each of its GPUs."""

    cpus: int
    gpus: list[int]

    def take(self, request: Share) -> bool:
        """Takes the requested share if it fits; False if it does not."""
        cpus, part = units(request.cpus), min(units(request.gpus), UNITS)
        if cpus > self.cpus:
            return False
        # The fullest GPU that still has room, so that whole ones stay whole.
        order = sorted(range(len(self.gpus)), key=lambda n: self.gpus[n])
        gpu_numbers = [n for n in order if self.gpus[n] >= part][: math.ceil(request.gpus)]
        if len(gpu_numbers) < math.ceil(request.gpus):
            return False
        for n in gpu_numbers:
            self.gpus[n] -= part
        self.cpus -= cpus
        return True
