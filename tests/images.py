"""Builds both images and runs them as a stranger from a root that may only be read.

    make images
    make images ENGINE='podman --runtime runc' BUILD='--isolation chroot' RUN='--network host'

The trainer trains a small sweep and finds every library that torch's CUDA part needs, but the
driver's; the service answers its own health check. It takes ten minutes, nearly all of them pip's.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
USER = "12345"
UP_SECONDS = 120.0
LOCKED_DOWN = (
    *("--user", USER, "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"),
    *("--tmpfs", "/tmp", "-e", "HOME=/tmp", "-e", "TMPDIR=/tmp"),
)
SWEEP = (
    *("python", "-m", "sweep.table1", "--profile=digits", "--settings=C_8-32", "--name=image"),
    *("--methods=sn,sr-static", "--seeds=0", "--iterations=40", "--results=/results"),
)
# Runs in the image: says what the loader does not find for torch.
LIBRARIES = """
import pathlib, re, subprocess, torch
folder = pathlib.Path(torch.__file__).parent / "lib"
ldd = subprocess.run(["ldd", *folder.glob("*.so")], capture_output=True, text=True).stdout
print(*sorted(set(re.findall(r"(\\S+) => not found", ldd))))
"""
DRIVERS = {"libcuda.so.1"}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--engine", default="docker", help="docker or podman, with its own options"
    )
    parser.add_argument("--build", default="", help="more options for its build")
    parser.add_argument("--run", default="", help="more options for its run")
    parser.add_argument("--no-build", action="store_true", help="take the images that there are")
    args = parser.parse_args(argv)
    engine, more = shlex.split(args.engine), shlex.split(args.run)
    for name in () if args.no_build else ("trainer", "api"):
        build(engine, name, shlex.split(args.build))
    for name in ("trainer", "api"):
        said = output([*engine, "image", "inspect", "--format={{.Size}}", tag(name)])
        say(f"{tag(name)}: {int(said) / 1e9:.2f} GB")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        results.mkdir()
        results.chmod(0o777)  # as `fsGroup` or a volume's owner would let the stranger write
        more += ["--volume", f"{results}:/results"]
        check_trainer(engine, more, results)
        check_service(engine, more)
    say("both images run as another user from a read-only root")
    return 0


def tag(name: str) -> str:
    """Name of an image, as deploy/README.md builds it."""
    readme = (ROOT / "deploy" / "README.md").read_text()
    found = re.search(rf"^docker build -f deploy/docker/{name}.Dockerfile -t (\S+)", readme, re.M)
    assert found
    return found[1]


def build(engine: list[str], name: str, options: list[str]) -> None:
    # Podman's own format has no HEALTHCHECK.
    form = ["--format", "docker"] if "podman" in engine[0] else []
    file = f"deploy/docker/{name}.Dockerfile"
    subprocess.run(
        [*engine, "build", *form, *options, "-f", file, "-t", tag(name), "."], cwd=ROOT, check=True
    )


def check_trainer(engine: list[str], options: list[str], results: Path) -> None:
    image = [*engine, "run", "--rm", *LOCKED_DOWN, *options, tag("trainer")]
    lacked = set(output([*image, "python", "-c", LIBRARIES]).split())
    if lacked - DRIVERS:
        sys.exit(f"torch lacks {', '.join(sorted(lacked - DRIVERS))}")
    subprocess.run([*image, *SWEEP], check=True)
    trained = sorted(path.stem for path in (results / "trials").glob("*.parquet"))
    if len(trained) != 2:
        sys.exit(f"two trials were to train, not {trained}")


def check_service(engine: list[str], options: list[str]) -> None:
    """Until it answers what the image itself asks as HEALTHCHECK, and knows the sweep."""
    token = secrets.token_hex(32)
    start = [*engine, "run", "--detach", "--rm", *LOCKED_DOWN, *options]
    container = output([*start, "-e", f"SWEEP_API_TOKEN={token}", tag("api")])
    inside = [*engine, "exec", container]
    try:
        said = output(
            [*engine, "image", "inspect", "--format={{json .Config.Healthcheck}}", tag("api")]
        )
        health = json.loads(said)
        if not health:
            sys.exit("the image has lost its HEALTHCHECK")
        deadline = time.monotonic() + UP_SECONDS
        while subprocess.run([*inside, *health["Test"][1:]], stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > deadline:
                sys.exit(
                    f"no answer in {UP_SECONDS:.0f} s:\n{output([*engine, 'logs', container])}"
                )
            time.sleep(1)
        ask = (
            "import urllib.request as r; q = r.Request('http://127.0.0.1:8000/sweeps', "
            f"headers={{'Authorization': 'Bearer {token}'}}); print(r.urlopen(q).read().decode())"
        )
        if '"image"' not in (answer := output([*inside, "python", "-c", ask])):
            sys.exit(f"the service does not know the sweep: {answer}")
    finally:
        subprocess.run([*engine, "stop", container], stdout=subprocess.DEVNULL)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def output(command: list[str]) -> str:
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"exit code {ran.returncode} of {shlex.join(command)}")
    return ran.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
