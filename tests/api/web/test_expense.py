"""Money and energy in what the service answers, with rates and without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sweep.report.expense import GpuRates
from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_driver, write_plan, write_trial
from tests.api.web.metrics import series

RATES = GpuRates(price=2.0, currency="USD", watts=500.0)
# Four quarters of a GPU for an hour and a half, and two threads for half an hour.
ON_GPU = {"config": '{"device": "cuda"}', "gpus": 0.25, "seconds": 5400.0}
ON_CPU = {"config": '{"device": "cpu", "threads": 2}', "gpus": 0.0, "seconds": 1800.0}
SENTENCE = "3.00 USD at 2 USD a GPU-hour, 0.75 kWh at 500 W a GPU; 1 CPU-hours are not in it"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sweeps `packed`, `cpus` and `planned`."""
    root = tmp_path_factory.mktemp("packed")
    store = Store(root)
    trials = [identity("C_32-32", "sr-static", seed) for seed in range(6)]
    write_trial(store, trials[0])
    (row,) = store.read_rows("trials", trials[0]["trial_id"])
    for who in trials[:5]:
        changes = who | (ON_CPU if who["seed"] == 4 else ON_GPU)
        store.write_rows("trials", who["trial_id"], [row | changes])
    for name, part in {"packed": trials[:5], "cpus": trials[4:5], "planned": trials[5:]}.items():
        write_plan(store, name, part)
        write_driver(store, name, state="finished")
    return root


@pytest.fixture(scope="module")
def http(root: Path) -> Iterator[httpx2.Client]:
    with serving(root, rates=RATES) as client:
        yield client


def trials_of(http: httpx2.Client, name: str) -> list[dict[str, Any]]:
    ids = http.get(f"/sweeps/{name}").json()["trials"]
    return [http.get(f"/trials/{trial_id}").json() for trial_id in ids]


def test_a_sweep_and_its_trials(http: httpx2.Client) -> None:
    sweep = http.get("/sweeps/packed").json()
    assert sweep["expense"] == {
        "money": 3.0, "currency": "USD", "kwh": 0.75, "sentence": SENTENCE,
    }  # fmt: skip
    listed = {item["name"]: item for item in http.get("/sweeps").json()["items"]}
    assert listed["packed"]["expense"] == sweep["expense"]
    on_gpu = trials_of(http, "packed")[:4]
    assert sum(trial["gpu_hours"] for trial in on_gpu) == sweep["gpu_hours"] == 1.5
    assert sum(trial["expense"]["money"] for trial in on_gpu) == 3.0
    assert sum(trial["expense"]["kwh"] for trial in on_gpu) == 0.75


def test_cpus_alone_cost_no_0(http: httpx2.Client) -> None:
    (trial,) = trials_of(http, "cpus")
    assert trial["gpu_hours"] is None
    for answer in (trial, http.get("/sweeps/cpus").json()):
        assert answer["expense"] == {
            "money": None,
            "currency": None,
            "kwh": None,
            "sentence": "not counted: it ran on CPUs alone",
        }


def test_what_has_not_run_costs_nothing_yet(http: httpx2.Client) -> None:
    (trial,) = trials_of(http, "planned")
    assert trial["expense"] is None
    assert http.get("/sweeps/planned").json()["expense"] is None


def test_files_have_columns_of_it(http: httpx2.Client) -> None:
    (first, *_) = trials_of(http, "packed")
    for address, money in (
        ("/sweeps/packed", "3.0"),
        (f"/trials/{first['trial_id']}", "0.75"),
    ):
        text = http.get(address, params={"format": "csv"}).text
        (row,) = csv.DictReader(io.StringIO(text))
        assert (row["expense_money"], row["expense_currency"]) == (money, "USD")


def test_pages_have_a_line_of_it(http: httpx2.Client) -> None:
    trial_id = http.get("/sweeps/packed").json()["trials"][0]
    assert f"<dt>cost</dt><dd>{SENTENCE}</dd>" in http.get("/view/sweeps/packed").text
    page = http.get(f"/view/trials/{trial_id}").text
    assert "<dt>cost</dt><dd>0.75 USD at 2 USD a GPU-hour, 0.188 kWh at 500 W a GPU</dd>" in page


def test_rates_are_among_the_metrics(http: httpx2.Client) -> None:
    found = series(http)
    assert found['sweep_gpu_price{currency="USD"}'] == 2
    assert found["sweep_gpu_power_watts{}"] == 500


def test_without_rates_nothing_is_said_and_another_price_is_another_answer(
    root: Path, http: httpx2.Client
) -> None:
    trial_id = http.get("/sweeps/packed").json()["trials"][0]
    addresses = (
        "/sweeps", "/sweeps/packed", f"/trials/{trial_id}",
        "/view/sweeps/packed", f"/view/trials/{trial_id}",
    )  # fmt: skip
    with serving(root) as plain:
        assert not any("sweep_gpu_p" in key for key in series(plain))
        for address in addresses:
            priced = http.get(address)
            answer = plain.get(address, headers={"If-None-Match": priced.headers["ETag"]})
            assert answer.status_code == 200, address
            assert "GPU-hour" in priced.text
            assert "a GPU-hour" not in answer.text
            assert "<dt>cost</dt>" not in answer.text
