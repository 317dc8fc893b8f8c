"""The digits and what scores them, and a small feature extractor in place of Inception.

torch-fidelity is imported by the fixtures that need it, not by every test of the trainer.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

from trainer.config import protocols
from trainer.data.images import load
from trainer.scores import digits, fidelity


@pytest.fixture(scope="module")
def images():
    return load("digits8", "cpu")


@pytest.fixture(scope="module")
def scorer():
    return digits.load_scorer("cpu")


@pytest.fixture
def no_download(monkeypatch):
    """Whatever would download weights fails the test; no weights are named in the environment."""
    from torch_fidelity import feature_extractor_inceptionv3

    def refuse(*_, **__):
        raise AssertionError("something was to be downloaded")

    monkeypatch.setattr(feature_extractor_inceptionv3, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    """A file with the reference's names and shapes, but random weights: 96 MB, 472 tensors.

    The script that made the reference wrote no counters of batches. In torch's older format.
    """
    rng = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in fidelity.network_layout().items():
        if name.endswith(("running_mean", "bias")):
            weights[name] = torch.zeros(shape)
        elif name.endswith(("running_var", "bn.weight")):
            weights[name] = torch.ones(shape)
        elif not name.endswith("num_batches_tracked"):
            spread = math.sqrt(2 / math.prod(shape[1:]))
            weights[name] = spread * torch.randn(shape, generator=rng)
    assert len(weights) == 472
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    assert path.stat().st_size == pytest.approx(protocols.REFERENCE_BYTES, rel=1e-3)
    return path


@pytest.fixture(scope="session")
def draw():
    """Random uint8 images [n, 3, size, size] with values in [0, high)."""

    def draw(n, seed=0, *, high=256, size=8):
        rng = torch.Generator().manual_seed(seed)
        return torch.randint(high, (n, 3, size, size), generator=rng, dtype=torch.uint8)

    return draw


class Listed(Dataset):
    """A data set that counts how often an image was read."""

    def __init__(self, images):
        self.images = images
        self.reads = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        self.reads += 1
        return self.images[index]


@pytest.fixture(scope="session")
def listed():
    return Listed


@pytest.fixture(scope="session")
def tiny():
    """A registered extractor of torch-fidelity's kind: 12 features and 5 logits."""
    import torch_fidelity

    class Tiny(torch_fidelity.FeatureExtractorBase):
        """The mean colours of the four quarters, and a fixed projection of them."""

        def __init__(self, name, features_list, **_):
            super().__init__(name, features_list)
            rng = torch.Generator().manual_seed(0)
            self.register_buffer("projection", torch.randn(12, 5, generator=rng) / 12)

        @staticmethod
        def get_provided_features_list():
            return "pool", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric):
            return "logits" if metric == "isc" else "pool"

        def forward(self, x):
            pool = F.adaptive_avg_pool2d(x.float(), 2).flatten(1)
            named = {"pool": pool, "logits": pool @ self.projection}
            return tuple(named[name] for name in self.features_list)

    torch_fidelity.register_feature_extractor("tiny", Tiny)
    return Tiny("tiny", ["pool", "logits"])


@pytest.fixture
def tiny_scorer(tiny, tmp_path):
    """Makes the scorer around the small extractor, by default with the test's folder as cache."""
    from trainer.scores.inception import scorer_of
    from trainer.scores.reference import Reference

    def tiny_scorer(real, cache=tmp_path, *, fingerprint="f", weights_sha256="w"):
        return scorer_of(
            Reference(
                images=real,
                fingerprint=fingerprint,
                extractor=tiny,
                weights_sha256=weights_sha256,
                device="cpu",
                cache=cache,
            )
        )

    return tiny_scorer
