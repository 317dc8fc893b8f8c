"""Packs against loops, and what is left over."""

import pytest
import torch

from trainer.packing import packed, shuffled, whole_packs


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(7, 2), (8, 3, 4, 4)])
def test_a_pack_has_the_channels_of_its_samples_in_a_row(m, shape):
    x = torch.arange(float(torch.Size(shape).numel())).view(shape)
    packs = packed(x, m)
    assert packs.shape == (shape[0] // m, m * shape[1], *shape[2:])
    for k, pack in enumerate(packs):
        for j in range(m):
            assert torch.equal(pack[j * shape[1] : (j + 1) * shape[1]], x[k * m + j])


def test_packs_do_not_depend_on_the_layout_in_memory():
    x = torch.randn(4, 3, 8, 8)
    innermost = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(packed(x, 2), packed(innermost, 2))


def test_what_fills_no_pack_is_left_out():
    assert [whole_packs(n, 3) for n in (2, 3, 16, 18)] == [0, 3, 15, 18]
    assert whole_packs(16, None) == 16


def test_labels_stay_with_their_samples():
    x = torch.arange(50.0)[:, None]
    rng = torch.Generator().manual_seed(0)
    mixed, labels = shuffled(x, torch.arange(50), rng)
    assert labels is not None
    assert torch.equal(mixed[:, 0].long(), labels)
    assert sorted(labels.tolist()) == list(range(50)) != labels.tolist()
    assert shuffled(x, None, rng)[1] is None
