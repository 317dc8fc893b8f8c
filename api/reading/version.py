"""The version of the service's code, which changes with any of its files."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

# The service, and what of the other packages its answers are made with: comparisons with the
# paper, reports and schemas, the methods and settings.
FOLDERS = tuple(Path(__file__).parents[2] / name for name in ("api", "sweep", "trainer/config"))


@functools.cache
def code_version() -> str:
    """The digest of the code behind answers: a new version of the service answers anew."""
    return hashlib.sha256(" ".join(map(digest, FOLDERS)).encode()).hexdigest()[:16]


def digest(folder: Path) -> str:
    """16 hexadecimal digits over the names and contents of the folder's files, at any depth."""
    files = (
        file for file in folder.rglob("*") if file.is_file() and file.parent.name != "__pycache__"
    )
    total = hashlib.sha256()
    for name, file in sorted((file.relative_to(folder).as_posix(), file) for file in files):
        content = file.read_bytes()
        total.update(f"{name}\n{len(content)}\n".encode() + content)
    return total.hexdigest()[:16]
