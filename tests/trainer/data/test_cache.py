"""Where the cache is, and what is said where it cannot be."""

import os

import pytest

from trainer.config.lookup import UsageError
from trainer.data.cache import cache_folder, writable


def test_default_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("inception") == tmp_path / "srgan-sweep" / "inception"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("inception") == tmp_path / ".cache" / "srgan-sweep" / "inception"


def test_a_cache_that_cannot_be_written_is_kept_in_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    assert cache_folder("inception") == tmp_path / "t" / f"srgan-sweep-{os.getuid()}" / "inception"


def test_a_cache_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the cache folder"):
        writable(tmp_path / "file")
