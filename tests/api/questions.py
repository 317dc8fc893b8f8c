"""Every question to a service that has an answer, as addresses over a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import httpx2

from api.app import create_app
from sweep.store.store import Store

SEARCH_FIGURES = ("slices", "contour", "parallel", "best", "importance")
QUERIES = (
    "/results", "/results?sort=-best_fid&limit=2", "/results?sort=updated_at&format=csv",
    "/results?format=parquet", "/results?fields=*&sort=-method", "/results?fid_lt=20&seed=0",
    "/results?method=sn&status=completed&collapsed=true", "/results?sweep=demo&setting=C_*",
    "/groups", "/groups?by=method,i_ratio&score=best_fid", "/groups?by=setting&format=csv",
    "/groups?agg=n,mean,sd,ci95,min,median,max&score=seconds", "/sweeps", "/sweeps/demo",
    "/searches/demo", "/searches/demo?format=csv", "/view/searches/demo",
    *(f"/figures/searches/demo/{name}" for name in SEARCH_FIGURES),
    "/sweeps/demo/matrix", "/sweeps/demo/matrix?format=csv", "/sweeps/demo/actions",
    "/notes", "/notes?format=csv", "/orders", "/orders?format=csv", "/view/orders",
    "/sweeps/demo/notes", "/trials/{id}/notes",
    "/trials/{id}/notes?format=parquet",
    "/trials/{id}", "/trials/{id}/evaluations", "/trials/{id}/evaluations?max_points=3",
    "/trials/{id}/evaluations?keys=fid,gap", "/trials/{id}/evaluations?format=csv",
    "/trials/{id}/spectra", "/trials/{id}/spectra?layer=0&points=3",
    "/trials/{id}/spectra?format=parquet", "/trials/{id}/outputs",
    "/trials/{id}/outputs?images=training&quantity=d", "/trials/{id}/samples",
    "/table2", "/table2?format=csv", "/table2?format=parquet", "/claims", "/survival",
    "/survival?setting=C_32-32", "/fig8", "/fig8?setting=C_32-32", "/fig12", "/healthz", "/readyz",
    "/metrics", "/figures/sweeps/demo/best", "/figures/fig5", "/figures/fig8?setting=C_32-32",
    "/figures/fig12", "/figures/survival", "/figures/seeds",
    "/figures/groups/curves", "/groups/curves", "/figures/trials/{id}/curves",
    "/figures/trials/{id}/strip", "/figures/trials/{id}/spectra", "/figures/trials/{id}/snapshots",
    "/figures/trials/{id}/outputs", "/compare?t={id}&t={other}",
    "/compare/evaluations?t={id}&t={other}",
    "/compare/spectra?t={id}&t={other}", "/figures/compare/curves?t={id}&t={other}",
    "/figures/compare/spectra?t={id}&t={other}", "/figures/compare/outputs?t={id}&t={other}",
    "/", "/paper", "/paper?profile=digits", "/view/trials", "/view/trials?by=method",
    "/view/trials?sort=-best_fid", "/view/sweeps/demo", "/view/trials/{id}",
    "/view/compare?t={id}&t={other}", "/view/compare", "/view/detectors", "/rivals",
    "/rivals?format=csv", "/agreement", "/detectors", "/llms.txt", "/figures/rivals",
    "/figures/detectors",
    *(f"/fig/{number}" for number in (2, 3, 4, 5, 6, 7, 9, 10, 11, 14)),
    *(f"/figures/fig/{number}" for number in (2, 3, 4, 6, 7, 9, 10, 11, 14)),
)  # fmt: skip


def ask_everything(store: Store, ids: Sequence[str] = ()) -> Iterator[tuple[str, int, str]]:
    """Address, status and text of every answer of a service over the store, about trials `ids`
    or all."""
    app = create_app(store.root, allowed_hosts=("store",))
    app.state.service.watcher.refresh()
    ids = ids or [file.key for file in store.list("trials")]
    addresses = [
        query.format(id=quote(trial_id), other=quote(ids[k - 1]))
        for query in QUERIES
        for k, trial_id in enumerate(ids)
        if "{id}" in query or k == 0
    ]

    async def answers() -> list[tuple[str, int, str]]:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://store") as client:
            responses = [await client.get(address) for address in addresses]
        return [(str(r.url), r.status_code, r.text[:500]) for r in responses]

    yield from asyncio.run(answers())
