"""The paper's claims beside its own table and what was measured, as typed rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.reading.snapshot import Row, Snapshot
from api.web.formats import schema_of
from api.web.nonfinite import stored_fields
from sweep.paper import claims as audit
from sweep.paper.table2 import SettingRow
from sweep.store.nonfinite import finite


class Answer(BaseModel):
    verdict: Literal["holds", "does not hold", "not comparable", "not measured"]
    value: float | None = Field(description="percent where the claim is a number, else a count")
    n: int = Field(description="settings or trials that it is over")
    says: str
    comparable: bool = Field(description="all behind it can be set beside Table II")
    nonfinite: dict[str, Literal["nan", "inf", "-inf"]] = {}


class Claim(BaseModel):
    """A sentence of the paper, and what becomes of it."""

    name: str
    says: str
    where: str = Field(description="section of the paper")
    claimed: float | None = Field(description="percent")
    table: Answer = Field(description="what the paper's own Table II gives")
    measured: dict[str, Answer] = Field(description="by profile")
    beside: dict[str, dict[str, Answer]] = Field(
        description="by profile and method: the same with that method in SR's place, and for "
        "`side_by_side` in SN's"
    )


class Claims(BaseModel):
    items: list[Claim]
    snapshot: str


def claims_of_rows(rows: Sequence[SettingRow], snapshot: Snapshot) -> list[Claim]:
    """Audits the paper's claims on a snapshot, whose Table II `rows` are."""
    records: dict[str, Row] = dict(snapshot.records)
    inception = {trial_id: row["best_inception_score"] for trial_id, row in records.items()}
    return [_claim(claim) for claim in audit.claims(rows, inception)]


def _claim(claim: audit.Claim) -> Claim:
    fields = dataclasses.asdict(claim)
    fields["table"] = finite(fields["table"])
    fields["measured"] = {p: finite(answer) for p, answer in fields["measured"].items()}
    fields["beside"] = {
        profile: {method: finite(answer) for method, answer in methods.items()}
        for profile, methods in fields["beside"].items()
    }
    return Claim.model_validate(fields)


class ClaimRow(BaseModel):
    """A row of the table: a claim by one source."""

    claim: str
    claimed: float | None
    source: str = Field(description="Table II, or the profile of the trials")
    method: str | None = Field(description="in SR's or SN's place; null for the claim itself")


CLAIM_SCHEMA = schema_of((ClaimRow, set()), (Answer, {"nonfinite"}))


def claim_rows(claims: Sequence[Claim]) -> Iterator[dict[str, Any]]:
    """Rows of a table, one per claim, source and method."""
    for claim in claims:
        claim_fields = {"claim": claim.name, "claimed": claim.claimed}
        answers: list[tuple[str, str | None, Answer]] = [("Table II", None, claim.table)]
        answers += [(profile, None, answer) for profile, answer in claim.measured.items()]
        answers += [
            (profile, method, answer)
            for profile, methods in claim.beside.items()
            for method, answer in methods.items()
        ]
        for source, method, answer in answers:
            yield claim_fields | {"source": source, "method": method} | stored_fields(answer)
