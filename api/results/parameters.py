"""Query parameters that choose trials."""

from __future__ import annotations

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
Seen = Annotated[bool | None, Query(description="whether it was seen so far")]
Numbers = Annotated[list[int], Query(description="repeatable")]


async def filters(
    request: Request,
    setting: Names = [],  # noqa: B006 - FastAPI copies defaults
    group: Names = [],  # noqa: B006
    method: Names = [],  # noqa: B006
    status: Names = [],  # noqa: B006
    profile: Names = [],  # noqa: B006
    dataset: Names = [],  # noqa: B006
    form: Names = [],  # noqa: B006
    sweep: Names = [],  # noqa: B006
    host: Annotated[list[str], Query(description="repeatable")] = [],  # noqa: B006
    parent: Annotated[list[str], Query(description="trials that branched off it")] = [],  # noqa: B006
    i_ratio: Annotated[list[float], Query(description="repeatable")] = [],  # noqa: B006
    seed: Numbers = [],  # noqa: B006
    batch_size: Numbers = [],  # noqa: B006
    channels: Numbers = [],  # noqa: B006
    setting_batch_size: Numbers = [],  # noqa: B006
    setting_channels: Numbers = [],  # noqa: B006
    collapsed: Seen = None,
    spectrally_collapsed: Seen = None,
) -> Filters:
    """Those of the query, with its ranges."""
    return Filters(
        setting=setting, group=group, method=method, status=status, profile=profile,
        dataset=dataset, form=form, sweep=sweep, host=host, parent=parent, i_ratio=i_ratio,
        seed=seed, batch_size=batch_size, channels=channels,
        setting_batch_size=setting_batch_size, setting_channels=setting_channels,
        collapsed=collapsed, spectrally_collapsed=spectrally_collapsed,
        ranges=read_ranges(request.query_params.multi_items()),
    )  # fmt: skip


Chosen = Annotated[Filters, Depends(filters)]
