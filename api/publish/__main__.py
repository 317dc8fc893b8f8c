"""`python -m api.publish`, which `python -m sweep.publish` starts: a sweep as a static folder."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from api.publish import target
from api.publish.part import SweepPart
from api.publish.site import Request, build
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.filesystems import without_secrets
from sweep.store.store import StoreError, default_root
from trainer.config.lookup import UsageError

EPILOG = """\
examples:
  python -m sweep.publish demo site/demo
  python -m sweep.publish demo site/demo --force --license CC-BY-4.0
  python -m http.server --directory site/demo     or open site/demo/index.html itself
The folder names what the store does: hosts, commands, paths in the tracebacks of failed trials.
It may be made while the sweep runs, and again with --force.
exit code: 0, 2 bad input, 130 interrupted
"""
PROGRESS_SECONDS = 5.0


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (--help lists what there is)")


def main(argv: list[str] | None = None) -> int:
    """Publishes; returns the exit code."""
    keep_arrow_from_pandas()
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _publish(arguments)
    except (UsageError, StoreError) as error:
        sys.stderr.write(f"python -m sweep.publish: {error}\n")
        return 2
    except OSError as error:  # of the folder: the store's own are StoreErrors
        sys.stderr.write(f"python -m sweep.publish: cannot write the folder: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> Parser:
    parser = Parser(
        prog="python -m sweep.publish",
        description="Writes a sweep as a static folder that opens from a file or any web host "
        "with nothing running: the claims with their verdicts, tables, interactive figures, every "
        "seed, samples, Parquet and CSV, environment, hashes, RO-Crate metadata. Reads only the "
        "store: no Ray, no torch.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder, made or empty")
    parser.add_argument(
        "--results",
        metavar="DIR|URI",
        help="where results are kept (default: $SWEEP_RESULTS, else ./results)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a folder that was published before, if nothing in it was changed since",
    )
    parser.add_argument(
        "--license",
        metavar="SPDX|URL",
        help="of the results, for the metadata: CC-BY-4.0 or an address (default: none is named)",
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=int,
        help="grids of generated images of each trial, 2 or more, evenly spread (default: as many "
        "as 100 kB hold)",
    )
    parser.add_argument("--json", action="store_true", help="what was made as one JSON object")
    return parser


def _publish(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    if options.samples is not None and options.samples < 2:
        raise UsageError(f"--samples {options.samples}: 2 or more, the first and the last")
    target.check_target(options.out, force=options.force)
    part = SweepPart(options.results or default_root(), options.name)
    request = Request(
        published_at=datetime.now(UTC),
        command=shlex.join(["python", "-m", "sweep.publish", *map(without_secrets, argv)]),
        licence=options.license,
        most_samples=options.samples,
    )
    with target.replaced(options.out) as fresh:
        builder = asyncio.run(build(part, fresh, request, _Progress()))
        size = target.write_manifest(fresh)
        sums = hashlib.sha256((fresh / target.MANIFEST).read_bytes()).hexdigest()
        target.check_target(options.out, force=options.force)
    if options.json:
        made = {
            "folder": str(options.out),
            "trials": len(part.trial_ids),
            "figures": builder.figures,
            "bytes": size,
            "manifest_sha256": sums,
            "left_out": builder.left_out,
        }
        sys.stdout.write(json.dumps(made) + "\n")
        return 0
    sys.stdout.write(
        f"{options.out}: {len(part.trial_ids)} trials, {builder.figures} figures, "
        f"{size / 1e6:.1f} MB; open {options.out / 'index.html'}\n"
        f"sha256 of {target.MANIFEST}: {sums}\n"
    )
    for address, reason in builder.left_out.items():
        sys.stderr.write(f"left out: {address}: {reason}\n")
    return 0


class _Progress:
    """Says how many trials are done: on a terminal in place, else a line from time to time."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, done: int, trials: int) -> None:
        line = f"published {done} of {trials} trials"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}{chr(10) if done == trials else ''}")
            sys.stderr.flush()
        elif done < trials and time.monotonic() - self.last > PROGRESS_SECONDS:
            self.last = time.monotonic()
            sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
