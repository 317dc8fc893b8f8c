#!/usr/bin/env bash
# torch-fidelity 0.4.0 installs its own test suite as a top-level package `tests`.
#
# Its wheel holds tests/__init__.py beside torch_fidelity/. A project that keeps its tests in a
# folder `tests` without an __init__.py (pytest's importlib mode needs none) cannot import helpers
# from it any more: a regular package anywhere on the path wins over a namespace package, even over
# one that stands first. The error speaks of a missing module, and not of torch-fidelity.
#
# Seen with torch-fidelity 0.4.0, CPython 3.11: the import works before the installation, and ends
# in ModuleNotFoundError: No module named 'tests.helpers' after it. An empty tests/__init__.py in the
# project mends it. This script fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
mkdir -p project/tests
echo 'ANSWER = 42' > project/tests/helpers.py

import_helper() {
    (cd project && ../venv/bin/python -c 'from tests.helpers import ANSWER; print(ANSWER)' 2>&1 | tail -1) || true
}

before=$(import_helper)
venv/bin/python -m pip install --quiet --no-deps torch-fidelity==0.4.0
after=$(import_helper)
touch project/tests/__init__.py
mended=$(import_helper)

printf 'before: %s\nafter: %s\nwith tests/__init__.py: %s\n' "$before" "$after" "$mended"
[ "$before" = 42 ]
[ "$after" = "ModuleNotFoundError: No module named 'tests.helpers'" ]
[ "$mended" = 42 ]
