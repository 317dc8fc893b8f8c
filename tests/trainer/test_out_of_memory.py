"""What is said when memory does not suffice, against a device that holds so many images."""

import traceback

import pytest
import torch

from trainer import out_of_memory
from trainer.config.trial import trial_config
from trainer.out_of_memory import (
    EVALUATION,
    TRAINING,
    is_out_of_memory,
    out_of_memory_advice,
    phase,
    phase_of,
)

torch.set_num_threads(1)


# As torch 2.15 words them: its allocator, a context that finds the device full, cuBLAS.
SAYS_SO = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate`"),
    MemoryError(),
]
SAYS_ANOTHER_THING = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    ValueError("CUDA out of memory"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("error", SAYS_SO, ids=str)
def test_every_kind_of_a_full_memory_is_one(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", SAYS_ANOTHER_THING, ids=repr)
def test_no_other_error_is(error):
    assert not is_out_of_memory(error)


def test_a_host_that_is_full_says_so_in_the_words_that_are_looked_for():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    assert is_out_of_memory(raised.value)


def test_another_error_is_not_taken_for_a_size_that_does_not_fit(images, monkeypatch):
    def iteration(config, state, source):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(out_of_memory, "train_iteration", iteration)
    with pytest.raises(RuntimeError, match="assert"):
        out_of_memory_advice(small(batch_size=32, micro_batch=32), images)


def small(method="sn", **changes):
    sizes = {"channels": 4, "generator_channels": 4}
    return trial_config("digits", "C_64-32", method, 0, **(sizes | changes))


@pytest.fixture
def room(monkeypatch):
    """Gives the device room for so many images at once; lists the sizes that were tried."""
    real, tried = out_of_memory.train_iteration, []

    def limit(n):
        def iteration(config, state, source):
            tried.append(config.micro_batch)
            if config.micro_batch > n:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return real(config, state, source)

        monkeypatch.setattr(out_of_memory, "train_iteration", iteration)
        return tried

    return limit


def test_the_largest_micro_batch_that_fits_is_named(images, room):
    config, tried = small(batch_size=32, micro_batch=32), room(8)
    said = out_of_memory_advice(config, images)
    assert said == "out of memory at micro-batch 32 on cpu; 8 fits: --micro-batch 8"
    assert tried == [16, 8]


def test_halving_goes_on_from_the_micro_batch_and_ends_at_an_odd_one(images, room):
    tried = room(1)
    said = out_of_memory_advice(small(batch_size=24, micro_batch=12), images)
    assert said.startswith("out of memory at micro-batch 12 on cpu; not even 3 fits")
    assert tried == [6, 3]


@pytest.mark.parametrize("method", ["jare", "conopt"])
def test_a_batch_that_cannot_be_divided_is_not_tried(images, room, method):
    tried = room(1)
    said = out_of_memory_advice(small(method), images)
    assert f"{method} cannot divide its batch" in said
    assert tried == []


def test_simultaneous_descent_can_divide_its_batch(images, room):
    room(16)
    assert "16 fits" in out_of_memory_advice(small("simgd"), images)


def test_a_stream_reads_ahead_for_the_size_that_is_tried_and_ends(images, room):
    asked = []

    class Stream:
        def draw(self, n, rng):
            return images.draw(n, rng)

        def follow(self, *arguments):
            asked.append(arguments)

        def close(self):
            asked.append("closed")

    room(16)
    out_of_memory_advice(small(), Stream())
    assert asked == [(0, 0, 1, 32, 16), "closed"]


def test_what_does_not_fit_in_an_evaluation_is_not_advised(images, room, monkeypatch):
    """Training does, its samples do not: no micro-batch helps there."""
    room(32)

    def draw(config, state, n):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(out_of_memory, "samples", draw)
    said = out_of_memory_advice(small(batch_size=24, micro_batch=12), images)
    assert said.startswith("out of memory at micro-batch 12 on cpu; not even 3 fits")


@pytest.mark.parametrize(("changes", "advised"), [({}, False), ({"hessian_k": 2}, True)])
def test_of_an_evaluation_only_what_affects_it_is_advised(images, room, changes, advised):
    tried = room(1)
    said = out_of_memory_advice(small(**changes), images, EVALUATION)
    assert said.startswith("out of memory in an evaluation on cpu, which --micro-batch does not")
    assert ("--hessian" in said) == advised
    assert tried == []


def test_the_phase_is_in_the_traceback():
    for name in (TRAINING, EVALUATION):
        with pytest.raises(torch.OutOfMemoryError) as raised, phase(name):
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert phase_of(raised.value) == name
        assert "".join(traceback.format_exception(raised.value)).endswith(f"in {name}\n")
    with pytest.raises(RuntimeError) as other, phase(TRAINING):
        raise RuntimeError("shapes differ")
    assert phase_of(other.value) is None
