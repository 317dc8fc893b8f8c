"""Zips and tars: the same pictures as in the folder that was packed; names that lead outside."""

import io
import tarfile
import zipfile

import pytest

from tests.own_pictures import png, write_pictures
from trainer.config.lookup import UsageError
from trainer.data import archives
from trainer.data.decoding import DamagedPicture
from trainer.data.places import listing


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


MEMBERS = {"pics/cat/0.png": png(0), "pics/dog/1.png": png(1), "pics/README": b"hello"}


def read(found):
    return [(entry.name, entry.label, entry.read()) for entry in found.entries]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_an_archive(tmp_path, name):
    path = tmp_path / name
    if name == "a.zip":
        zipped(path, MEMBERS)
    else:
        tarred(path, MEMBERS, "w:gz" if "gz" in name else "w")
    found = listing(path)
    assert (found.n, list(found.others)) == (2, ["pics/README"])
    assert read(found) == [
        ("pics/cat/0.png", "cat", png(0)),
        ("pics/dog/1.png", "dog", png(1)),
    ]


def test_samples_of_webdataset_bring_their_class(tmp_path):
    members = {"0.jpg": png(0), "0.cls": b"7", "1.png": png(1), "1.cls": b"11\n"}
    found = listing(tarred(tmp_path / "a.tar", members))
    assert [entry.label for entry in found.entries] == ["7", "11"]
    assert list(found.others) == []


def test_a_folder_of_shards_is_read_shard_by_shard(tmp_path):
    tarred(tmp_path / "00.tar", {"0.png": png(0)})
    tarred(tmp_path / "01.tar", {"0.png": png(1)})
    assert [entry.read() for entry in listing(tmp_path).entries] == [png(0), png(1)]


def test_labels_beside_the_pictures_of_a_zip(tmp_path):
    members = {"00/a.png": png(0), "dataset.json": b'{"labels": [["00/a.png", 5]]}'}
    found = listing(zipped(tmp_path / "a.zip", members))
    assert [entry.label for entry in found.entries] == ["5"]
    assert list(found.others) == []


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "..\\x.png", "c:/x.png"])
def test_a_name_outside_the_archive_is_refused(tmp_path, name):
    for path in (
        zipped(tmp_path / "a.zip", {"ok.png": png(0), name: png(1)}),
        tarred(tmp_path / "a.tar", {"ok.png": png(0), name: png(1)}),
    ):
        with pytest.raises(UsageError, match="a name outside its own folder: refused"):
            listing(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "a.zip"]


def test_a_member_with_a_wrong_checksum_is_a_damaged_picture(tmp_path):
    path = zipped(tmp_path / "a.zip", {"0.png": png(0)})
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedPicture, match="CRC"):
        read(listing(path))


def test_a_member_that_unpacks_to_too_much_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 100)
    for path in (
        zipped(tmp_path / "a.zip", {"0.png": png(0)}),
        tarred(tmp_path / "a.tar", {"0.png": png(0)}),
    ):
        with pytest.raises(DamagedPicture, match="bytes are more than"):
            read(listing(path))


def test_a_truncated_tar_is_damaged(tmp_path):
    path = tarred(tmp_path / "a.tar.gz", MEMBERS, "w:gz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UsageError, match="is damaged"):
        listing(path)


def test_a_packed_folder_has_the_same_pictures(tmp_path):
    folder = write_pictures(tmp_path / "p", 6, ("a", "b"))
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        archive.add(folder, "p")
    packed = {(e.label, e.read()) for e in listing(tmp_path / "p.tar").entries}
    assert packed == {(e.label, e.read()) for e in listing(folder).entries}
