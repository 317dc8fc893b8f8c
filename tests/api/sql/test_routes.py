from __future__ import annotations

import csv
import io
import math
import threading
import time

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.sql import processes
from api.sql.routes import CUT_HEADER
from tests.api.servers import collapsed_trial, result_items

BY_METHOD = "select method, count(*) n from trials group by method order by method"


def asked(http: httpx2.Client, q: str, **query: str | int) -> httpx2.Response:
    return http.get("/sql", params={"q": q, **query})


def test_it_counts_what_the_list_has(http: httpx2.Client) -> None:
    answer = asked(http, BY_METHOD).json()
    begun = [item for item in result_items(http) if item["status"] != "planned"]
    methods = [item["method"] for item in begun]
    assert answer["items"] == [
        {"method": method, "n": methods.count(method), "nonfinite": {}}
        for method in sorted(set(methods))
    ]
    assert answer["columns"] == [
        {"name": "method", "type": "string"}, {"name": "n", "type": "int64"},
    ]  # fmt: skip
    assert (answer["cut"], answer["left_out"]) == (None, {})


def test_numbers_that_are_not_finite_are_as_in_every_route(http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    q = f"select iteration, d_loss from evaluations where trial_id = '{trial}' order by 1 limit 2"
    first, second = asked(http, q).json()["items"]
    expected = http.get(f"/trials/{trial}/evaluations?keys=d_loss").json()["items"][:2]
    assert [first, second] == expected
    assert first["nonfinite"] == {"d_loss": "nan"}
    table = pq.read_table(io.BytesIO(asked(http, q, format="parquet").content))
    assert math.isnan(table["d_loss"].to_pylist()[0])


def test_formats_and_what_is_cut(http: httpx2.Client) -> None:
    text = asked(http, BY_METHOD, format="csv", limit=2)
    assert [row[0] for row in csv.reader(io.StringIO(text.text))] == [
        "method", "sn", "sn-renorm",
    ]  # fmt: skip
    assert "first 2 rows of more" in text.headers[CUT_HEADER]
    stream = asked(http, BY_METHOD, format="arrow")
    assert pa.ipc.open_stream(stream.content).read_all().column_names == ["method", "n"]
    assert CUT_HEADER not in stream.headers
    assert asked(http, BY_METHOD, format="xml").status_code == 406


def test_the_same_rows_have_the_same_etag(http: httpx2.Client) -> None:
    first = asked(http, BY_METHOD)
    again = http.get(first.url, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert (
        asked(http, "select random() r").headers["etag"]
        != (asked(http, "select random() r").headers["etag"])
    )


@pytest.mark.parametrize(
    ("q", "reason"),
    [
        ("copy trials to '/tmp/stolen'", "only a SELECT"),
        ("select * from read_csv('/etc/passwd')", "read_csv() is not answered"),
        ("select 1; select 2", "one statement"),
        ("select nothing from trials", "nothing"),
    ],
)
def test_a_refusal_is_a_problem_of_one_line(http: httpx2.Client, q: str, reason: str) -> None:
    response = asked(http, q)
    assert response.status_code == 422
    assert reason in response.json()["detail"]
    assert len(response.json()["detail"].splitlines()) == 1


@pytest.mark.slow
def test_other_requests_do_not_wait_for_it(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More statements than may run that compute until they are interrupted."""
    monkeypatch.setattr(processes, "STATEMENT_SECONDS", 1.0)
    endless = "select count(*) from range(10000000) a, range(10000000) b where a.range <> {}"
    codes: list[int] = []

    def ask(k: int) -> None:
        url = f"{http.base_url}/sql"
        codes.append(httpx2.get(url, params={"q": endless.format(k)}, timeout=60).status_code)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert http.get("/results?limit=1").status_code == 200
    assert http.get("/table2").status_code == 200
    assert codes == []
    for thread in threads:
        thread.join()
    assert codes == [422] * 3
