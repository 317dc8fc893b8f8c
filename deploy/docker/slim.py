"""Removes from an image what nothing loads of its Python packages, and says how many bytes it was.

    python deploy/docker/slim.py /usr/local/lib/python3.11/site-packages

Exits 1 if a shared library lacks one that it needs and that was there before. With `strip` on PATH
the symbol tables go, too: what is loaded into memory stays as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

UNUSED = (
    ("triton", "compiles for torch.compile, which no network here uses; torch runs without it"),
    ("triton-*.dist-info", "so that pip knows"),
    ("nvidia/nvshmem/lib/libnvshmem_device*", "for kernels that Triton compiles"),
    ("nvidia/*/lib/libcusolverMg.so*", "several GPUs at once; no library names it"),
    ("nvidia/*/lib/libnvblas.so*", "no library names it"),
    ("nvidia/*/lib/libcufftw.so*", "no library names it"),
    ("nvidia/*/lib/*.a", "to link with"),
    ("nvidia/*/include", "to compile with"),
    ("torch/include", "to compile with"),
    ("torch/bin/protoc*", "to compile with"),
    ("pyarrow/include", "to compile with"),
    ("ray/jars", "jobs in Java"),
    *(
        (f"{package}/**/tests", "tests")
        for package in ("networkx", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "sympy")
    ),
)
# Open source; what is NVIDIA's own stays as it came.
STRIPPED = ("torch/lib", "ray", "pyarrow", "nvidia/nccl")
LINKED = ("torch", "torchvision", "nvidia", "pyarrow", "ray")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", type=Path, help="folder of the installed packages")
    packages = parser.parse_args(argv).packages
    if not packages.is_dir():
        parser.error(f"{packages} is no folder")
    before, lacked = size(packages), unresolved(packages)
    for pattern, reason in UNUSED:
        say(f"{remove(packages.glob(pattern)) / 1e6:8.1f} MB  {pattern}: {reason}")
    if shutil.which("strip"):
        say(f"{strip(packages) / 1e6:8.1f} MB  symbol tables of {', '.join(STRIPPED)}")
    say(f"{before / 1e6:8.1f} MB before, {size(packages) / 1e6:.1f} MB after")
    for library, missing in sorted(unresolved(packages).items()):
        if lost := missing - lacked.get(library, set()):
            sys.stderr.write(f"error: {library} needs {', '.join(sorted(lost))}\n")
            return 1
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def remove(paths: Iterable[Path]) -> int:
    """Removes files and folders; returns their bytes."""
    total = 0
    for path in list(paths):
        if not path.exists():  # inside a folder that has gone
            continue
        total += size(path)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return total


def strip(packages: Path) -> int:
    """Removes the symbol tables of `STRIPPED`; returns their bytes."""
    total = 0
    for path in binaries(packages, STRIPPED):
        before = path.stat().st_size
        subprocess.run(["strip", "--strip-unneeded", str(path)], check=True)
        total += before - path.stat().st_size
    return total


def unresolved(packages: Path) -> dict[str, set[str]]:
    """Names of libraries that the loader does not find, by the one that needs them: libcuda.so.1,
    for one, comes with the node's driver."""
    lacked = {}
    for path in binaries(packages, LINKED):
        said = subprocess.run(["ldd", str(path)], capture_output=True, text=True).stdout
        if missing := set(re.findall(r"(\S+) => not found", said)):
            lacked[str(path.relative_to(packages))] = missing
    return lacked


def binaries(packages: Path, folders: Iterable[str]) -> list[Path]:
    """ELF files of the folders, links left out."""
    files = [path for folder in folders for path in (packages / folder).rglob("*")]
    return [path for path in files if path.is_file() and not path.is_symlink() and _is_elf(path)]


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        # Relocatable objects are no programs and no libraries.
        head = file.read(18)
        return head[:4] == b"\x7fELF" and int.from_bytes(head[16:], sys.byteorder) in (2, 3)


def size(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(path)
        for name in names
    )


if __name__ == "__main__":
    sys.exit(main())
