"""Query parameters that choose trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from api.results.filters import RANGES, Filters, read_ranges
from api.web.parameters import Names

# Any of many parameters, described as one object whose properties they are.
RANGE_PARAMETERS: dict[str, Any] = {
    "parameters": [
        {
            "name": "ranges",
            "in": "query",
            "required": False,
            "description": "open intervals: `fid_lt=20`, `final_modes_gt=500`; a score without a "
            "prefix is the best one",
            "style": "form",
            "explode": True,
            "schema": {
                "type": "object",
                "additionalProperties": {"type": "number"},
                "propertyNames": {"enum": list(RANGES)},
            },
        }
    ]
}
SeenFlag = Annotated[bool | None, Query(description="whether it was seen so far")]
Numbers = Annotated[Sequence[int], Query(description="repeatable")]


async def filters(
    request: Request,
    setting: Names = (),
    group: Names = (),
    method: Names = (),
    status: Names = (),
    profile: Names = (),
    dataset: Names = (),
    form: Names = (),
    sweep: Names = (),
    tag: Names = (),
    host: Annotated[Sequence[str], Query(description="repeatable")] = (),
    parent: Annotated[Sequence[str], Query(description="trials that branched off it")] = (),
    i_ratio: Annotated[Sequence[float], Query(description="repeatable")] = (),
    data_share: Annotated[
        Sequence[float], Query(description="of the training images; repeatable, below 1")
    ] = (),
    seed: Numbers = (),
    batch_size: Numbers = (),
    channels: Numbers = (),
    setting_batch_size: Numbers = (),
    setting_channels: Numbers = (),
    collapsed: SeenFlag = None,
    spectrally_collapsed: SeenFlag = None,
    healthy: Annotated[
        bool | None, Query(description="all signals judged and none seen; false if one was seen")
    ] = None,
) -> Filters:
    """Filters of the query, with its ranges."""
    return Filters(
        setting=setting,
        group=group,
        method=method,
        status=status,
        profile=profile,
        dataset=dataset,
        form=form,
        sweep=sweep,
        tag=tag,
        host=host,
        parent=parent,
        i_ratio=i_ratio,
        data_share=data_share,
        seed=seed,
        batch_size=batch_size,
        channels=channels,
        setting_batch_size=setting_batch_size,
        setting_channels=setting_channels,
        collapsed=collapsed,
        spectrally_collapsed=spectrally_collapsed,
        healthy=healthy,
        ranges=read_ranges(request.query_params.multi_items()),
    )


TrialFilters = Annotated[Filters, Depends(filters)]
