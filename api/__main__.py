"""`python -m api`: serves a store over HTTP."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import sys
from pathlib import Path

import uvicorn

from api.app import create_app
from api.cache import default_folder
from sweep.results import StoreError, default_root
from trainer.settings import UsageError

EPILOG = """\
examples:
  python -m api                                    what the demo wrote, on http://127.0.0.1:8000
  python -m api --results s3://bucket/results
  python -m api --host 0.0.0.0 --token-file token  for others: they send Authorization: Bearer ...
  curl 'http://127.0.0.1:8000/results?setting=B_64-64'
"""


def main(arguments: list[str] | None = None) -> int:
    """Serves until interrupted; 2 for bad input."""
    options = _parser().parse_args(arguments)
    if options.openapi:
        sys.stdout.write(description())
        return 0
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        token = read_token(options.token_file)
        check_bind(options.host, token)
        app = create_app(options.results, token, options.cache)
    except (UsageError, StoreError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    uvicorn.run(app, host=options.host, port=options.port, access_log=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description="Serves a results store: JSON, CSV and Parquet for programs, pages for "
        "people. Reads only; may be started before, during or after a sweep.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--results",
        default=default_root(),
        help="folder or s3:// URI that a sweep writes to (default SWEEP_RESULTS, else ./results)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to bind (default 8000)")
    parser.add_argument(
        "--token-file",
        help="file with the token that requests must carry; needed for any address but the "
        "loopback (else SWEEP_API_TOKEN)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_folder(),
        help="folder that keeps what was read, so that the next start is fast; may be deleted at "
        "any time (default %(default)s)",
    )
    parser.add_argument(
        "--openapi", action="store_true", help="print the routes as OpenAPI and end"
    )
    return parser


def description() -> str:
    """The routes as api/openapi.json has them. Looks at no store."""
    return json.dumps(create_app("results").openapi(), indent=1, sort_keys=True) + "\n"


def read_token(path: str | None) -> str | None:
    """From the file, else from SWEEP_API_TOKEN. Raises UsageError if the file has none."""
    if path is None:
        return os.environ.get("SWEEP_API_TOKEN", "").strip() or None
    try:
        token = Path(path).read_text().strip()
    except OSError as error:
        raise UsageError(f"cannot read the token file {path}: {error.strerror}") from error
    if not token:
        raise UsageError(f"the token file {path} is empty")
    return token


def check_bind(host: str, token: str | None) -> None:
    """Raises UsageError for an address that others can reach, unless there is a token."""
    if token is None and not _is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached from other machines and needs a token: "
            "give --token-file FILE or set SWEEP_API_TOKEN"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
