"""Takes the picture of the paper page that README shows, from results on this machine.

python tests/picture.py --results results api/pages/paper-page.png
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 1280, 900
MOST_BYTES = 150_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def service(results: str) -> Iterator[str]:
    """The address of a service over the results, while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "api", f"--results={results}", f"--port={port}"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def wait_until_ready(address: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{address}/readyz", timeout=10).close()
            return
        time.sleep(0.2)
    raise SystemExit("error: the service over the results did not become ready")


def screenshot(address: str) -> bytes:
    """The top of the paper page as PNG, with what figures are in it drawn."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        size = {"width": WIDTH, "height": HEIGHT}
        page = browser.new_page(color_scheme="light", viewport=size)  # pyright: ignore[reportArgumentType] - a dict will do
        page.goto(f"{address}/paper", wait_until="networkidle")
        page.wait_for_timeout(500)
        content = page.screenshot()
        browser.close()
    return content


def reduced(content: bytes) -> bytes:
    """The picture with fewer colours, if it is larger than README should load."""
    colours = 256
    small = content
    while len(small) > MOST_BYTES and colours >= 16:
        sink = io.BytesIO()
        image = Image.open(io.BytesIO(content)).convert("RGB")
        image.quantize(colours).save(sink, "PNG", optimize=True)
        small, colours = sink.getvalue(), colours // 2
    return small


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", default="results", help="folder of a sweep's results")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    arguments = parser.parse_args()
    if not any(Path(arguments.results, "trials").glob("*.parquet")):
        raise SystemExit(f"error: no results in {arguments.results}: run `make demo` first")
    if CHROMIUM is None:
        raise SystemExit("error: no chromium on PATH: apt-get install chromium")
    with service(str(Path(arguments.results).absolute())) as address:
        content = reduced(screenshot(address))
    arguments.picture.write_bytes(content)
    sys.stdout.write(f"{arguments.picture}: {len(content):,} bytes\n")


if __name__ == "__main__":
    main()
