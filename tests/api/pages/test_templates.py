"""The templates as files: lines that a diff can show."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.pages import rendering

TEMPLATES = sorted(Path(rendering.__file__).with_name("templates").glob("*.html"))
MAX_COLUMNS = 120


def test_there_are_templates() -> None:
    assert TEMPLATES


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_lines_are_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [k for k, line in enumerate(lines, start=1) if len(line) > MAX_COLUMNS] == []
