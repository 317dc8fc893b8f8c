"""`python -m api`: serves a store over HTTP."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import re
import sys
from pathlib import Path

import uvicorn

from api.app import create_app
from api.preload import give_back, keep_memory_small, settle, share_interpreter
from api.reading.cache import default_folder
from api.reading.snapshot import log
from api.web.access import Tokens, read_tokens
from api.web.hosts import read_allowed_hosts
from api.web.streams import Server
from sweep.report.expense import add_rate_flags, read_rates
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.store import StoreError, default_root
from trainer.config.lookup import UsageError

EPILOG = """\
examples:
  python -m api                                    what the demo wrote, on http://127.0.0.1:8000
  python -m api --results s3://bucket/results
  curl 'http://127.0.0.1:8000/results?setting=B_64-64'

for others, and to stop and retry trials from the pages:
  openssl rand -hex 32 > read-token; openssl rand -hex 32 > control-token
  python -m api --host 0.0.0.0 --token-file read-token --control-token-file control-token
  people log in on the pages; programs send Authorization: Bearer ...
  A token crosses the network as it is: use a proxy with https, or an ssh tunnel.

below a path of an nginx, which takes the path off:
  location /lab/ { proxy_pass http://127.0.0.1:8000/; proxy_buffering off;
                   proxy_set_header Host $http_host;
                   proxy_set_header X-Forwarded-Proto $scheme;
                   proxy_set_header X-Forwarded-For $remote_addr; }
  python -m api --root-path /lab --allow-host NAME-OF-THE-PROXY
"""
# Streams of events end at once, and a file is sent in less.
SHUTDOWN_SECONDS = 5


def main(arguments: list[str] | None = None) -> int:
    """Serves until interrupted; 2 for bad input."""
    options = _parser().parse_args(arguments)
    if options.openapi:
        sys.stdout.write(description())
        return 0
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        tokens = read_tokens(options.token_file, options.control_token_file)
        check_bind(options.host, tokens, insecure=options.insecure)
        root_path = read_root_path(options.root_path)
        check_proxies(options.forwarded_allow_ips)
        hosts = read_hosts(options.allow_host, options.host, tokens)
        rates = read_rates(options)
        app = create_app(options.results, tokens, options.cache, hosts, rates)
        app.state.service.store.check_bucket()
    except (UsageError, StoreError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        ws="none",  # no route speaks it
        root_path=root_path,
        proxy_headers=True,
        forwarded_allow_ips=options.forwarded_allow_ips,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    keep_arrow_from_pandas()
    keep_memory_small()
    share_interpreter()
    app.state.after_warming, app.state.tidying = settle, give_back
    try:
        Server(config, app.state.service.streams).run()
    except KeyboardInterrupt:  # which uvicorn raises again once it has ended
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description="Serves a results store: JSON, CSV, Parquet and Arrow for programs, pages for "
        "people. May be started before, during or after a sweep. Writes nothing but the store's "
        "index, where it may, unless it is given a control token: then whoever has that can stop "
        "sweeps, and stop and retry trials.",
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
    access = parser.add_argument_group("access")
    access.add_argument(
        "--token-file",
        metavar="FILE",
        help="holds the token that reading asks for, which any address but the loopback needs "
        "(else SWEEP_API_TOKEN; else everybody reads who can reach the service); 32 characters "
        "or more",
    )
    access.add_argument(
        "--control-token-file",
        metavar="FILE",
        help="holds the token that lets who has it stop and retry trials, and read (else "
        "SWEEP_API_CONTROL_TOKEN; else nobody can)",
    )
    access.add_argument(
        "--insecure",
        action="store_true",
        help="bind any address without a read token: everybody who reaches it reads everything",
    )
    access.add_argument(
        "--allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="name by which browsers and programs may ask for the service, beside those of the "
        "loopback and its own address; may be repeated (else SWEEP_API_ALLOW_HOSTS, with commas). "
        "Every other one is refused while there is no read token, as any web page could have "
        "its name lead here; with a read token every name is taken, unless one is allowed",
    )
    proxy = parser.add_argument_group("behind a proxy")
    proxy.add_argument(
        "--root-path",
        metavar="PATH",
        default="",
        help="where the proxy serves the service, such as /lab; the proxy takes it off",
    )
    proxy.add_argument(
        "--forwarded-allow-ips",
        metavar="ADDRESSES",
        default="127.0.0.1",
        help="of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses or "
        "networks with commas, or * for all (default 127.0.0.1)",
    )
    add_rate_flags(parser)
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
    """The text of api/openapi.json, made without a store."""
    return json.dumps(create_app("results").openapi(), indent=1, sort_keys=True) + "\n"


def read_hosts(given: list[str], bound: str, tokens: Tokens) -> tuple[str, ...]:
    """Hosts to be asked as beside the loopback's; none if any will do, as with a read token.

    Raises UsageError for one that is no host.
    """
    variable = os.environ.get("SWEEP_API_ALLOW_HOSTS", "")
    names = given or [name.strip() for name in variable.split(",") if name.strip()]
    allowed = read_allowed_hosts(names)
    return (*allowed, bound) if allowed or tokens.read is None else ()


def check_bind(host: str, tokens: Tokens, *, insecure: bool) -> None:
    """Raises UsageError for an address that others can reach, without a read token."""
    if tokens.read is not None or _is_loopback(host):
        return
    if not insecure:
        raise UsageError(
            f"--host {host} can be reached from other machines and needs a token to read: "
            "give --token-file FILE or set SWEEP_API_TOKEN (or --insecure, if everybody there "
            "may read everything)"
        )
    log.warning(
        "INSECURE: on --host %s everybody who can reach this machine reads every result, "
        "configuration and traceback of the store, without a token",
        host,
    )


def read_root_path(text: str) -> str:
    """The path without a slash at its end. Raises UsageError if it is none."""
    path = text.rstrip("/")
    if not re.fullmatch(r"(/[\w.~-]+)*", path, re.ASCII):
        raise UsageError(f"--root-path {text} is no path: it looks like /lab or /lab/sweeps")
    return path


def check_proxies(addresses: str) -> None:
    """Raises UsageError for a text that is neither addresses nor networks nor *."""
    for address in addresses.split(","):
        try:
            ipaddress.ip_network(address.strip(), strict=False)
        except ValueError:
            if addresses.strip() != "*":
                raise UsageError(
                    f"--forwarded-allow-ips {address.strip()!r} is no address: it takes addresses "
                    "and networks such as 10.0.0.7 or 10.0.0.0/8 with commas, or * for all"
                ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
