"""Money and energy of GPU-hours, by hand, and the flags that they are asked by."""

from __future__ import annotations

import argparse
import math

import pytest

from sweep.report.expense import NO_RATES, GpuRates, add_rate_flags, expense, read_rates
from sweep.store.device_hours import DeviceHours
from trainer.config.lookup import UsageError


def rates(*arguments: str, **environment: str) -> GpuRates:
    parser = argparse.ArgumentParser()
    add_rate_flags(parser)
    return read_rates(parser.parse_args(arguments), environment)


@pytest.mark.parametrize(
    ("arguments", "environment", "read"),
    [
        ((), {}, NO_RATES),
        (("--gpu-price", "2.49"), {}, GpuRates(price=2.49)),
        (("--gpu-price", "2.49 USD", "--gpu-power", "700"), {}, GpuRates(2.49, "USD", 700)),
        (("--gpu-price", ".5EUR"), {"SWEEP_GPU_PRICE": "3"}, GpuRates(0.5, "EUR")),
        ((), {"SWEEP_GPU_PRICE": " 3 CHF ", "SWEEP_GPU_POWER": "350W"}, GpuRates(3, "CHF", 350)),
        ((), {"SWEEP_GPU_PRICE": "", "SWEEP_GPU_POWER": ""}, NO_RATES),
        (("--gpu-price", "0"), {}, GpuRates(price=0)),  # a GPU of one's own
        (("--gpu-price", ""), {"SWEEP_GPU_PRICE": "3"}, NO_RATES),  # unsaid
    ],
)
def test_rates_are_of_flags_before_the_environment(
    arguments: tuple[str, ...], environment: dict[str, str], read: GpuRates
) -> None:
    assert rates(*arguments, **environment) == read


@pytest.mark.parametrize("text", ["dear", "-1", "2,49", "nan", "1e3", "2.49 usd", "$2.49", "1 2"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--gpu-price '.*' is no price of a GPU-hour: it looks"):
        rates("--gpu-price=" + text)
    with pytest.raises(UsageError, match=r"SWEEP_GPU_PRICE '.*' is no price"):
        rates(SWEEP_GPU_PRICE=text)


@pytest.mark.parametrize("text", ["much", "0", "-700", "nan", "inf", "700000", "0.7kW"])
def test_a_power_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--gpu-power '.*' is no power of a GPU: it is in watts"):
        rates("--gpu-power=" + text)


@pytest.mark.parametrize(
    ("gpu", "cpu", "given", "sentence"),
    [
        (
            10,
            0,
            GpuRates(2.5, "USD", 700),
            "25.00 USD at 2.5 USD a GPU-hour, 7 kWh at 700 W a GPU",
        ),
        (10, 0, GpuRates(2.5), "25.00 at 2.5 a GPU-hour"),
        (2000, 0, GpuRates(0.5), "1,000.00 at 0.5 a GPU-hour"),
        (0.001, 0, GpuRates(2.5, "EUR"), "less than 0.01 EUR at 2.5 EUR a GPU-hour"),
        (10, 0, GpuRates(0.0, "EUR"), "0.00 EUR at 0 EUR a GPU-hour"),
        (3, 1.5, GpuRates(watts=400), "1.2 kWh at 400 W a GPU; 1.5 CPU-hours are not in it"),
        (1000, 0, GpuRates(watts=400), "400 kWh at 400 W a GPU"),
        (math.nan, 0, GpuRates(2.5, watts=700), "nan at 2.5 a GPU-hour, nan kWh at 700 W a GPU"),
        (0, 3, GpuRates(2.5, "USD", 700), "not counted: it ran on CPUs alone"),
    ],
)
def test_a_sentence(gpu: float, cpu: float, given: GpuRates, sentence: str) -> None:
    found = expense(DeviceHours(gpu, cpu), given)
    assert found is not None
    assert found.sentence == sentence


def test_money_and_energy_are_hours_times_rates() -> None:
    found = expense(DeviceHours(gpu=4.0, cpu=2.0), GpuRates(2.0, "USD", 500))
    assert found is not None
    assert (found.money, found.currency, found.kwh) == (8.0, "USD", 2.0)


def test_nothing_is_told_as_zero() -> None:
    assert expense(DeviceHours(4.0, 0.0), NO_RATES) is None
    assert expense(DeviceHours(0.0, 0.0), GpuRates(2.0)) is None  # nothing has run
    on_cpus = expense(DeviceHours(0.0, 4.0), GpuRates(2.0, "USD", 500))
    assert on_cpus is not None
    assert (on_cpus.money, on_cpus.currency, on_cpus.kwh) == (None, None, None)
