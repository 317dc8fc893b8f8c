"""A store after a round, held against that of an undisturbed run: every row once, bit for bit."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import torch

from sweep.store.filesystems import ABANDONED_SECONDS
from sweep.store.ownership import is_live, read_owner
from sweep.store.store import TEMPORARY, Store
from sweep.store.tables import parse, pylist
from tests import stored_rows

# The columns that tell the rows of one file apart.
KEYS = {
    "trials": ("trial_id",),
    "evaluations": ("iteration",),
    "spectra": ("iteration", "layer"),
    "outputs": ("iteration", "images", "quantity"),
    "sweeps": ("trial_id",),
}
# What may differ where one run was killed.
PASSING = stored_rows.PASSING | {"failures"}
# Derived, or of one start: neither belongs to the results.
OF_ONE_START = ("claims", "index", TEMPORARY)

Key = tuple[Any, ...]
Contents = Mapping[Key, list[str]]


@dataclass(slots=True)
class Differences:
    """Names of rows and files: missing, there more than once, with other bits, not planned.

    `live` are claims of processes that are gone but look alive, `temporaries` what a next start
    does not remove.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    temporaries: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {kind: len(names) for kind, names in asdict(self).items()}

    def lines(self) -> Iterator[str]:
        for kind, names in asdict(self).items():
            yield from (f"{kind}: {name}" for name in names)


def contents(store: Store) -> Contents:
    """Digests of every row and file of the results, by its key; several where it stands twice."""
    found: defaultdict[Key, list[str]] = defaultdict(list)
    for path in paths(store):
        folder, _, name = path.partition("/")
        if folder in OF_ONE_START or path.startswith(".") or name.startswith("."):
            continue
        content = store.read(path) or b""
        if folder in KEYS and name.endswith(".parquet"):
            for key, digest in _rows(folder, name.removesuffix(".parquet"), content):
                found[key].append(digest)
        elif folder == "checkpoints":
            found[folder, *name.split("/")].append(_digest_of_checkpoint(content))
        elif folder == "samples":
            found[folder, *name.split("/")].append(hashlib.sha256(content).hexdigest())
        elif folder != "sweeps":  # there, heartbeats and requests stand beside the plans
            found["unknown", path].append("")
    return found


def compare(expected: Contents, found: Contents) -> Differences:
    """Differences of what was found from what an undisturbed run leaves."""
    differences = Differences()
    for key in sorted(expected.keys() | found.keys(), key=str):
        name, digests = " ".join(map(str, key)), found.get(key, [])
        if key not in expected:
            differences.extra.append(name)
            continue
        if not digests:
            differences.lost.append(name)
        if len(digests) > 1:
            differences.doubled.append(name)
        if any(digest != expected[key][0] for digest in digests):
            differences.different.append(name)
    return differences


def of_trials(whole: Contents, trial_ids: Collection[str]) -> Contents:
    """The part of the contents that some trials make up, without any plan."""
    return {
        key: digests
        for key, digests in whole.items()
        if key[0] != "sweeps" and key[1] in trial_ids
    }


def live_claims(store: Store) -> list[str]:
    """Records of ownership that would make a next start wait."""
    heartbeats = [f.path for f in store.list("sweeps") if f.path.endswith(".json")]
    records = [f.path for f in store.list("claims")] + heartbeats
    owners = {path: read_owner(store, path) for path in records}
    return [
        path
        for path, owner in owners.items()
        if owner is not None and "pid" in owner and is_live(owner)
    ]


def lasting_temporaries(root: Path) -> list[str]:
    """What killed writers left that a start does not remove, also days later. Ages and removes."""
    folder = root / TEMPORARY
    old = time.time() - 2 * ABANDONED_SECONDS
    for path in folder.glob("*"):
        os.utime(path, (old, old))
    Store(root).check_writable()
    beside = [path for path in root.rglob(".*.tmp")]
    return [str(path.relative_to(root)) for path in (*folder.glob("*"), *beside)]


def paths(store: Store) -> list[str]:
    """Every file of the store, from its root."""
    selector = pafs.FileSelector(store.base, recursive=True, allow_not_found=True)
    infos = store.fs.get_file_info(selector)
    prefix = len(store.base) + 1
    return sorted(info.path[prefix:] for info in infos if info.type == pafs.FileType.File)


def _rows(table: str, key: str, content: bytes) -> Iterator[tuple[Key, str]]:
    try:
        rows = pylist(parse(content, table))
    except (pa.ArrowException, ValueError) as error:
        yield ("unreadable", f"{table}/{key}", str(error)), ""
        return
    for row in rows:
        kept = stored_rows.lasting_values(row, PASSING)
        yield (table, key, *(row[name] for name in KEYS[table])), digest_of(kept)


def digest_of(value: Any) -> str:
    """SHA-256 of nested plain values and tensors, bit for bit, without what passes."""
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    match value:
        case torch.Tensor():
            flat = value.detach().cpu().contiguous()
            yield f"{flat.dtype} {tuple(flat.shape)}".encode()
            yield flat.flatten().view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        case dict():
            for name in value:
                if name not in PASSING:
                    yield repr(name).encode()
                    yield from _parts(value[name])
        case list() | tuple():
            yield f"{len(value)} values".encode()
            for each in value:
                yield from _parts(each)
        case _:
            yield repr(value).encode()


def _digest_of_checkpoint(content: bytes) -> str:
    try:
        return digest_of(torch.load(io.BytesIO(content), weights_only=True))
    except Exception as error:  # its unpickler raises many kinds
        return f"unreadable: {error}"


def counted(differences: Differences) -> Counter[str]:
    """Numbers of differences by kind, without kinds that there are none of."""
    return +Counter(differences.counts())
