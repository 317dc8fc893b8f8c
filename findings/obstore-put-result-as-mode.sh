#!/usr/bin/env bash
# obstore 0.12.1 does not take back, as the version to replace, what its own put() returned.
#
# `put()` returns the new object's version as {"e_tag": ..., "version": ...}, and its `mode` takes a
# mapping of the same two keys for a put that replaces that version only. Where the store numbers no
# versions (S3 without versioning, memory), `version` is None in the result, and `mode` refuses None:
# TypeError, 'None' is not an instance of 'str'. Left out, the key is fine: with the ETag alone the
# put is done, and a second one with the same ETag is refused, as it should be.
#
# Who chains conditional puts drops the keys that are None. This script fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet obstore==0.12.1
cat > show.py <<'PYTHON'
import obstore
from obstore.store import MemoryStore

store = MemoryStore()
version = obstore.put(store, "row", b"first")
print(sorted(version), version["version"])
for mode in (version, {"e_tag": version["e_tag"]}, {"e_tag": version["e_tag"]}):
    try:
        obstore.put(store, "row", b"next", mode=mode)
        print(sorted(mode), "done")
    except Exception as error:
        print(sorted(mode), type(error).__name__)
PYTHON
venv/bin/python show.py | tee seen
[ "$(cat seen)" = "['e_tag', 'version'] None
['e_tag', 'version'] TypeError
['e_tag'] done
['e_tag'] PreconditionError" ]
