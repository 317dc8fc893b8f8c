"""What torch is told about float32 products; that a GPU follows it shows only on one."""

import pytest
import torch

from trainer.config.trial import trial_config
from trainer.data.sources import load_source
from trainer.loop import train
from trainer.precision import use_precision, without_tf32
from trainer.state import initial_state


def kernels():
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv


@pytest.fixture(autouse=True)
def restored():
    before = [kernel.fp32_precision for kernel in kernels()]
    yield
    for kernel, precision in zip(kernels(), before, strict=True):
        kernel.fp32_precision = precision


def told():
    return {kernel.fp32_precision for kernel in kernels()}


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", "ieee"), ("bf16", "ieee"), ("tf32", "tf32")]
)
def test_tf32_only_where_it_is_asked_for(precision, expected):
    use_precision(trial_config("paper", "C_8-32", "sn", 0, precision=precision))
    assert told() == {expected}
    with without_tf32():
        assert told() == {"ieee"}
    assert told() == {expected}


def test_training_sets_its_own_precision():
    for kernel in kernels():
        kernel.fp32_precision = "tf32"
    config = trial_config("digits", "C_32-32", "sn", 0, iterations=1)
    source = load_source("digits8", "cpu", None)
    next(train(config, initial_state(config), source, None))
    assert told() == {"ieee"}
