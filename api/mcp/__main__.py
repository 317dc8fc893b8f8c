"""`python -m api.mcp`: the service's questions for agents, over stdio or streamable HTTP."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import logging
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from api.__main__ import check_bind, read_hosts
from api.app import create_app
from api.preload import keep_memory_small
from api.reading.cache import default_folder
from api.web.access import Tokens, read_tokens
from api.web.guard import Guard
from api.web.hosts import canonical_host
from api.web.slowdown import Slowdown
from api.web.streams import Server, Streams
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.store import StoreError, default_root
from trainer.config.lookup import UsageError

EPILOG = """\
examples:
  python -m api.mcp --results s3://bucket/results          over stdio, started by the agent
  python -m api.mcp --http                                 http://127.0.0.1:8001/mcp
  python -m api.mcp --http --host 0.0.0.0 --token-file read-token
It needs the package mcp: pip install 'srgan-sweep[mcp]'. It only reads. With a control token over
stdio, or one that the client sends over HTTP, sweeps can be stopped and trials retried too.
exit code: 0, 2 bad input, 130 interrupted
"""
PATH = "/mcp"
SHUTDOWN_SECONDS = 5


def main(argv: list[str] | None = None) -> int:
    """Serves until the client goes or it is interrupted; returns the exit code."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        if importlib.util.find_spec("mcp") is None:
            raise UsageError("mcp is not installed: pip install 'srgan-sweep[mcp]'")
        tokens = read_tokens(options.token_file, options.control_token_file)
        if options.http:
            check_bind(options.host, tokens, insecure=options.insecure)
        hosts = read_hosts(options.allow_host, options.host, tokens)
        app = create_app(options.results, tokens, options.cache)
        app.state.service.store.check_bucket()
    except (UsageError, StoreError) as error:
        sys.stderr.write(f"python -m api.mcp: {error}\n")
        return 2
    keep_arrow_from_pandas()
    keep_memory_small()
    try:
        if options.http:
            asyncio.run(_serve_http(app, hosts, options.host, options.port))
        else:
            asyncio.run(_serve_stdio(app, tokens))
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m api.mcp",
        description="Serves what the service answers as tools of the Model Context Protocol, read "
        "from the store itself: no other service needs to run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--results",
        default=default_root(),
        help="folder or s3:// URI that a sweep writes to (default SWEEP_RESULTS, else ./results)",
    )
    parser.add_argument("--http", action="store_true", help="streamable HTTP instead of stdio")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8001, help="port to bind (default 8001)")
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="holds the token that reading asks for (else SWEEP_API_TOKEN)",
    )
    parser.add_argument(
        "--control-token-file",
        metavar="FILE",
        help="holds the token that lets who has it act on sweeps (else SWEEP_API_CONTROL_TOKEN)",
    )
    parser.add_argument(
        "--allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="name by which HTTP clients may ask for it; may be repeated",
    )
    parser.add_argument(
        "--insecure", action="store_true", help="bind any address without a read token"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_folder(),
        help="folder that keeps what was read (default %(default)s)",
    )
    return parser


async def _serve_stdio(app: FastAPI, tokens: Tokens) -> None:
    from mcp.server.stdio import stdio_server

    from api.mcp.server import mcp_server

    server = mcp_server(app, tokens.control or tokens.read)
    async with app.router.lifespan_context(app), stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


async def _serve_http(app: FastAPI, hosts: tuple[str, ...], host: str, port: int) -> None:
    config = uvicorn.Config(
        guarded(app, hosts),
        host=host,
        port=port,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    async with app.router.lifespan_context(app):
        await Server(config, Streams()).serve()


def guarded(app: FastAPI, hosts: tuple[str, ...]) -> ASGIApp:
    """The MCP endpoint over HTTP, behind the guard of the service: its tokens, its hosts.

    Every request is complete in itself, so that each has the rights of the token that it carries.
    """
    from mcp.server.transport_security import TransportSecuritySettings

    from api.mcp.server import mcp_server

    endpoint = mcp_server(app, None).streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        # The guard looks at the host, and a browser's page is kept out by the type of the body.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    tokens: Tokens = app.state.tokens
    allowed = frozenset(map(canonical_host, hosts)) if tokens.read is None or hosts else None
    return Guard(endpoint, tokens, Slowdown(), allowed)


if __name__ == "__main__":
    sys.exit(main())
