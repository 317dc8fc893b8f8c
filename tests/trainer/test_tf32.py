"""What torch is told about float32 products; that a GPU follows it shows only on one."""

import pytest
import torch

from trainer.spectral import apply_compensation, static_compensation
from trainer.tf32 import is_on, tf32, use_tf32, without_tf32


def kernels():
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn


@pytest.fixture(autouse=True)
def restored():
    before = [kernel.fp32_precision for kernel in kernels()]
    yield
    torch.backends.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    for kernel, precision in zip(kernels(), before, strict=True):
        kernel.fp32_precision = precision


def settings():
    """Both interfaces as they read back, the older one first."""
    older = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    return *older, *(kernel.fp32_precision for kernel in kernels())


ON = "high", True, "tf32", "tf32", "tf32"
OFF = "highest", False, "ieee", "ieee", "ieee"


def test_both_interfaces_say_what_is_set():
    for _ in range(2):
        use_tf32(True)
        assert settings() == ON
        assert torch.backends.cuda.matmul.allow_tf32
        assert is_on()
        use_tf32(False)
        assert settings() == OFF
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not is_on()


def test_a_general_setting_of_others_does_not_reach_convolutions():
    """cuDNN's own switch, off, leaves them to `torch.backends.fp32_precision`."""
    torch.backends.fp32_precision = "tf32"
    torch.backends.cudnn.allow_tf32 = False
    assert torch.backends.cudnn.conv.fp32_precision == "tf32", "torch has mended it: see use_tf32"
    with without_tf32():
        assert settings() == OFF


@pytest.mark.parametrize("on", [True, False])
def test_for_a_while(on):
    use_tf32(not on)
    before = settings()
    with tf32(on):
        assert settings() == (ON if on else OFF)
        with tf32(on), without_tf32():
            assert settings() == OFF
        assert settings() == (ON if on else OFF)
    assert settings() == before
    with pytest.raises(ZeroDivisionError), tf32(on):
        raise ZeroDivisionError
    assert settings() == before


def test_settings_of_the_newer_interface_alone_come_back():
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    with pytest.raises(RuntimeError):
        torch.get_float32_matmul_precision()
    before = [kernel.fp32_precision for kernel in kernels()]
    with without_tf32():
        assert settings() == OFF
    assert [kernel.fp32_precision for kernel in kernels()] == before


def test_w_sr_and_its_gradient_are_without(monkeypatch):
    seen = []
    real = torch.Tensor.__matmul__

    def noted(a, b):
        seen.append(is_on())
        return real(a, b)

    weight = torch.randn(8, 30, generator=torch.Generator().manual_seed(0)).requires_grad_()
    constants = static_compensation(weight, 4)
    monkeypatch.setattr(torch.Tensor, "__matmul__", noted)
    use_tf32(True)
    apply_compensation(weight, constants).square().sum().backward()
    assert seen == 4 * [False]
    assert is_on()
