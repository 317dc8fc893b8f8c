"""A person's own generator and discriminator, as the trainer's methods need them.

G and D stay the modules that they are, with the first weights that they were given. What a method
does to the weights of D goes through a parametrization of torch on each of them: found by one
traced forward pass, whatever the modules are called. Weights that are no plain parameter of one
module, or several matrices in one, are left alone; methods that would act on them are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from trainer.config.entry import first_line, signature_of
from trainer.config.lookup import UsageError
from trainer.config.own_code import NetworkSizes
from trainer.layers import normalised
from trainer.spectral import Compensation, as_matrix
from trainer.weights.layer import Layer, layers_of
from trainer.weights.origins import Multiple
from trainer.weights.scale import undisturbed
from trainer.weights.trace import trace

# How far the factor of a plain weight, told from its values, may be from 1.
PLAIN = 1e-3
# Batch normalisation wants more than one image; two of them tell a batch's statistics.
TRACED_IMAGES = 2


class OwnWeight(nn.Module):
    """A weight of D: a parametrization that normalises it, with the raw parameter in reach.

    `weight` is W with the outputs in its first axis, a view of the parameter.
    """

    u: Tensor
    v: Tensor
    gain: Tensor
    # Never held for several passes: each goes through the parametrization.
    normalised: Tensor | None = None

    def __init__(
        self, owner: nn.Module, name: str, normalisation: str, *, outputs_second: bool
    ) -> None:
        super().__init__()
        # In a tuple, for a module in a module would be a part of it.
        self._owner, self._name = (owner,), name
        self._outputs_second = outputs_second
        self.normalisation = normalisation
        self.compensation: Compensation | None = None
        raw = getattr(owner, name)
        rows, columns = as_matrix(self._outputs_first(raw)).shape
        self.register_buffer("u", raw.new_zeros(rows))
        self.register_buffer("v", raw.new_zeros(columns))
        if normalisation == "wn":
            self.gain = nn.Parameter(raw.new_ones(rows))

    @property
    def weight(self) -> Tensor:
        parametrizations: Any = self._owner[0].parametrizations
        return self._outputs_first(parametrizations[self._name].original)

    def forward(self, raw: Tensor) -> Tensor:
        return self._outputs_first(normalised(self, self._outputs_first(raw)))

    def _outputs_first(self, raw: Tensor) -> Tensor:
        """Swaps the first two axes of a transposed convolution's weight; its own inverse."""
        return raw.transpose(0, 1) if self._outputs_second else raw


class OwnGenerator(nn.Module):
    """z[B, latent], labels[B] where training is conditional -> images[B, 3, H, H]."""

    def __init__(self, network: nn.Module, *, conditional: bool) -> None:
        super().__init__()
        self.network, self.conditional = network, conditional

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.network(z, labels) if self.conditional else self.network(z)

    def normalised_layers(self) -> list[OwnWeight]:
        return []


class OwnDiscriminator(nn.Module):
    """images[B, 3, H, H], labels[B] where training is conditional -> D(x)[B].

    `layers` are the traced ones that the method may act on, `untouchable` says of another why not.
    """

    def __init__(self, network: nn.Module, *, conditional: bool) -> None:
        super().__init__()
        self.network, self.conditional = network, conditional
        self.layers: list[Layer] = []
        self.untouchable: str | None = None
        self._weights: tuple[OwnWeight, ...] = ()
        self._trainable = tuple(p for p in network.parameters() if p.requires_grad)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        out = self.network(x, labels) if self.conditional else self.network(x)
        return out.squeeze(1) if out.dim() == 2 else out

    def regularised_layers(self) -> list[OwnWeight]:
        """All weights of more than one singular value but embeddings, in the order of use."""
        return [
            weight
            for layer, weight in zip(self.layers, self._weights, strict=True)
            if is_regularised(layer)
        ]

    def normalised_layers(self) -> Sequence[OwnWeight]:
        return self._weights

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freezes or thaws the parameters but those that came frozen, which stay so."""
        for parameter in self._trainable:
            parameter.requires_grad_(requires_grad)
        return self

    def track(self, normalisation: str, x: Tensor, labels: Tensor | None) -> None:
        """Finds the weights by a forward pass of x and puts the normalisation on each."""
        with undisturbed(self.network):
            _, traced = trace(self.network, lambda: self(x, labels))
        places: dict[int, list[str]] = {}
        for name, parameter in self.network.named_parameters(remove_duplicate=False):
            places.setdefault(id(parameter), []).append(name)
        weights = []
        for layer in layers_of(traced, self.network):
            if not layer.origin.raw.requires_grad:
                continue
            reason = _untouchable(layer, places[id(layer.origin.raw)])
            if reason is not None:
                self.untouchable = self.untouchable or f"{layer.name} {reason}"
                continue
            (place,) = places[id(layer.origin.raw)]
            path, _, name = place.rpartition(".")
            owner = self.network.get_submodule(path)
            weight = OwnWeight(
                owner, name, normalisation, outputs_second="transpose" in layer.kind
            )
            parametrize.register_parametrization(owner, name, weight, unsafe=True)
            self.layers.append(layer)
            weights.append(weight)
        self._weights = tuple(weights)
        self._trainable += tuple(w.gain for w in weights if normalisation == "wn")
        if not weights and self.untouchable is None:
            self.untouchable = "no weight is multiplied by D's input"


def is_regularised(layer: Layer) -> bool:
    """True of a weight whose spectrum is recorded and set: no embedding, and no single row."""
    return layer.kind != "embedding" and layer.layout.r > 1


def _untouchable(layer: Layer, places: Sequence[str]) -> str | None:
    """Says why the layer's weight cannot be normalised by a parametrization of its parameter."""
    origin = layer.origin
    if not isinstance(origin, Multiple):
        own = {"spectral norm": "a spectral norm", "weight norm": "a weight normalization"}
        brought = own.get(origin.kind, "a computation")
        return f"brings {brought} of its own: build it plain, the method puts its own on"
    if abs(origin.factor - 1) > PLAIN:
        return f"is multiplied by {origin.factor:.3g} wherever it is used"
    if layer.layout.sizes[0] > 1:
        return f"is {layer.layout.sizes[0]} matrices in one, as of groups"
    if len(places) > 1:
        return f"is shared by {' and '.join(places)}"
    return layer.reason


def built(
    entry: str, function: Callable[..., Any], sizes: NetworkSizes
) -> tuple[OwnGenerator, OwnDiscriminator]:
    """(G, D) as the function of the import path builds them; what it draws is torch's to give.

    It is called with those of the sizes that it names. Raises UsageError, in a line, if it wants
    others, fails, or returns anything but two modules.
    """
    arguments = _arguments(entry, function, sizes)
    try:
        networks = function(**arguments)
    except Exception as error:  # a person's own code, which may raise anything
        raise UsageError(f"{entry} failed with {_in_words(arguments)}: {first_line(error)}") from (
            error
        )
    match networks:
        case (nn.Module() as g, nn.Module() as d) if g is not d:
            conditional = sizes.classes is not None
            return (
                OwnGenerator(g, conditional=conditional),
                OwnDiscriminator(d, conditional=conditional),
            )
    got = type(networks).__name__
    if isinstance(networks, tuple | list):
        got += f" of {', '.join(type(each).__name__ for each in networks) or 'nothing'}"
    raise UsageError(f"{entry} must return (G, D), two modules of torch, but returned a {got}")


def _arguments(entry: str, function: Callable[..., Any], sizes: NetworkSizes) -> Mapping[str, Any]:
    available = {name: getattr(sizes, name) for name in NetworkSizes.__dataclass_fields__}
    parameters = signature_of(function, entry).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return available
    unknown = [
        p.name
        for p in parameters
        if p.name not in available
        and p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    unknown += [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    if unknown:
        raise UsageError(
            f"{entry} asks for {', '.join(unknown)}; networks are built of any of "
            f"{', '.join(available)}, by keyword"
        )
    return {p.name: available[p.name] for p in parameters if p.name in available}


def _in_words(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items()) or "no arguments"


def traced_batch(
    sizes: NetworkSizes, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor, Tensor | None]:
    """(z, images, labels) of random numbers, to run networks of these sizes on."""
    z = torch.randn(TRACED_IMAGES, sizes.latent_size, device=device)
    side = sizes.resolution
    x = torch.rand(TRACED_IMAGES, 3, side, side, device=device) * 2 - 1
    if sizes.classes is None:
        return z, x, None
    return z, x, torch.arange(TRACED_IMAGES, device=device) % sizes.classes
