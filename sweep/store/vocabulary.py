"""The store's words: statuses, columns that hold JSON or times, a row. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

STATUSES = ("planned", "running", "completed", "collapsed", "failed", "stopped")
FINISHED = ("completed", "collapsed")
# What the store keeps as JSON, and is shown as the object that it is.
JSON_COLUMNS = ("protocol", "config", "thresholds", "verdict_rules", "software")
TIMES = ("started_at", "updated_at")
