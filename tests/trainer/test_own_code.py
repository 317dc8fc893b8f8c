"""A person's own loss and augmentation: what they change, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.own_code_files import own_code, write_code
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config
from trainer.data.images import load
from trainer.losses import PAIR_LOSSES, OwnLoss
from trainer.state import initial_state
from trainer.updates import train_iteration

SMALL = {"channels": 4, "generator_channels": 4, "batch_size": 8, "micro_batch": 8}
SMALL |= {"generator_batch_size": 16}
WRONG = """
import torch
def single(real, fake): return (fake - real).mean()
def plain(real, fake): return 1.0, 2.0
def vectors(real, fake): return fake - real, real - fake
def constant(real, fake): return (0 * real).sum(), fake.mean()
def failing(real, fake): return real @ fake[:2], fake.mean()
def smaller(images): return images[..., ::2]
def rounded(images): return images.detach().round()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    write_code(tmp_path, monkeypatch, "wrong_code_module", WRONG)
    return write_code(tmp_path, monkeypatch, "own_loss_module")


def trained(method: str, **changes) -> torch.Tensor:
    config = trial_config("digits", "C_8-32", method, 0, iterations=20, **{**SMALL, **changes})
    state, data = initial_state(config), load("digits8", "cpu")
    return torch.stack([train_iteration(config, state, data) for _ in range(3)])


def test_an_own_loss_of_pairs_is_the_published_one_where_it_says_the_same(module: str) -> None:
    code = own_code(loss=f"{module}:loss")
    assert torch.equal(
        trained("rpgan-r1r2", code=code).nan_to_num(-1), trained("rpgan-r1r2").nan_to_num(-1)
    )
    for method in ("sr-static", "unrolled", "jare"):
        changes = {"generator_batch_size": 8} if method == "jare" else {}
        hinge = trained(method, **changes)
        assert not torch.allclose(trained(method, code=code, **changes), hinge, equal_nan=True)


def test_a_loss_sees_real_outputs_in_turns_and_pairs_one_by_one() -> None:
    seen = []

    def loss(real, fake):
        seen.append(real.tolist())
        return (fake - real).mean(), (real - fake).mean()

    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0, 5.0])
    assert float(OwnLoss(loss).generator(fake, real)) == pytest.approx((1 + 1 - 4) / 3)
    assert seen == [[1.0, 2.0, 1.0]]
    term = PAIR_LOSSES["relativistic"]
    own = OwnLoss(lambda r, f: (torch.nn.functional.softplus(f - r).mean(), r))
    torch.testing.assert_close(own.of_pairs(real, fake[:2]), term.of_pairs(real, fake[:2]))


def test_an_augmentation_is_what_d_sees(module: str) -> None:
    plain = trained("r1")
    assert torch.equal(
        trained("r1", code=own_code(augment=f"{module}:same")).nan_to_num(-1),
        plain.nan_to_num(-1),
    )
    flipped = trained("r1", code=own_code(augment=f"{module}:flipped"))
    assert not torch.allclose(flipped, plain, equal_nan=True)


@pytest.mark.parametrize(
    ("flag", "name", "words"),
    [
        ("loss", "single", r"must return two losses, \(of D, of G\), but returned a tensor \[\]"),
        ("loss", "plain", "scalar tensors with a gradient, but D's is a float"),
        ("loss", "vectors", r"scalar tensors with a gradient, but D's is a tensor \[4\]"),
        ("loss", "constant", "D's loss has no finite gradient in D's outputs"),
        ("loss", "failing", "failed: RuntimeError"),
        ("augment", "smaller", r"images of the same shape, but returned a tensor \[4, 3, 8, 4\]"),
        ("augment", "rounded", "has no gradient in the images"),
    ],
)
def test_what_cannot_be_trained_with_is_one_line(
    module: str, flag: str, name: str, words: str
) -> None:
    code = own_code(**{flag: f"wrong_code_module:{name}"})
    with pytest.raises(UsageError, match=words) as refusal:
        trial_config("digits", "C_8-32", "sn", 0, code=code)
    assert "\n" not in str(refusal.value)
