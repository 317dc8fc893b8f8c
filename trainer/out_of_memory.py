"""What running out of memory looks like, and advice for a run that did."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainer.config.costs import images_at_once
from trainer.config.methods import METHODS, NOT_ADDITIVE
from trainer.config.trial import TrialConfig
from trainer.data.sources import Source
from trainer.measure import samples
from trainer.state import initial_state
from trainer.updates import train_iteration

TRAINING, EVALUATION = "training", "an evaluation"
_NOTE = "ran out of memory in "

# Words by which torch and NVIDIA's libraries say so where it is no torch.OutOfMemoryError: the
# context of a process, cuBLAS, cuDNN, cuSOLVER and cuFFT do not ask torch's allocator.
_WORDS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an error says that the device's memory, or the host's, did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # torch.AcceleratorError among them.
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Notes in an error of a full memory, and so in its traceback, what ran into it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            error.add_note(f"{_NOTE}{name}")
        raise


def phase_of(error: BaseException) -> str | None:
    """The phase that an error of a full memory was noted in."""
    notes = getattr(error, "__notes__", ())
    return next((note.removeprefix(_NOTE) for note in notes if note.startswith(_NOTE)), None)


def out_of_memory_advice(
    config: TrialConfig, source: Source, phase_name: str | None = TRAINING
) -> str:
    """Names the largest micro-batch, by halving, with which an iteration and what an evaluation
    draws do fit; of an evaluation, which has no micro-batches, what else there is to do."""
    if phase_name == EVALUATION:
        return _advice_on_evaluations(config)
    problem = f"out of memory at micro-batch {config.micro_batch} on {config.device}"
    if METHODS[config.method].penalty in NOT_ADDITIVE:
        return f"{problem}, and {config.method} cannot divide its batch: take a smaller setting"
    size = config.micro_batch
    while size % 2 == 0:
        size //= 2
        if _fits(dataclasses.replace(config, micro_batch=size), source):
            return f"{problem}; {size} fits: --micro-batch {size}"
    return f"{problem}; not even {size} fits: take a smaller setting, or a bigger device"


def _advice_on_evaluations(config: TrialConfig) -> str:
    hessian_logged = config.hessian_k is not None and not METHODS[config.method].nudges
    advice = "leave out --hessian, or " if hessian_logged else ""
    return (
        f"out of memory in an evaluation on {config.device}, which --micro-batch does not change: "
        f"{advice}take a smaller setting, or a bigger device"
    )


def _fits(config: TrialConfig, source: Source) -> bool:
    """Whether a first iteration, and a draw of samples, go through; nothing of it is kept."""
    if config.device_type == "cuda":
        torch.cuda.empty_cache()
    try:
        state = initial_state(config)
        source.follow(config.seed, 0, config.n_critic, config.batch_size, config.micro_batch)
        train_iteration(config, state, source)
        samples(config, state, images_at_once(config))
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            return False
        raise
    finally:
        source.close()
    return True
