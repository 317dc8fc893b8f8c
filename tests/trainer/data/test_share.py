"""A share of the images: nested, the same for all; draws, labels and streams that keep to it."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config
from trainer.data.imagenet import ImageStream
from trainer.data.images import Images, load
from trainer.data.pictures import image_files
from trainer.data.share import chosen_images, shared
from trainer.data.sources import load_source
from trainer.loop import train
from trainer.randomness import draw_purpose, generator
from trainer.state import from_bytes, initial_state, to_bytes

torch.set_num_threads(1)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(n=50):
    """Image k is of the value k, and so is its label."""
    values = torch.arange(n, dtype=torch.uint8)
    images = values[:, None, None, None].expand(n, 3, 8, 8).contiguous()
    return Images(
        train=images, held_out=images, stacked=False,
        train_labels=values.long(), held_out_labels=values.long(),
    )  # fmt: skip


@pytest.mark.parametrize("n", [1, 7, 50, 1437])
def test_a_smaller_share_lies_within_a_larger_one(n):
    shares = (0.1, 0.2, 0.5, 1.0)
    parts = [chosen_images(n, share).tolist() for share in shares]
    assert [len(part) for part in parts] == [max(1, round(share * n)) for share in shares]
    for small, large in itertools.pairwise(parts):
        assert set(small) <= set(large)
    assert sorted(parts[-1]) == list(range(n))
    assert parts == [chosen_images(n, share).tolist() for share in shares]


def test_training_draws_keep_to_the_share_with_their_labels_and_others_do_not():
    source = shared(numbered(), 0.1)
    chosen = set(chosen_images(50, 0.1).tolist())
    images, labels = source.draw(2000, rng())
    assert set(labels.tolist()) == chosen
    # x / 128 - 1 + U(0, 1/128) of a picture of one value.
    assert torch.equal(((images[:, 0, 0, 0] + 1) * 128).floor().long(), labels)
    assert set(source.draw_fixed(2000, rng())[1].tolist()) == chosen
    assert len(set(source.draw(2000, rng(), held_out=True)[1].tolist())) == 50


def test_scores_compare_with_all_real_images():
    whole, part = numbered(), shared(numbered(), 0.1)
    assert part.fingerprint == whole.fingerprint
    assert len(part.real_dataset()) == 50


def test_no_share_is_the_source_itself():
    source = numbered()
    assert shared(source, None) is source
    ring = load_source("ring8", "cpu", None)
    assert shared(ring, None) is ring


def test_every_channel_of_stacked_digits_is_of_the_share():
    digits = load("digits8", "cpu")
    part = shared(digits, 0.01)
    pool = digits.train[chosen_images(1437, 0.01)].flatten(1)
    channels = part.draw_uint8(300, rng()).reshape(-1, 64)
    assert (channels[:, None] == pool).all(2).any(1).all()


@pytest.fixture
def folder(tmp_path) -> Path:
    for part in ("train", "val"):
        for label in range(2):
            (tmp_path / part / f"class{label}").mkdir(parents=True)
            for k in range(20):
                pixels = np.full((8, 8, 3), 20 * label + k, dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / f"class{label}" / f"{k:02}.png")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_draws_bit_for_bit_as_the_resident_set(folder, workers):
    train, held_out = (image_files(folder / part, 8) for part in ("train", "val"))
    stream = ImageStream(train=train, held_out=held_out, device="cpu", workers=workers)
    resident = Images(
        train=torch.stack([train[k] for k in range(40)]),
        held_out=torch.stack([held_out[k] for k in range(40)]),
        stacked=False,
        train_labels=train.labels,
        held_out_labels=held_out.labels,
    )
    parts = [shared(stream, 0.2), shared(resident, 0.2)]
    parts[0].follow(3, 5, 2, 6, 3)
    try:
        for k, part in ((0, 0), (0, 1), (1, 0)):
            drawn = [
                source.draw(3, generator("cpu", 3, 5, draw_purpose(k, part))) for source in parts
            ]
            assert all(map(torch.equal, *drawn))
            fixed = [source.draw_fixed(4, rng(1)) for source in parts]
            assert all(map(torch.equal, *fixed))
        assert len(parts[0].real_dataset()) == 40
    finally:
        parts[0].close()


def small(**changes):
    sizes = {"channels": 4, "generator_channels": 4, "evaluate_every": 4}
    return trial_config("digits", "C_8-32", "sn", 0, iterations=8, **(sizes | changes))


def test_it_is_part_of_the_identity_where_it_is_less_than_all():
    whole, part = small(), small(data_share=0.1)
    assert small(data_share=1).trial_id == small(data_share=1.0).trial_id == whole.trial_id
    assert whole.data_share is None
    assert part.trial_id != whole.trial_id
    assert dataclasses.replace(part, data_share=None).trial_id == whole.trial_id


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match=r"data_share must be in \(0, 1\]"):
        small(data_share=share)


def test_a_distribution_has_no_shares():
    with pytest.raises(UsageError, match="ring8 is a distribution"):
        trial_config("toy", "ring8", "sn", 0, data_share=0.5)


def test_a_run_on_a_share_goes_on_bit_for_bit_and_records_ds_gap():
    config = small(data_share=0.1)
    source = shared(load("digits8", "cpu"), config.data_share)
    whole = initial_state(config)
    records = [e.record for e in train(config, whole, source, None)]
    state = initial_state(config)
    for evaluation in train(config, state, source, None):
        if evaluation.iteration == 4:
            break
    again = from_bytes(config, to_bytes(config, state))
    list(train(config, again, source, None))
    names = ("d_loss", "gap", "held_out_gap")
    for name in names:
        assert [r[name] for r in again.history][1:] == [r[name] for r in records][1:]
    for record in records:
        assert record["held_out_gap"] == pytest.approx(record["d_real"] - record["d_test"])
    on_all = [
        e.record for e in train(small(), initial_state(small()), load("digits8", "cpu"), None)
    ]
    assert on_all[-1]["d_loss"] != records[-1]["d_loss"]
