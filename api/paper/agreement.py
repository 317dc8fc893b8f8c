"""The paper's sentences on its figures as typed rows: does what was measured agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from api.paper.courses import NOTHING, courses
from api.paper.page_figures import SECTIONS
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.web.formats import schema_of
from sweep.paper.figure_sentences import DYNAMIC, STATIC, Course, agreements, branched
from sweep.paper.table2 import TABLE_II, is_paper_run
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED

METHODS = ("sn", STATIC, DYNAMIC)


class Agreement(BaseModel):
    """The paper's sentence on a figure beside the trials of a profile."""

    profile: str
    figure: str
    words: str = Field(description="the paper's")
    verdict: Literal["agrees", "disagrees", "not enough"]
    n: int = Field(description="runs behind it; in Figs. 8 and 12 seeds of a step at the least")
    says: str = Field(description="what was measured")


class Agreements(BaseModel):
    items: list[Agreement]
    snapshot: str


AGREEMENT_SCHEMA = schema_of((Agreement, set()))


@memoise_by_snapshot(size=4)
def agreements_of(snapshot: Snapshot, store: Store, profile: str) -> Mapping[str, Agreement]:
    """Agreement by figure, over all finished trials of the profile that a sentence is about."""
    records = [
        row
        for row in snapshot.records.values()
        if row["profile"] == profile
        and row["status"] in FINISHED
        and row["setting"] in TABLE_II
        and (row["method"] in METHODS or row["parent"] is not None)
    ]
    runs = _courses(store, snapshot, records)
    found = agreements(runs) | {"fig6": branched(runs)}
    words = {plate.id: plate.words for plates in SECTIONS.values() for plate in plates}
    return {
        name: Agreement(profile=profile, words=words[name] or "", **dataclasses.asdict(one))
        for name, one in found.items()
    }


def _courses(store: Store, snapshot: Snapshot, records: Sequence[Row]) -> list[Course]:
    """Of a branch the row is enough."""
    own = [row for row in records if is_paper_run(row)]
    read = dict(zip((row["trial_id"] for row in own), courses(store, snapshot, own), strict=True))
    pairs = ((row, read.get(row["trial_id"], NOTHING)) for row in records)
    return [Course(row=row, first=course.first, last=course.last) for row, course in pairs]
