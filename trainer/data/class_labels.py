"""Class labels of pictures: folders, or the `dataset.json` of StyleGAN's tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from trainer.config.lookup import UsageError

LABELS_FILE = "dataset.json"


def class_labels(
    root: Path, names: Sequence[str], labels_file: bytes | None
) -> dict[str, str | None]:
    """Class names: those of `dataset.json`, where there is one, else the first folder's that not
    all pictures share. Raises UsageError for labels that are not those of the pictures."""
    if labels_file is not None and (given := _labels_in(root, labels_file)):
        ends = {name: end for name in names for end in _ends(name) if end in given}
        unknown = sorted(set(given) - set(ends.values()))
        if unknown:
            raise UsageError(
                f"{LABELS_FILE} in {root} labels {unknown[0]!r}, which is not among its pictures"
            )
        return {name: given[ends[name]] if name in ends else None for name in names}
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    # All that is between the first and the last in order shares what these two share.
    first, last = min(folders, default=()), max(folders, default=())
    pairs = enumerate(zip(first, last, strict=False))
    shared = next((k for k, (a, b) in pairs if a != b), min(len(first), len(last)))
    return {
        name: parts[shared] if len(parts) > shared else None
        for name, parts in zip(names, folders, strict=True)
    }


def _labels_in(root: Path, content: bytes) -> dict[str, str]:
    """Labels by name, as StyleGAN's tools write them: {"labels": [[name, label], ..]} or null."""
    try:
        pairs = json.loads(content)["labels"] or []
        labels = {str(name): label for name, label in pairs}
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f'{LABELS_FILE} in {root} is not {{"labels": [["name.png", 0], ..]}}: {error}'
        ) from error
    if not all(isinstance(label, int | str) for label in labels.values()):
        raise UsageError(f"{LABELS_FILE} in {root} has labels that are no numbers or names")
    return {name: str(label) for name, label in labels.items()}


def _ends(name: str) -> Iterator[str]:
    """The name, and what is left of it without one, two, .. of its first folders."""
    parts = PurePosixPath(name).parts
    return ("/".join(parts[start:]) for start in range(len(parts)))
