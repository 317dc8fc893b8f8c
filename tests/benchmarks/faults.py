"""What went wrong in a soak, each kind once: answers, and tracebacks in the service's log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

NAMED_KINDS = 20


def tracebacks(log: Path) -> Iterator[str]:
    """The ends of the service's tracebacks, each kind once: by its last frame and its error."""
    kinds: Counter[str] = Counter()
    first: dict[str, str] = {}
    for block in log.read_text(errors="replace").split("Traceback (most recent call last):")[1:]:
        lines = block.splitlines()
        end = next((k for k, line in enumerate(lines) if line[:1].strip()), len(lines) - 1)
        frames = [line for line in lines[:end] if line.startswith('  File "')]
        kind = "\n".join([*frames[-2:], lines[end]])
        kinds[kind] += 1
        first.setdefault(kind, "\n".join(lines[max(0, end - 16) : end + 1]))
    for kind, n in kinds.most_common(NAMED_KINDS):
        yield f"the service's log has {n} times\n{first[kind]}"


def kind_of(wrong: Mapping[str, str]) -> tuple[str, str]:
    """The route, of whatever trial, and the beginning of the reason, with whatever numbers."""
    route = re.sub(r"(digits|paper)\.[^/]+", "ID", wrong["wrong"].partition("?")[0])
    return route, re.sub(r"\d+", "0", wrong["reason"])[:50]


def by_kind(wrong: Sequence[Mapping[str, str]]) -> list[str]:
    """How often there was each kind, with the first request of it."""
    counts = Counter(map(kind_of, wrong))
    first = {kind_of(one): one for one in reversed(wrong)}
    return [
        f"{n} times: {first[kind]['wrong']}: {first[kind]['reason']}"
        for kind, n in counts.most_common(NAMED_KINDS)
    ]
