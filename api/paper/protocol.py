"""Protocol of a profile's trials, beside what the paper says of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.paper.table2 import SettingScores
from api.reading.snapshot import Row
from sweep.paper.table2 import TABLE_II, is_paper_run

NOT_STATED = "not stated"
# A hash tells files apart by its beginning.
HASH_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Part of the protocol; `measured` has every value that was run."""

    part: str
    paper: str
    measured: Sequence[str]


# Part, the paper's value, and a trial's, from its row, its configuration and its protocol.
FACTS: Sequence[tuple[str, str, Callable[[Row, Row, Row], Any]]] = (
    ("data set", "CIFAR-10, STL-10 at 32x32, ImageNet at 128x128", lambda t, c, p: t["dataset"]),
    ("score", "IS and FID", lambda t, c, p: _score(t["dataset"])),
    ("extractor", "Inception; which port is not stated", lambda t, c, p: p.get("extractor")),
    ("weights, SHA-256", NOT_STATED, lambda t, c, p: _hash(p)),
    ("samples behind a score", NOT_STATED, lambda t, c, p: _samples(t, c)),
    ("iterations", "50,000 in Figs. 2 to 4", lambda t, c, p: f"{t['iterations']:,}"),
    ("n_critic", "5; on ImageNet 1", lambda t, c, p: c.get("n_critic")),
    ("learning rate", "0.0002; on ImageNet G 0.0001, D 0.0004", lambda t, c, p: _rates(c)),
    ("Adam's betas", "0, 0.9", lambda t, c, p: _pair(c.get("beta1"), c.get("beta2"))),
    ("evaluated every", NOT_STATED, lambda t, c, p: _iterations(c.get("evaluate_every"))),
    ("i of static compensation", "0.5 r", lambda t, c, p: _ratio(t["i_ratio"])),
    ("seeds", "not stated; its ± is not over seeds", lambda t, c, p: t["seed"]),
)


def facts(trials: Iterable[Row]) -> list[Fact]:
    """Facts of the trials that have begun, of Table II's settings."""
    values: dict[str, dict[str, None]] = {part: {} for part, _, _ in FACTS}
    for trial in trials:
        config, protocol = _object(trial["config"]), _object(trial["protocol"])
        for part, _, value_of in FACTS:
            if (value := value_of(trial, config, protocol)) is not None:
                values[part][str(value)] = None
    return [
        Fact(part=part, paper=paper, measured=_in_order(values[part])) for part, paper, _ in FACTS
    ]


def _in_order(values: Iterable[str]) -> list[str]:
    """Numbers by size, then words."""
    return sorted(values, key=lambda v: (not v[:1].isdigit(), len(v) if v[:1].isdigit() else 0, v))


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _score(dataset: str) -> str:
    return "FD-digits and modes; no FID, no IS" if dataset.startswith("digits") else "IS and FID"


def _hash(protocol: Mapping[str, Any]) -> str | None:
    digest = protocol.get("weights_sha256") or protocol.get("classifier_sha256")
    mark = " (not the reference file)" if protocol.get("reference_weights") is False else ""
    return f"{str(digest)[:HASH_DIGITS]}…{mark}" if digest else mark.strip() or None


def _samples(trial: Row, config: Mapping[str, Any]) -> str | None:
    if config.get("curve_samples") is None:
        return None
    counts = f"{config['curve_samples']:,} on the way, {config['final_samples']:,} at the end"
    names = {config.get("curve_protocol"), config.get("final_protocol")} - {None}
    return f"{counts} ({', '.join(sorted(map(str, names)))})" if names else counts


def _rates(config: Mapping[str, Any]) -> str | None:
    rate, of_d = config.get("learning_rate"), config.get("discriminator_learning_rate")
    if rate is None:
        return None
    if of_d is not None:
        of_d *= config.get("discriminator_rate_factor") or 1.0
    return f"{rate:g}" if of_d in (None, rate) else f"G {rate:g}, D {of_d:g}"


def _pair(first: Any, second: Any) -> str | None:
    return None if first is None else f"{first:g}, {second:g}"


def _iterations(value: int | None) -> str | None:
    return None if value is None else f"{value:,} iterations"


def _ratio(value: float | None) -> str | None:
    return None if value is None else f"{value:g} r"


def table2_records(records: Iterable[Row], profile: str) -> list[Row]:
    """The trials of the profile that Table II could be about."""
    return [
        row
        for row in records
        if row["profile"] == profile
        and row["status"] != "planned"
        and row["setting"] in TABLE_II
        and is_paper_run(row)
    ]


def reasons_against(rows: Sequence[SettingScores], profile: str) -> dict[str, int]:
    """Reasons that keep rows from standing beside the published ones, and how many rows each."""
    reasons: dict[str, int] = {}
    for row in rows:
        ours = {
            r.split(":")[0]
            for cell in row.measured.get(profile, {}).values()
            for r in cell.reasons
            if " is not in this row" not in r
        }
        for reason in sorted(ours):
            reasons[reason] = reasons.get(reason, 0) + 1
    return dict(sorted(reasons.items(), key=lambda item: -item[1]))
