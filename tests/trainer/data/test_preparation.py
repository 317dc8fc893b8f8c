"""What is said of pictures before anything trains."""

import subprocess
import sys

import pytest

from tests.own_pictures import write_pictures
from trainer.config.lookup import UsageError
from trainer.config.own_images import Reading
from trainer.data import preparation
from trainer.data.preparation import ProgressLine, prepare


def prepared(root, resolution=32, *, conditional=False, **reading):
    return prepare(root, resolution, conditional=conditional, reading=Reading(**reading))


def test_what_was_found_is_said(tmp_path, capsys):
    root = write_pictures(tmp_path, 30, ("a", "b"))
    (root / "notes.txt").touch()
    (root / "a/bad.png").touch()
    found = prepared(root, conditional=True, skip_damaged=True)
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines() == [
        f"{root}: 30 pictures of 2 classes, {30 - found.held_out} to train on and "
        f"{found.held_out} held out, as images32-{found.sha256[:8]}",
        "1 damaged ones are left out: a/bad.png (no picture, or none of a known format)",
        "30 are smaller than 32 pixels and enlarged",
        "1 other files are left alone: notes.txt",
    ]


def test_damaged_pictures_and_other_sizes_are_refused(tmp_path):
    root = write_pictures(tmp_path, 30)
    with pytest.raises(UsageError, match="--resolution is one of 32, 64, 128, not 48"):
        prepared(root, 48)
    (root / "bad.png").touch()
    with pytest.raises(UsageError, match="1 of 31 pictures in"):
        prepared(root)


class Terminal:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_a_bar_on_a_terminal(monkeypatch):
    terminal, clock = Terminal(), iter(range(100))
    monkeypatch.setattr(preparation.sys, "stderr", terminal)
    monkeypatch.setattr(preparation.time, "monotonic", lambda: next(clock))
    line = ProgressLine()
    for done in range(4):
        line(done, 4)
    line.end()
    assert "[#######.......................] reading pictures  1/4  ETA 0:06" in terminal.text
    assert terminal.text.endswith("\r\x1b[K")


def test_long_work_in_a_log_says_a_line_every_half_minute(monkeypatch, capsys):
    clock = iter([0.0, *(10.0 * k for k in range(7))])
    monkeypatch.setattr(preparation.time, "monotonic", lambda: next(clock))
    line = ProgressLine()
    for done in range(7):
        line(done, 1000)
    line.end()
    assert [text.split()[2] for text in capsys.readouterr().err.splitlines()] == [
        "3/1,000",
        "6/1,000",
    ]


def test_pictures_are_read_without_torch():
    """A sweep's driver reads them, and does without."""
    code = "import sys, trainer.data.preparation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
