"""Response model of what GPU-hours took in money and energy, by the rates of the service."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from sweep.report import expense
from sweep.report.expense import GpuRates
from sweep.store.device_hours import DeviceHours


class Expense(BaseModel):
    """Money and energy of GPU-hours, where the service was given a price or a power of a GPU."""

    money: float | None = Field(description="GPU-hours times --gpu-price; null without one")
    currency: str | None
    kwh: float | None = Field(description="GPU-hours times --gpu-power; null without one")
    sentence: str = Field(description="both with their rates, or why there is neither")


def expense_of(hours: DeviceHours, rates: GpuRates) -> Expense | None:
    """Expense of these hours; None if no rate is given, or nothing has run."""
    spent = expense.expense(hours, rates)
    return None if spent is None else Expense(**asdict(spent))
