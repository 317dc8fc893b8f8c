"""The service for Python programs: `Client("http://127.0.0.1:8000").results(setting="B_64-64")`.

Needs httpx2, and pandas where a table is asked for. `sweep.results.open` reads a results folder in
the same words without a service.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2

from sweep.store.lazy_rows import Rows, row_of_item

if TYPE_CHECKING:
    import pandas

# A name or number, or several of them: any will do.
Choice = str | int | float | bool | Sequence[str] | Sequence[int] | Sequence[float] | None

PAGE = 1000
TRIES = 5
LONGEST_WAIT_SECONDS = 30.0


class Refused(Exception):
    """The service answered with a problem: its document (RFC 9457) and its HTTP status."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.document = document
        title, detail = document.get("title", "no answer"), document.get("detail", "")
        super().__init__(f"{status} {title}: {detail}")


@dataclass(frozen=True, slots=True)
class Table(Rows):
    """Rows that the service also gives as a flat table in CSV."""

    csv: Any

    def to_pandas(self) -> pandas.DataFrame:
        """Loads the flat table: a row per method, seed or step. Needs pandas."""
        import pandas

        return pandas.read_csv(io.BytesIO(self.csv()))


class Client:
    """A service at an address. Filters are those of `/results`; None leaves one out.

    Every method raises Refused with the service's problem, and httpx2.HTTPError if it cannot be
    reached. Rows are requested when they are iterated over.
    """

    def __init__(self, address: str, token: str | None = None, timeout: float = 60.0) -> None:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx2.Client(base_url=address, headers=headers, timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def results(
        self, *, sort: str | None = None, fields: Sequence[str] = ("*",), **filters: Choice
    ) -> Rows:
        """Trials, planned ones too, page after page: `setting="B_*"`, `fid_lt=20`, `seed=[0, 1]`.

        `fields` are stored columns or patterns of them.
        """
        return Rows(lambda: self._pages({"sort": sort, "fields": list(fields), **filters}))

    def _pages(self, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            page = self._json("/results", {**query, "limit": PAGE, "cursor": cursor})
            yield from map(row_of_item, page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def trial(self, trial_id: str) -> dict[str, Any]:
        """Everything that is stored of a trial but its curves, spectra and samples."""
        return self._json(_trial_path(trial_id), {})

    def evaluations(self, trial_id: str, keys: Sequence[str] = ()) -> Rows:
        """Evaluations, oldest first: the iteration and the columns `keys`, or all columns."""
        path, query = f"{_trial_path(trial_id)}/evaluations", {"keys": list(keys)}
        shared = {} if keys else {"trial_id": trial_id}
        return Rows(lambda: [shared | item for item in self._items(path, query)])

    def spectra(self, trial_id: str, layer: int | None = None) -> Rows:
        """Spectra by layer and iteration, of one layer or of all."""
        path, query = f"{_trial_path(trial_id)}/spectra", {"layer": layer, "stable_ranks": True}
        return Rows(
            lambda: [
                {"trial_id": trial_id} | {k: v for k, v in item.items() if k != "indices"}
                for item in self._items(path, query)
            ]
        )

    def sweeps(self) -> Rows:
        """State and progress of every sweep."""
        return Rows(lambda: self._items("/sweeps", {}))

    def notes(
        self, *, trial_id: str | None = None, sweep: str | None = None, tag: Choice = None
    ) -> Rows:
        """Notes, oldest first: on a trial, on a sweep, or on all with a tag, or all."""
        if trial_id is not None:
            return Rows(lambda: self._items(f"{_trial_path(trial_id)}/notes", {}))
        if sweep is not None:
            return Rows(lambda: self._items(f"{_sweep_path(sweep)}/notes", {}))
        return Rows(lambda: self._items("/notes", {"tag": tag}))

    def add_note(
        self,
        text: str = "",
        *,
        author: str,
        trial_id: str | None = None,
        sweep: str | None = None,
        tags: Sequence[str] = (),
        removed_tags: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Adds a note (Markdown) or tags to a trial or a sweep; needs the control token.

        Raises ValueError unless one of `trial_id` and `sweep` is given.
        """
        if trial_id is not None and sweep is None:
            path = _trial_path(trial_id)
        elif sweep is not None and trial_id is None:
            path = _sweep_path(sweep)
        else:
            raise ValueError("a note is on one trial or on one sweep: give trial_id or sweep")
        body = {"author": author, "text": text, "tags": [*tags], "removed_tags": [*removed_tags]}
        answer = self._http.post(f"{path}/notes", json=body)
        if answer.is_error:
            raise Refused(answer.status_code, _document(answer))
        return answer.json()

    def groups(
        self,
        by: Sequence[str] = (),
        agg: Sequence[str] = (),
        score: str | None = None,
        **filters: Choice,
    ) -> Table:
        """A score over the trials that share something: mean, sd, n and interval."""
        query = {"by": list(by), "agg": list(agg), "score": score}
        return self._table("/groups", {**query, **filters})

    def table2(self) -> Table:
        """Table II, published and measured."""
        return self._table("/table2", {})

    def fig8(self, **filters: Choice) -> Table:
        """The best distance over i, every seed."""
        return self._table("/fig8", filters)

    def claims(self) -> Table:
        """The paper's claims in numbers, and the measurements."""
        return self._table("/claims", {})

    def survival(self, **filters: Choice) -> Table:
        """The share of runs without mode collapse over iterations."""
        return self._table("/survival", filters)

    def _table(self, path: str, query: Mapping[str, Any]) -> Table:
        return Table(
            lambda: self._items(path, query),
            lambda: self._get(path, {**query, "format": "csv"}).content,
        )

    def _items(self, path: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [row_of_item(item) for item in self._json(path, query)["items"]]

    def _json(self, path: str, query: Mapping[str, Any]) -> Any:
        return self._get(path, query).json()

    def _get(self, path: str, query: Mapping[str, Any]) -> httpx2.Response:
        parameters = {name: value for name, value in query.items() if value is not None}
        answer = self._http.get(path, params=parameters)
        for _ in range(TRIES - 1):
            if (wait := _retry_after(answer)) is None:
                break
            time.sleep(wait)
            answer = self._http.get(path, params=parameters)
        if answer.is_error:
            raise Refused(answer.status_code, _document(answer))
        return answer


def _trial_path(trial_id: str) -> str:
    return f"/trials/{quote(trial_id, safe='')}"


def _sweep_path(name: str) -> str:
    return f"/sweeps/{quote(name, safe='')}"


def _retry_after(answer: httpx2.Response) -> float | None:
    """Seconds after which a service that is not ready wants the next try."""
    after = answer.headers.get("retry-after", "")
    if answer.status_code != 503 or not after.isdecimal():
        return None
    return min(float(after), LONGEST_WAIT_SECONDS)


def _document(answer: httpx2.Response) -> Mapping[str, Any]:
    """The problem, or the beginning of a response without one, as of a proxy."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    return {"title": answer.reason_phrase, "detail": answer.text[:200]}
