"""Spectral regularization of any discriminator in anyone's loop, by projection of raw weights."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_map

from trainer.config.lookup import UsageError, lookup
from trainer.config.methods import DEFAULT_FLOOR, DEFAULT_I_RATIO, METHODS, PROJECTION_PERIOD
from trainer.weights.layer import Layer
from trainer.weights.monitor import Monitor
from trainer.weights.origins import Opaque, SpectrallyNormalised
from trainer.weights.reparametrisation import Reparametrisation, remove, reparametrise
from trainer.weights.scale import Logits, first_tensor, repeatable, spread, undisturbed
from trainer.weights.trace import Trace, trace

log = logging.getLogger("trainer.watch")

# ||applied - expected|| / ||expected|| of a forward pass above which a write did not reach it.
UNREACHED = 0.05
NOTABLE = 1.1


class SpectralRegularization(Monitor):
    """A method of `trainer.config.methods` on a network. See `trainer.watch`."""

    def __init__(
        self,
        network: nn.Module,
        method: str = "sr-static",
        *,
        i_ratio: float | None = None,
        floor: float | None = None,
        period: int | None = None,
        keep_scale: bool = False,
        logits: Logits = first_tensor,
        layers: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        self.method = lookup("method", METHODS, method)
        self.i_ratio, self.floor = _checked(method, i_ratio, floor)
        default = 1 if self.method.form == "reparam" else PROJECTION_PERIOD
        self.period = default if period is None else period
        if self.period < 1:
            raise UsageError(f"period is {period}, and a number of updates: 1 or more")
        if keep_scale and not self.method.renormalises:
            raise UsageError(f"{method} divides nothing: keep_scale is for methods that do")
        if keep_scale and self.method.form == "reparam":
            raise UsageError("keep_scale is for the methods that project")
        self.keep_scale, self.logits = keep_scale, logits
        self.logits_factor: float | None = None
        self.reparametrisations: dict[str, Reparametrisation] = {}
        self._patterns = layers
        self._call: Callable[[], Any] | None = None
        self._loaded: dict[str, Any] = {}
        self._is_reparametrised = False
        super().__init__(network, **options)

    def trace(self, call: Callable[[], Any]) -> None:
        self._call = repeatable(self.network, call)
        super().trace(call)

    def _receive(self, traced: Trace, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        args, kwargs = tree_map(
            lambda x: x.detach() if isinstance(x, Tensor) else x, (args, kwargs)
        )
        self._call = repeatable(self.network, lambda: self.network(*args, **kwargs))
        super()._receive(traced, args, kwargs)

    def _adopt(self, traced: Trace) -> None:
        super()._adopt(traced)
        for pattern in self._patterns or ():
            if not any(fnmatch.fnmatch(layer.name, pattern) for layer in self.layers):
                names = ", ".join(layer.name for layer in self.layers)
                raise UsageError(f"no layer is named {pattern!r}; there are: {names}")
        for layer in self.layers:
            is_chosen = self._patterns is None or any(
                fnmatch.fnmatch(layer.name, pattern) for pattern in self._patterns
            )
            if not is_chosen and layer.reason is None:
                layer.reason = "not among the layers to regularize"
            layer.memory = self._loaded.get("memory", {}).get(layer.name, layer.memory)
            layer.gain = self._loaded.get("gain", {}).get(layer.name, layer.gain)

    def step(self) -> bool:
        """Counts an update of D, and after the first and every `period`-th of them projects.

        Call it after D's optimiser has stepped. True where it projected. UsageError where no
        forward pass in training mode came before.
        """
        self._ready()
        is_due = self.steps % self.period == 0
        if self.method.form == "reparam":
            self._reparametrise()
        elif is_due and self.logits_factor is None:
            self._project_first()
        elif is_due:
            self._project()
        super().step()
        return is_due

    def lifted_layers(self) -> list[Layer]:
        """The layers that a projection now writes: not watched only, and not frozen."""
        return [x for x in self._ready() if x.reason is None and x.origin.raw.requires_grad]

    def _project(self) -> None:
        for layer in self.lifted_layers():
            layer.project(self.method, self.i_ratio, self.floor)

    def _project_first(self) -> None:
        """Projects, with a forward pass before and after it that nothing else sees: whether every
        write reaches the layer, and by what the spread of the logits changes."""
        assert self._call is not None
        before, _ = self._forward()
        lifted = self.lifted_layers()
        copies = [[p.detach().clone() for p in layer.origin.parameters()] for layer in lifted]
        self._project()
        names = {id(p): name for name, p in self.network.named_parameters()}
        expected = {names[id(x.origin.raw)]: x.origin.applied().clone() for x in lifted}
        after, traced = self._forward()
        unreached = _unreached(expected, traced)
        for layer, tensors in zip(lifted, copies, strict=True):
            if names[id(layer.origin.raw)] in unreached:
                for parameter, tensor in zip(layer.origin.parameters(), tensors, strict=True):
                    parameter.data.copy_(tensor)
                layer.reason = "a write to its parameter does not reach the forward pass"
                log.warning("%s: %s; it is only watched", layer.name, layer.reason)
        self.logits_factor = after / before if before else float("nan")
        heads = self._heads(traced)
        if self.keep_scale:
            self._keep_scale(before, heads)
        level = logging.WARNING if self._is_notable() and not self.keep_scale else logging.INFO
        log.log(
            level,
            "the first projection multiplied the spread of the logits by %.3g%s",
            self.logits_factor,
            "" if self.keep_scale else " (keep_scale=True undoes it)",
        )
        self._call = None  # it holds a batch

    def _is_notable(self) -> bool:
        factor = self.logits_factor
        return factor is None or not 1 / NOTABLE < factor < NOTABLE

    def _forward(self) -> tuple[float, Trace]:
        call = self._call
        assert call is not None
        with undisturbed(self.network):
            logits, traced = trace(self.network, lambda: self.logits(call()))
        return spread(logits), traced

    def _heads(self, traced: Trace) -> list[Layer]:
        """Layers whose product is the last before the logits."""
        names = {id(p): name for name, p in self.network.named_parameters()}
        sources = {
            name for k in frozenset().union(*traced.heads) for name in traced.uses[k].sources
        }
        return [layer for layer in self.layers if names[id(layer.origin.raw)] in sources]

    def _keep_scale(self, before: float, heads: Sequence[Layer]) -> None:
        assert self.logits_factor is not None
        fixed = [x.name for x in heads if isinstance(x.origin, Opaque | SpectrallyNormalised)]
        if fixed or not heads or not self.logits_factor > 0:
            names = ", ".join(fixed) or "the last layer"
            log.warning(
                "keep_scale: the scale of %s cannot be set (its norm is divided out), and the "
                "spread of the logits stays multiplied by %.3g",
                names,
                self.logits_factor,
            )
            return
        for layer in heads:
            layer.rescale(1 / self.logits_factor)
        after, _ = self._forward()
        self.logits_factor = after / before

    def _reparametrise(self) -> None:
        """Puts W_SR on the weights at the first call, and takes new constants at due ones."""
        if not self._is_reparametrised:
            for layer in self.lifted_layers():
                module = reparametrise(layer, self.network, self.method, self.i_ratio)
                if module is not None:
                    self.reparametrisations[layer.name] = module
            self._is_reparametrised = True
        elif self.steps % self.period == 0:
            by_name = {layer.name: layer for layer in self.layers}
            for name, module in self.reparametrisations.items():
                module.refresh(by_name[name].origin.raw.detach())

    def remove(self) -> None:
        """Takes W_SR off all weights: the raw parameters are the network's again."""
        for layer in self.layers:
            if self.reparametrisations.pop(layer.name, None) is not None:
                remove(layer)
        self._is_reparametrised = False

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run goes on from: counters, history, gamma and kept scales by layer."""
        return {
            "steps": self.steps,
            "history": self.history,
            "logits_factor": self.logits_factor,
            "memory": {x.name: x.memory for x in self.layers if x.memory is not None},
            "gain": {x.name: x.gain for x in self.layers},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over a `state_dict`, before or after the forward pass that is traced."""
        self.steps, self.history = state["steps"], list(state["history"])
        self.logits_factor = state["logits_factor"]
        self._loaded = {"memory": state["memory"], "gain": state["gain"]}
        for layer in self.layers:
            layer.memory = state["memory"].get(layer.name)
            layer.gain = state["gain"].get(layer.name, 1.0)


def _unreached(expected: Mapping[str, Tensor], traced: Trace) -> set[str]:
    """Names of the parameters of which a pass applied another weight than was written."""
    missed = set()
    for use in traced.uses:
        for name in use.sources & set(expected):
            weight = expected[name]
            difference = (use.applied.reshape(weight.shape) - weight).norm()
            if not difference <= UNREACHED * weight.norm():
                missed.add(name)
    return missed


def _checked(
    method: str, i_ratio: float | None, floor: float | None
) -> tuple[float | None, float | None]:
    """(i_ratio, floor) of a method, with its defaults; UsageError for what it does not take."""
    spec = METHODS[method]
    if spec.form is None:
        forms = ", ".join(name for name, m in METHODS.items() if m.form is not None)
        raise UsageError(f"{method} sets no singular values; these do: {forms}")
    if i_ratio is not None and not spec.lifts:
        raise UsageError(f"{method} lifts nothing by rank, and takes no i_ratio")
    if i_ratio is not None and not 0 < i_ratio <= 1:
        raise UsageError(f"i_ratio is {i_ratio}, and a share: above 0, at most 1")
    if floor is not None and spec.compensation != "floor":
        raise UsageError(f"{method} has no floor")
    if floor is not None and not 0 < floor <= 1:
        raise UsageError(f"floor is {floor}, and a share of sigma_1: above 0, at most 1")
    i_ratio = (DEFAULT_I_RATIO if i_ratio is None else i_ratio) if spec.lifts else None
    floor = (DEFAULT_FLOOR if floor is None else floor) if spec.compensation == "floor" else None
    return i_ratio, floor
