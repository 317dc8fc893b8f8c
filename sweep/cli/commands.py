"""The parser, the store and the exit codes of the commands that only read the store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sweep.plan.remaining import results_root
from sweep.store.retry import READER_PATIENCE_SECONDS
from sweep.store.store import Store, StoreError
from trainer.config.lookup import UsageError

BAD_INPUT = 2
INTERRUPTED = 130

SERVICE = "SWEEP_SERVICE"


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (--help lists what there is)")


def parser(name: str, description: str, examples: str) -> Parser:
    """The parser of `python -m sweep.NAME`, with the flag that every such command has."""
    p = Parser(
        prog=f"python -m sweep.{name}",
        description=f"{description} Reads only the store: no Ray, no torch.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--results",
        metavar="DIR|URI",
        help="where results are kept (default: $SWEEP_RESULTS, else ./results)",
    )
    return p


def store_of(results: str | None) -> Store:
    """The store to read. In a Ray job that names none it is where such a job keeps it."""
    root = results_root(results) or Path("~/sweep-results").expanduser()
    return Store(root, READER_PATIENCE_SECONDS)


def write_file(path: Path, content: bytes) -> None:
    """Replaces a file that a person named as a whole. Raises StoreError if it cannot."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def service_flag(p: argparse.ArgumentParser) -> None:
    """Adds --service, the address that links to the service begin with."""
    p.add_argument(
        "--service",
        metavar="URL",
        default=os.environ.get(SERVICE),
        help=f"where people reach `python -m api`, for the links back (default: ${SERVICE})",
    )


def teller(name: str) -> Callable[[str], None]:
    """Returns what writes a line on stderr for `python -m sweep.NAME`, as long as it is read."""

    def write(text: str) -> None:
        try:
            sys.stderr.write(f"{name}: {text}\n")
            sys.stderr.flush()
        except (BrokenPipeError, ValueError):
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process

    return write


def run(name: str, command: Callable[[], int]) -> int:
    """Runs the command; returns its exit code, 2 for bad input, 130 if it was interrupted."""
    try:
        return command()
    except (UsageError, StoreError) as error:
        sys.stderr.write(f"python -m sweep.{name}: {error}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, say `head`, has seen enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
