"""Measurement of the spectra of any network in anyone's loop, and a verdict on their collapse."""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from trainer.collapse import spectral_collapse
from trainer.config.lookup import UsageError
from trainer.spectral import SUMMARIES, summary
from trainer.thresholds import DEFAULT_THRESHOLDS, Thresholds
from trainer.weights.arming import Trap, unwrapped
from trainer.weights.layer import Layer, layers_of, unused_parameters
from trainer.weights.trace import Trace, trace

# Of an update of D that measurements may cost, and operations that eigenvalues take beside the
# Gram matrix's 2 r^2 n, both in float64, which is half as fast.
SHARE = 0.01
EIGENVALUES = 8
LEAST_PERIOD = 100
# A D step is two forward passes (real and generated images) with their backward passes.
STEP = 6


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SpectralVerdict:
    """`state` is `seen` (from `step` on), `not seen` or `not judged`, by `rule` or `reason`."""

    state: str
    step: int | None
    rule: str
    reason: str | None = None


class Monitor:
    """Spectra of a network's weights as its layers apply them. See `trainer.watch.watch`."""

    def __init__(
        self,
        network: nn.Module,
        *,
        votes: Sequence[str] | None = None,
        embeddings: bool = False,
        every: int | None = None,
        burn_in: int = 0,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> None:
        self.network = unwrapped(network)
        self.layers: list[Layer] = []
        self.unused: dict[str, str] = {}
        self.steps = 0
        self.history: list[dict[str, Any]] = []
        self._votes, self._embeddings, self.every = votes, embeddings, every
        self._burn_in, self._thresholds = burn_in, thresholds
        self._trap = Trap(network, self._receive)

    def trace(self, call: Callable[[], Any]) -> None:
        """Looks for the layers in one `call`, such as `lambda: D(x)`, which may be any method."""
        self._trap.remove()
        _, traced = trace(self.network, call)
        self._adopt(traced)

    def _receive(self, traced: Trace, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Takes over the trace of a forward pass that the loop made."""
        self._adopt(traced)

    def _adopt(self, traced: Trace) -> None:
        names = {layer.name: layer for layer in self.layers}
        for layer in layers_of(traced, self.network):
            names.setdefault(layer.name, layer)
        self.layers = list(names.values())
        if not self.layers:
            raise UsageError(
                f"{type(self.network).__name__} multiplied its input by no weight: was the call "
                "that of another network?"
            )
        self.unused = unused_parameters(self.network, self.layers, traced)
        if not self._embeddings:
            for layer in self.layers:
                if layer.kind == "embedding" and layer.reason is None:
                    layer.reason = "an embedding, left alone (embeddings=True lifts it)"
        if self._votes is not None:
            select_voters(self.layers, self._votes)
        if self.every is None:
            self.every = affordable_period(self.layers)

    @property
    def is_traced(self) -> bool:
        return bool(self.layers)

    def _ready(self) -> list[Layer]:
        if not self.layers:
            raise UsageError(
                f"{type(self.network).__name__} has made no forward pass in training mode since: "
                "call it once, or name the call: .trace(lambda: D(x))"
            )
        return self.layers

    def step(self) -> bool:
        """Counts an update of D; measures at the first and at every `every`-th of them."""
        self.steps += 1
        if not self.is_traced:
            return False
        assert self.every is not None
        if self.history and self.steps - self.history[-1]["iteration"] < self.every:
            return False
        self.measure()
        return True

    def spectra(self) -> dict[str, Tensor]:
        """sigma[blocks, r] by layer, float64 on the CPU, of the weights as they are applied."""
        return {layer.name: layer.spectrum().cpu() for layer in self._ready()}

    def measure(self) -> dict[str, Any]:
        """A record of the step, which also goes to `history`: per layer sigma_1, sigma_2/sigma_1,
        mean sigma/sigma_1, stable and effective rank, of blocks their median; NaN where r = 1."""
        record = {"iteration": self.steps, **summaries(self.spectra())}
        self.history.append(record)
        return record

    def verdict(self) -> SpectralVerdict:
        """Whether the spectra have collapsed: see `trainer.watch.watch`."""
        # A layer that a later call brought in has no first value.
        n_layers = len(self.history[0]["sigma2_ratio"]) if self.history else len(self.layers)
        voters = [k for k, layer in enumerate(self.layers[:n_layers]) if layer.votes]
        t = dataclasses.replace(
            self._thresholds, layers_fell=min(self._thresholds.layers_fell, max(1, len(voters)))
        )
        rule = (
            f"sigma_2/sigma_1 of {t.layers_fell} or more of {len(voters)} voting layers below "
            f"{t.sigma2_fell:g} of their own first value, {t.patience} times"
        )
        n_counted = sum(record["iteration"] >= self._burn_in for record in self.history)
        reason = None
        if not self.is_traced:
            reason = "no forward pass has been traced"
        elif not voters:
            reason = "no layer votes"
        elif n_counted <= t.patience:
            reason = f"{n_counted} measurements of the {t.patience + 1} that it takes"
        elif any(math.isnan(self.history[-1]["sigma2_ratio"][k]) for k in voters):
            reason = "a weight is not finite"
        step = spectral_collapse(self.history, voters, self._burn_in, t) if voters else None
        if step is not None:
            return SpectralVerdict(state="seen", step=step, rule=rule)
        state = "not seen" if reason is None else "not judged"
        return SpectralVerdict(state=state, step=None, rule=rule, reason=reason)

    def report(self) -> str:
        """A table of the layers, with the reason where one can only be watched or was not used."""
        rows = [("layer", "kind", "weight", "blocks", "r", "votes", "only watched, because")]
        for layer in self._ready():
            blocks, _, _ = layer.layout.sizes
            votes = "yes" if layer.votes else "no"
            rows.append(
                (
                    layer.name,
                    layer.kind,
                    layer.origin.kind,
                    str(blocks),
                    str(layer.layout.r),
                    votes,
                    layer.reason or "",
                )
            )
        rows += [(name, "", "", "", "", "no", reason) for name, reason in self.unused.items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def close(self) -> None:
        """Takes the hook away that waits for a forward pass, if it still does."""
        self._trap.remove()


def summaries(spectra: dict[str, Tensor]) -> dict[str, list[float]]:
    """Lists by summary, an entry per layer: the median of its blocks; NaN of a single value."""
    record: dict[str, list[float]] = {name: [] for name in ("sigma1", *SUMMARIES)}
    for sigma in spectra.values():
        record["sigma1"].append(float(sigma[:, 0].max()))
        blocks = [summary(block) for block in sigma] if sigma.shape[1] > 1 else []
        for name in SUMMARIES:
            values = sorted(block[name] for block in blocks)
            record[name].append(values[len(values) // 2] if values else math.nan)
    return record


def select_voters(layers: Sequence[Layer], patterns: Sequence[str]) -> None:
    """Lets the layers vote that a shell pattern names; UsageError for one that names none."""
    for layer in layers:
        layer.votes = False
    for pattern in patterns:
        matches = [layer for layer in layers if fnmatch.fnmatch(layer.name, pattern)]
        if not matches:
            names = ", ".join(layer.name for layer in layers)
            raise UsageError(f"no layer is named {pattern!r}; there are: {names}")
        for layer in matches:
            layer.votes = layer.layout.r > 1


def affordable_period(layers: Sequence[Layer]) -> int:
    """Steps between measurements that keep them below a hundredth of the time of D's updates, by
    operations: at least 100."""
    cost = 0
    for layer in layers:
        blocks, rows, columns = layer.layout.sizes
        r, n = min(rows, columns), max(rows, columns)
        cost += 2 * blocks * (2 * r * r * n + EIGENVALUES * r**3)
    step = STEP * sum(layer.operations for layer in layers)
    return max(LEAST_PERIOD, math.ceil(cost / (SHARE * max(1, step))))
