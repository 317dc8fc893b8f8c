#!/usr/bin/env bash
# ray.init() of Ray 2.60.0 takes the SIGTERM handler that the program has set.
#
# Whoever calls it in the main thread has Ray's handler afterwards, without a word, whether a
# cluster is started or joined: on SIGTERM, as Slurm, Kubernetes and `timeout` send it, the process
# ends with exit code 15 (of sys.exit, no signal), and what the program's own handler was to save is
# not saved. SIGINT is left alone. Setting the handler again after ray.init() mends it.
#
# This script fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet ray==2.60.0
cat > program.py <<'PYTHON'
import os
import signal
import sys
import threading
import time

import ray


def save_and_exit(number, frame):
    print("saved", flush=True)
    sys.exit(3)


signal.signal(signal.SIGTERM, save_and_exit)
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
is_kept = signal.getsignal(signal.SIGTERM) is save_and_exit
print("kept" if is_kept else "taken", flush=True)
if "again" in sys.argv:
    signal.signal(signal.SIGTERM, save_and_exit)
threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
time.sleep(30)
PYTHON
for words in "" again; do
    code=0
    venv/bin/python program.py $words 2> log || code=$?
    echo "exit code $code"
done | tee seen
[ "$(cat seen)" = "taken
exit code 15
taken
saved
exit code 3" ]
