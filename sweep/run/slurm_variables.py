"""Whole numbers that Slurm tells a job, a task or a step in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping


def number(name: str, otherwise: int = 0, environment: Mapping[str, str] = os.environ) -> int:
    """The variable's value; `otherwise` where it is not set, or no whole number from 0."""
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else otherwise
