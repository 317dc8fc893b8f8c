"""What to run so that a figure has something to show."""

from __future__ import annotations

from collections.abc import Sequence

# By the figure's number, or its name where the paper has none: the experiment and its arguments.
EXPERIMENTS = {
    2: "table1 --methods sn,sr", 3: "table1 --methods sn,sr", 4: "table1 --methods sn,sr",
    5: "table1 --methods sn,sr", 7: "table1 --methods 'sn*,sr*'", 8: "fig8 --seeds 0-2",
    9: "fig8", 10: "fig8", 11: "fig8", 12: "fig12 --seeds 0-2", 14: "table1 --methods sn,sr",
    "survival": "table1 --methods 'sn*,sr*'", "seeds": "table1 --methods 'sn*,sr*'",
}  # fmt: skip


def command(figure: int | str, profile: str, settings: Sequence[str] = ()) -> str:
    """A line for a shell that measures what the figure shows, of one setting if it is of one."""
    if figure == 6:
        return "python -m sweep.rescue --from-sweep NAME"
    data = " --data-root DIR" if profile == "paper" else ""
    of = f" --settings {settings[0]}" if len(settings) == 1 else ""
    return f"python -m sweep.{EXPERIMENTS[figure]} --profile {profile}{of}{data}"
