"""Pictures that are read ahead, by real worker processes, are those that would have been drawn."""

import gc
import multiprocessing
import os
import time

import numpy as np
import pytest
import torch
from PIL import Image

import trainer.data.imagenet
from tests.machines import SECOND, machine, pretend_a_big_machine
from trainer.config.lookup import UsageError
from trainer.data.imagenet import MOST_WORKERS, ImageStream, reading_workers
from trainer.data.images import Images, load
from trainer.data.pictures import image_files
from trainer.machine_limits import cpus
from trainer.randomness import draw_purpose, generator

# From Python 3.12 on a process with threads is warned when it forks, which is how torch starts
# its workers on Linux. torch warns of more workers than cores, and a machine may have one.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]
SEED, N_CRITIC, BATCH, MICRO = 3, 2, 6, 3
SIZES = [(20, 30), (30, 20), (16, 16), (41, 23), (9, 33)]


def write_pictures(folder, seed):
    """Three classes of five pictures, of several shapes, PNG and JPEG in turn."""
    pixels = np.random.default_rng(seed)
    for c in range(3):
        (folder / f"n0{c}").mkdir(parents=True)
        for k, (height, width) in enumerate(SIZES):
            image = Image.fromarray(pixels.integers(0, 256, (height, width, 3), dtype=np.uint8))
            image.save(folder / f"n0{c}" / f"{k}.{'JPEG' if k % 2 else 'png'}")


@pytest.fixture
def root(tmp_path):
    write_pictures(tmp_path / "train", seed=0)
    write_pictures(tmp_path / "val", seed=1)
    return tmp_path


@pytest.fixture(params=[0, 2], ids=["no workers", "2 workers"])
def stream(root, request):
    made = stream_of(root, request.param)
    yield made
    made.close()


def stream_of(root, workers, device="cpu"):
    train, held_out = (image_files(root / part, 16) for part in ("train", "val"))
    return ImageStream(train=train, held_out=held_out, device=device, workers=workers)


def resident(root):
    """The same pictures, read one after the other, as a set that lives on the device."""
    parts = [image_files(root / part, 16) for part in ("train", "val")]
    train, held_out = (torch.stack([files[k] for k in range(len(files))]) for files in parts)
    return Images(
        train=train,
        held_out=held_out,
        stacked=False,
        train_labels=parts[0].labels,
        held_out_labels=parts[1].labels,
    )


def d_updates(source, first, last):
    """What D is shown in the iterations first..last-1, drawn as the training loop draws it."""
    source.follow(SEED, first, N_CRITIC, BATCH, MICRO)
    for iteration in range(first, last):
        for k in range(N_CRITIC):
            for j in range(BATCH // MICRO):
                yield source.draw(MICRO, generator("cpu", SEED, iteration, draw_purpose(k, j)))


def assert_same(got, expected):
    for (images, labels), (other, other_labels) in zip(got, expected, strict=True):
        assert images.dtype == torch.float32
        assert torch.equal(images, other)
        assert torch.equal(labels, other_labels)


def test_a_stream_is_bit_for_bit_the_resident_set(root, stream):
    drawn = list(d_updates(stream, 0, 6))
    assert_same(drawn, d_updates(resident(root), 0, 6))
    assert len({labels.sum().item() for _, labels in drawn}) > 1


def test_a_run_resumed_in_the_middle_sees_the_same(root, stream):
    whole = list(d_updates(stream, 0, 6))
    assert_same(d_updates(stream, 4, 6), whole[4 * N_CRITIC * BATCH // MICRO :])


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_reads_its_micro_batches_alone(root, stream, rank):
    plain = resident(root)
    stream.follow(SEED, 2, N_CRITIC, BATCH, MICRO, rank, 2)
    for iteration, k in ((2, 0), (2, 1), (3, 0)):
        for part in range(rank, BATCH // MICRO, 2):
            purpose = draw_purpose(k, part)
            draws = [
                s.draw(MICRO, generator("cpu", SEED, iteration, purpose)) for s in (stream, plain)
            ]
            assert_same(draws[:1], draws[1:])


def test_evaluation_draws_do_not_disturb_the_stream(root, stream):
    expected = iter(list(d_updates(resident(root), 0, 4)))
    for batch in d_updates(stream, 0, 4):
        stream.draw_fixed(9, generator("cpu", SEED, 0, "evaluation of D"))
        stream.draw_fixed(9, generator("cpu", SEED, 0, "evaluation of D"), held_out=True)
        stream.draw(4, generator("cpu", SEED, 0, "anything"), held_out=True)
        assert_same([batch], [next(expected)])


@pytest.mark.parametrize("held_out", [False, True])
def test_an_evaluation_draw_is_the_resident_one_and_is_read_once(root, held_out):
    stream, plain = stream_of(root, 0), resident(root)

    def fixed(source, n, seed=SEED):
        rng = generator("cpu", seed, 0, "evaluation of D")
        images, labels = source.draw_fixed(n, rng, held_out=held_out)
        # The loop goes on with the same generator.
        return images, torch.cat([labels, torch.randint(1000, (3,), generator=rng)])

    calls = [(9,), (9, 8), (5,), (9,)]
    assert_same([fixed(stream, *call) for call in calls], [fixed(plain, *c) for c in calls])
    for path in root.rglob("*.*"):
        path.unlink()
    assert_same([fixed(stream, 9), fixed(stream, 5)], [fixed(plain, 9), fixed(plain, 5)])


def test_draws_without_following_are_read_at_once(root):
    stream, plain = stream_of(root, 0), resident(root)
    for held_out in (False, True):
        draws = [
            s.draw(7, generator("cpu", 1, 2, "x"), held_out=held_out) for s in (stream, plain)
        ]
        assert_same(draws[:1], draws[1:])


def test_a_draw_out_of_turn_is_refused_and_the_right_one_still_served(root, stream):
    stream.follow(SEED, 0, N_CRITIC, BATCH, MICRO)
    for n, purpose in ((MICRO, draw_purpose(0, 1)), (MICRO, "G update"), (BATCH, draw_purpose(0))):
        with pytest.raises(RuntimeError, match="one micro-batch of 3 after the other"):
            stream.draw(n, generator("cpu", SEED, 0, purpose))
    got = stream.draw(MICRO, generator("cpu", SEED, 0, draw_purpose(0)))
    assert_same([got], [next(d_updates(resident(root), 0, 1))])


def test_a_picture_that_a_worker_cannot_read_is_named_in_one_line(root, stream):
    for path in (root / "train").rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"^cannot read the image \S+train/n0\d/\d\.png: [^\n]+$"):
        list(d_updates(stream, 0, 6))


def children():
    return {process.pid for process in multiprocessing.active_children()}


def assert_ended(pids):
    deadline = time.monotonic() + 20
    while alive := pids & children():
        assert time.monotonic() < deadline, f"worker processes {alive} are still there"
        time.sleep(0.05)


def test_workers_stay_while_a_run_goes_on_and_then_end(root):
    before = children()
    stream = stream_of(root, 2)
    assert children() == before, "nothing is started before it is needed"
    run = d_updates(stream, 0, 6)
    next(run)
    first = children() - before
    assert len(first) == 2
    list(run)
    assert children() - before == first, "the workers of the first batch served the last one"
    next(d_updates(stream, 3, 6))
    second = children() - before - first
    assert len(second) == 2
    assert_ended(first)
    stream.close()
    assert_ended(second)
    next(d_updates(stream, 0, 1))
    third = children() - before
    del stream
    gc.collect()
    assert_ended(third)


def test_reading_ahead_takes_nothing_from_the_global_generator(root, stream):
    state = torch.get_rng_state()
    list(d_updates(stream, 0, 2))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_list_for_statistics(root):
    stream = stream_of(root, 0)
    listed = stream.real_dataset()
    assert torch.equal(torch.stack([listed[k] for k in range(15)]), resident(root).train)
    assert stream.fingerprint == image_files(root / "train", 16).fingerprint


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_pictures_reach_a_cuda_device_through_pinned_memory(root):
    stream, plain = stream_of(root, 2, "cuda"), resident(root)
    stream.follow(SEED, 0, N_CRITIC, BATCH, MICRO)
    assert all(batch.is_pinned() for batch, _ in zip(stream._ahead, range(3), strict=False))
    stream.follow(SEED, 0, N_CRITIC, BATCH, MICRO)
    for iteration in range(4):
        for k in range(N_CRITIC):
            for j in range(BATCH // MICRO):
                purpose = draw_purpose(k, j)
                images, labels = stream.draw(MICRO, generator("cuda", SEED, iteration, purpose))
                other, other_labels = plain.draw(MICRO, generator("cpu", SEED, iteration, purpose))
                assert images.is_cuda
                assert torch.equal(labels.cpu(), other_labels)
                # The pictures are the same; each device makes its own noise of at most 1/128.
                assert (images.cpu() - other).abs().max() <= 1 / 128
    stream.close()


def write_imagenet(folder, classes=1000):
    """`classes` class folders that share two pictures by hard links."""
    for part, size in (("train", 140), ("val", 150)):
        picture = folder / f"{part}.JPEG"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (size, size + 9), (0, size, 0)).save(picture)
        for k in range(classes):
            (folder / part / f"n{k:08}").mkdir(parents=True)
            os.link(picture, folder / part / f"n{k:08}" / "a.JPEG")


def test_imagenet_from_its_folders(tmp_path):
    write_imagenet(tmp_path / "imagenet")
    for root in (tmp_path, tmp_path / "imagenet"):
        imagenet = load("imagenet", "cpu", root)
        for held_out, green in ((False, 140), (True, 150)):
            rng = generator("cpu", 0, 0, "x")
            images, labels = imagenet.draw(64, rng, held_out=held_out)
            assert images.shape == (64, 3, 128, 128)
            assert ((images[:, 1] + 1) * 128).mean().item() == pytest.approx(green + 0.5, abs=2)
            assert 500 < labels.max() <= 999


def test_imagenet_with_other_classes_is_refused(tmp_path):
    write_imagenet(tmp_path, classes=3)
    with pytest.raises(UsageError, match=r"train holds 3 class folders, but imagenet has 1000"):
        load("imagenet", "cpu", tmp_path)


def test_imagenet_with_a_strange_or_flat_val_folder_is_refused(tmp_path):
    write_imagenet(tmp_path)
    (tmp_path / "val" / "n00000007").rename(tmp_path / "val" / "m00000007")
    with pytest.raises(UsageError, match=r"val/m00000007 has no twin in \S+/train$"):
        load("imagenet", "cpu", tmp_path)
    (tmp_path / "val").rename(tmp_path / "unused")
    (tmp_path / "val").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(UsageError, match=r"val must hold a folder of pictures per class"):
        load("imagenet", "cpu", tmp_path)


@pytest.mark.parametrize(
    ("quota", "workers"), [("400000 100000", 4), ("50000 100000", 1), ("max 100000", MOST_WORKERS)]
)
def test_a_quota_of_the_cgroup_bounds_the_workers(quota, workers, tmp_path, monkeypatch):
    """As a container or a systemd unit has it, whose affinity is the whole machine."""
    files = {"proc/self/mountinfo": SECOND, "proc/self/cgroup": "0::/\n"}
    root = machine(tmp_path, files | {"sys/fs/cgroup/cpu.max": f"{quota}\n"})
    pretend_a_big_machine(monkeypatch)
    monkeypatch.setattr(trainer.data.imagenet, "cpus", lambda: cpus(root))
    assert reading_workers() == workers
