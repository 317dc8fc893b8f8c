"""The library's front door: spectra of any discriminator, in anyone's loop. torch alone.

    from trainer.watch import spectral_regularization

    sr = spectral_regularization(D, "sr-static", i_ratio=0.5)   # D: any torch module
    ...
    loss.backward(); optimiser.step(); sr.step()                # after each update of D
    sr.spectra()                                                # sigma by layer

`watch(D)` measures and judges alone, and `with watching(type(D)): model.fit(...)` reaches a D that
a library builds inside of its own loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from trainer.weights.monitor import Monitor, SpectralVerdict
from trainer.weights.regularization import SpectralRegularization

__all__ = ["Monitor", "SpectralRegularization", "SpectralVerdict", "spectral_regularization"]
__all__ += ["watch", "watching"]


def watch(network: nn.Module, **options: Any) -> Monitor:
    """A monitor of the spectra of a network's weights, as its layers apply them.

    It finds the layers in the next forward pass in training mode, or in one that
    `monitor.trace(lambda: D(x))` names. `monitor.step()` after each update counts, and measures at
    the first and every `every`-th one (default: as often as costs below 1 % of the updates, every
    hundredth at most). `monitor.spectra()` measures at any time; `monitor.report()` says which
    layers were found, which vote, and what can only be watched and why.

    `monitor.verdict()` calls the spectrum collapsed when sigma_2 / sigma_1 of two voting layers
    (of the one, if there is one) stayed below 0.85 of their own first value in three measurements
    from step `burn_in` on: `thresholds`, calibrated on SN-GANs of the digits, and no witness
    elsewhere. Layers of r >= 4 with a gradient vote, but no 1x1 convolutions and embeddings; or
    those whose names match the shell patterns `votes`.

    Raises UsageError for a network that multiplies its input by no weight, and for unknown names.
    """
    return Monitor(network, **options)


def spectral_regularization(
    network: nn.Module, method: str = "sr-static", **options: Any
) -> SpectralRegularization:
    """A monitor that also sets singular values, by a method of `trainer.config.methods`.

    Methods that project overwrite the raw weights after the first and every `period`-th step
    (default 5, as often as the released code does with its n_critic of 5). `sr-static-reparam` and
    `sr-dynamic-reparam` put W_SR of Eq. (10) in the weights' place as a parametrization, whose
    constants are taken anew after each step; `remove()` takes it off. `i_ratio` is the share of
    singular values that a static method lifts (default 0.5), `floor` sr-floor's, `layers` shell
    patterns of the layers to regularize (default: all but embeddings, gains and what can only be
    watched).

    The first projection changes the scale of the logits by what `logits_factor` then says, a line
    on stderr too; `keep_scale=True` multiplies the last layer so that it stays. `logits` picks
    them from what the network returns (default: its first tensor). `state_dict` and
    `load_state_dict` carry gamma and counters through a resumed run. Other options are `watch`'s.

    Raises UsageError for what a method does not take, before any work.
    """
    return SpectralRegularization(network, method, **options)


@contextmanager
def watching(
    target: type[nn.Module] | Callable[[nn.Module], bool],
    method: str | None = None,
    **options: Any,
) -> Iterator[list[Any]]:
    """Watches, or with a `method` regularizes, every network that a loop inside of it trains.

    `target` is the network's type, or a predicate of modules. Global hooks of torch see its
    forward passes, the second of which is traced, and the steps of the optimiser that holds its
    parameters. Yields the list of monitors, one per network, in order of appearance.
    """
    monitors: list[Any] = []
    networks: set[int] = set()

    def is_target(module: nn.Module) -> bool:
        return isinstance(module, target) if isinstance(target, type) else target(module)

    def before_forward(module: nn.Module, _: Any) -> None:
        if id(module) not in networks and module.training and is_target(module):
            networks.add(id(module))
            make = watch if method is None else spectral_regularization
            arguments = () if method is None else (method,)
            monitors.append(make(module, *arguments, **options))

    def after_step(optimiser: Optimizer, *_: Any) -> None:
        updated = {id(p) for group in optimiser.param_groups for p in group["params"]}
        for monitor in monitors:
            is_trained = any(id(p) in updated for p in monitor.network.parameters())
            if is_trained and monitor.is_traced:
                monitor.step()

    hooks = [
        register_module_forward_pre_hook(before_forward),
        register_optimizer_step_post_hook(after_step),
    ]
    try:
        yield monitors
    finally:
        for hook in hooks:
            hook.remove()
        for monitor in monitors:
            monitor.close()
