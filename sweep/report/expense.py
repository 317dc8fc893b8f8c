"""Money and energy that GPU-hours took, where a price or a power is given. Standard library only.

They are of the time that trials had a GPU, or their share of one: what an idle GPU, the rest of
the machine or its cooling took is not in them.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.store.device_hours import DeviceHours
from trainer.config.lookup import UsageError

_PRICE = re.compile(r"(\d*\.?\d+)\s*([A-Z]{3})?")
# Of a device: above it, it is of a machine, or in another unit.
MOST_WATTS = 10_000


@dataclass(frozen=True, slots=True)
class GpuRates:
    """Price of an hour of a whole GPU, its currency, and the power of one, in W; None if not
    given."""

    price: float | None = None
    currency: str | None = None
    watts: float | None = None


NO_RATES = GpuRates()


@dataclass(frozen=True, slots=True)
class Expense:
    """Money and energy (kWh), each None without its rate, and a sentence with both."""

    money: float | None
    currency: str | None
    kwh: float | None
    sentence: str


def add_rate_flags(parser: argparse.ArgumentParser) -> None:
    """Adds --gpu-price and --gpu-power."""
    group = parser.add_argument_group("what GPU-hours took, which is told where it is given")
    group.add_argument(
        "--gpu-price",
        metavar="PRICE",
        help="of an hour of a whole GPU, such as 2.49 or '2.49 USD' (else SWEEP_GPU_PRICE)",
    )
    group.add_argument(
        "--gpu-power",
        metavar="WATTS",
        help="that a GPU draws while it trains, such as 700 (else SWEEP_GPU_POWER)",
    )


def read_rates(
    options: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> GpuRates:
    """Rates by the flags, else by the environment. Raises UsageError for what is none."""
    of_price = _given(options.gpu_price, "--gpu-price", "SWEEP_GPU_PRICE", environment)
    of_power = _given(options.gpu_power, "--gpu-power", "SWEEP_GPU_POWER", environment)
    price, currency = _price(*of_price)
    return GpuRates(price, currency, _watts(*of_power))


def _given(
    flag_value: str | None, flag: str, variable: str, environment: Mapping[str, str]
) -> tuple[str, str]:
    """What was given, empty for nothing, and by which of the two."""
    if flag_value is not None:
        return flag_value.strip(), flag
    return environment.get(variable, "").strip(), variable


def _price(text: str, source: str) -> tuple[float | None, str | None]:
    if not text:
        return None, None
    match = _PRICE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{source} {text!r} is no price of a GPU-hour: it looks like 2.49 or '2.49 USD', "
            "with a currency of three capitals"
        )
    return float(match[1]), match[2]


def _watts(text: str, source: str) -> float | None:
    if not text:
        return None
    try:
        watts = float(text.removesuffix("W"))
    except ValueError:
        watts = math.nan
    if not 0 < watts <= MOST_WATTS:
        raise UsageError(
            f"{source} {text!r} is no power of a GPU: it is in watts, such as 700, and at most "
            f"{MOST_WATTS:,}"
        )
    return watts


def expense(hours: DeviceHours, rates: GpuRates) -> Expense | None:
    """Expense of these hours; None if no rate is given, or nothing has run.

    Hours of CPUs have no price: where there are no others nothing is told as 0, but the reason.
    """
    if rates.price is None and rates.watts is None:
        return None
    if not hours.gpu and not hours.cpu:
        return None
    if not hours.gpu:
        return Expense(None, None, None, "not counted: it ran on CPUs alone")
    money = None if rates.price is None else hours.gpu * rates.price
    kwh = None if rates.watts is None else hours.gpu * rates.watts / 1000
    return Expense(money, rates.currency, kwh, _sentence(hours, rates, money, kwh))


def _sentence(hours: DeviceHours, rates: GpuRates, money: float | None, kwh: float | None) -> str:
    parts = []
    if money is not None:
        amount = "less than 0.01" if 0 < money < 0.01 else f"{money:,.2f}"
        unit = f" {rates.currency}" if rates.currency else ""
        parts.append(f"{amount}{unit} at {rates.price:g}{unit} a GPU-hour")
    if kwh is not None:
        amount = f"{kwh:,.0f}" if kwh >= 100 else f"{kwh:.3g}"
        parts.append(f"{amount} kWh at {rates.watts:g} W a GPU")
    rest = f"; {hours.cpu:.3g} CPU-hours are not in it" if hours.cpu else ""
    return ", ".join(parts) + rest
