"""Every data set has its own scorer, and the paper's profile none without weights."""

import dataclasses
import hashlib

import pytest
import torch

from trainer.affine import AffineScorer
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config
from trainer.data.images import Images
from trainer.data.sources import load_source
from trainer.scores import inception
from trainer.scores.scorers import load_scorer
from trainer.state import initial_state
from trainer.toys import ModeScorer

torch.set_num_threads(1)


def tiny_cifar(**changes):
    sizes = {"device": "cpu", "channels": 4, "generator_channels": 4}
    return trial_config("paper", "B_8-64", "sn", 0, **(sizes | changes))


def noise():
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (20, 3, 32, 32), generator=rng, dtype=torch.uint8)
    return Images(train=images, held_out=images, stacked=False)


def test_toys_are_scored_by_what_is_known_of_them():
    for dataset, modes in (("ring8", 8), ("grid25", 25)):
        config = trial_config("toy", dataset, "jare", 0)
        source = load_source(dataset, "cpu", None)
        scorer = load_scorer(config, source, initial_state(config))
        assert isinstance(scorer, ModeScorer)
        assert torch.equal(scorer.centres, source.centres)
        points, _ = source.draw(2560, torch.Generator().manual_seed(0))
        assert scorer.scores(points, None)["modes"] == modes
    config = trial_config("toy", "affine", "jare", 0)
    state = initial_state(config)
    scorer = load_scorer(config, load_source("affine", "cpu", None), state)
    assert isinstance(scorer, AffineScorer)
    distance = scorer.scores(torch.zeros(5, 2), None)["equilibrium_distance"]
    assert distance == pytest.approx(0.1), "four parameters, each 0.05 away"
    state.generator.phi.data[:] = torch.tensor([0.0, 2.0])
    state.discriminator.theta.data.zero_()
    assert scorer.scores(torch.zeros(5, 2), None)["equilibrium_distance"] == 0


def test_digits_are_scored_by_their_classifier():
    config = trial_config("digits", "C_8-32", "sn", 0)
    source = load_source("digits8", "cpu", None)
    scorer = load_scorer(config, source, initial_state(config))
    assert scorer.protocol_record()["extractor"]
    images = source.draw_uint8(2000, torch.Generator().manual_seed(0))
    assert scorer.scores(images, None)["modes"] > 800


def test_no_inception_scores_without_weights():
    config = tiny_cifar()
    assert config.scorer is None
    assert load_scorer(config, noise(), initial_state(config)) is None


def test_the_scorer_is_of_the_planned_weights_and_the_source(
    monkeypatch, random_weights, tiny_scorer
):
    digest = hashlib.sha256(random_weights.read_bytes()).hexdigest()
    source, asked = noise(), []

    def load(device, weights, real, fingerprint, *, allow_other_weights, expected, workers):
        assert workers == 0, "images in memory"
        asked.append((device, weights, len(real), fingerprint, allow_other_weights, expected))
        return tiny_scorer(real, weights_sha256=digest)

    monkeypatch.setattr(inception, "load_scorer", load)
    config = tiny_cifar(scorer=digest)
    state = initial_state(config)
    scorer = load_scorer(config, source, state, random_weights, allow_other=True)
    assert scorer is not None
    assert asked == [("cpu", random_weights, 20, source.fingerprint, True, digest)]


def test_other_weights_than_planned_are_refused(no_download, random_weights):
    digest = hashlib.sha256(random_weights.read_bytes()).hexdigest()
    source, config = noise(), tiny_cifar(scorer=digest)
    state = initial_state(config)
    other = dataclasses.replace(config, scorer="0" * 64)
    with pytest.raises(UsageError, match=f"planned with the weights 0{{64}}, not {digest}"):
        load_scorer(other, source, state, random_weights, allow_other=True)


def test_another_file_is_refused_unless_allowed(no_download, random_weights):
    digest = hashlib.sha256(random_weights.read_bytes()).hexdigest()
    config = tiny_cifar(scorer=digest)
    with pytest.raises(UsageError) as raised:
        load_scorer(config, noise(), initial_state(config), random_weights)
    assert "\n" not in str(raised.value)
    assert f"not the reference Inception file (SHA-256 {digest[:8]}" in str(raised.value)
