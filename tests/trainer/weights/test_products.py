"""Which arguments of a function are weights."""

import pytest
import torch
import torch.nn.functional as F

from trainer.weights.products import operands

X, W = torch.ones(2, 4), torch.ones(3, 4)
IMAGES, KERNEL = torch.ones(1, 4, 2, 2), torch.ones(6, 2, 1, 1)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "kinds"),
    [
        (F.linear, (X, W), {}, ["linear"]),
        (F.linear, (X,), {"weight": W}, ["linear"]),
        (F.linear, (X, torch.ones(4)), {}, []),
        (torch.matmul, (X, W.mT), {}, ["matmul", "matmul"]),
        (torch.addmm, (torch.ones(3), X, W.mT), {}, ["matmul", "matmul"]),
        (torch.einsum, ("bi,oi->bo", X, W), {}, ["einsum", "einsum"]),
        (torch.einsum, ("bi,oi", X, W), {}, []),
        (F.embedding, (torch.tensor([0, 1]), W), {}, ["embedding"]),
        (
            torch.conv2d,
            (torch.ones(1, 4, 2, 2), torch.ones(6, 2, 1, 1)),
            {"groups": 2},
            ["conv2d"],
        ),
        (torch.relu, (X,), {}, []),
    ],
)
def test_weights_are_found_by_the_function_and_their_place(function, args, kwargs, kinds):
    assert [operand.kind for operand in operands(function, args, kwargs)] == kinds


def test_groups_are_read_from_either_place():
    by_name = list(operands(torch.conv2d, (IMAGES, KERNEL), {"groups": 2}))
    by_place = list(operands(torch.conv2d, (IMAGES, KERNEL, None, 1, 0, 1, 2), {}))
    assert by_name[0].layout == by_place[0].layout
    assert by_name[0].layout.sizes == (2, 3, 2)


def test_attention_stacks_three_matrices():
    attention = torch.nn.MultiheadAttention(4, 2)
    args = (X, X, X, 4, 2, attention.in_proj_weight, None, None, None, False, 0.0)
    args = (*args, attention.out_proj.weight)
    sizes = [o.layout.sizes for o in operands(F.multi_head_attention_forward, args, {})]
    assert sizes == [(3, 4, 4), (1, 4, 4)]
