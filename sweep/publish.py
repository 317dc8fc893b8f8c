"""`python -m sweep.publish`: a sweep as a static folder, built from the service's answers.

The service builds it, and this package may not know the service: the command is handed on to
`python -m api.publish` as a process.
"""

from __future__ import annotations

import importlib.util
import os
import sys

BUILDER = "api.publish"
# Of the service's packages those that a machine which only trains may lack.
PACKAGES = ("api", "fastapi", "jinja2", "plotly")


def main(argv: list[str] | None = None) -> int:
    """Becomes the builder's process; returns 2 if a package that it needs is not installed."""
    arguments = sys.argv[1:] if argv is None else argv
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"python -m sweep.publish: {', '.join(missing)} not found: the folder is built by the "
            "service, so install its packages (pip install 'srgan-sweep[api]')\n"
        )
        return 2
    os.execv(sys.executable, [sys.executable, "-m", BUILDER, *arguments])


if __name__ == "__main__":
    sys.exit(main())
