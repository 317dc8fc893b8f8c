"""Two ranks hold the same numbers to the last bit, and their gradient is one process's."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainer.parallel.two_ranks import one_update
from trainer.parallel.ranks import ALONE, Ranks, running_figures

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]
# One of every kind that exchanges something of its own, or adds something once per update.
TOGETHER = ("sn", "sr-dynamic", "simgd", "rpgan-r1r2", "srip", "lecam")
# NuGAN's search for its directions takes most of the time.
THE_OTHERS = ("sr-static", "sr-dynamic-reparam", "pacgan", "r1", "nugan")


def run_two_ranks(folder, methods):
    """What each of two real processes found."""
    command = [sys.executable, "-m", "tests.trainer.parallel.two_ranks", str(folder)]
    processes = [subprocess.Popen([*command, str(rank), *methods], cwd=ROOT) for rank in (0, 1)]
    try:
        assert [process.wait(280) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return run_two_ranks(tmp_path_factory.mktemp("ranks"), TOGETHER)


def test_each_part_has_one_rank():
    for n, world_size in ((4, 1), (4, 2), (6, 3), (8, 8)):
        parts = [list(Ranks(rank, world_size).parts(n)) for rank in range(world_size)]
        assert sorted(part for each in parts for part in each) == list(range(n))
        assert {len(part) for part in parts} == {n // world_size}
    assert list(Ranks(1, 3).parts(6)) == [1, 4]


def check_gradients(found, method):
    expected = one_update(method)
    for of_rank in found:
        together = of_rank[method][0]
        for player in ("d", "g"):
            scale = max(float(gradient.abs().max()) for gradient in expected[player])
            for here, there in zip(expected[player], together[player], strict=True):
                torch.testing.assert_close(there, here, rtol=0, atol=1e-9 * scale)
        torch.testing.assert_close(
            together["measured"], expected["measured"], rtol=1e-6, atol=1e-7, equal_nan=True
        )


def check_equality(found, method):
    (_, here), (_, there) = (of_rank[method] for of_rank in found)
    assert here.keys() == there.keys()
    assert any("running_mean" in name for name in here)
    unequal = [name for name in here if not torch.equal(here[name], there[name])]
    assert unequal == []


@pytest.mark.parametrize("method", TOGETHER)
def test_the_gradient_is_one_process_s(found, method):
    """In float64 an iteration of both ranks is that of one process over all four parts."""
    check_gradients(found, method)


@pytest.mark.parametrize("method", TOGETHER)
def test_ranks_are_equal_to_the_last_bit(found, method):
    """Batch norm's running figures among all, after three iterations."""
    check_equality(found, method)


@pytest.mark.slow
def test_two_ranks_by_every_other_method(tmp_path):
    found = run_two_ranks(tmp_path, THE_OTHERS)
    for method in THE_OTHERS:
        check_gradients(found, method)
        check_equality(found, method)


def test_what_rank_0_says_reaches_the_other(found):
    assert [of_rank["shared bytes"] for of_rank in found] == [b"abc\x00", b"abc\x00"]
    assert [of_rank["goes on"] for of_rank in found] == [[True, False], [True, False]]


def test_a_rank_alone_exchanges_nothing():
    """Without any process group: an exchange would raise."""
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    total, mean = torch.tensor(3.0), torch.tensor(4.0)
    ALONE.reduce([parameter], total, means=[mean])
    ALONE.replicate([total])
    assert parameter.grad.tolist() == [1, 2]
    assert (float(total), float(mean)) == (3, 4)
    assert ALONE.leads
    assert [ALONE.goes_on(True), ALONE.goes_on(False)] == [True, False]
    assert ALONE.shared_bytes(b"x") == b"x"


def test_running_figures_are_batch_norm_s():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.BatchNorm1d(2))
    figures = list(running_figures(network))
    assert [figure.tolist() for figure in figures] == [[0] * 3, [1] * 3, [0] * 2, [1] * 2]
    assert figures[0] is network[0].running_mean
