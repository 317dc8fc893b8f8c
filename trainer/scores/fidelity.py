"""The Inception network of torch-fidelity, made from a weights file that was checked first.

torch-fidelity loads whatever file it is given by unpickling, which can run code, checks no hash,
and downloads one when it is given none. So the file is read here, once: its SHA-256 is compared,
its tensors are loaded with `weights_only=True` and compared with the network's own names and
shapes, and torch-fidelity gets a copy of those tensors in memory, never the file.

torch-fidelity is imported when it is used and not before: it costs seconds, and only Inception
scores need it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from trainer.config.lookup import UsageError
from trainer.config.protocols import HOW_TO_GET, REFERENCE_SHA256, not_the_reference
from trainer.interruption import check
from trainer.tf32 import without_tf32

EXTRACTOR = "inception-v3-compat"
# torch-fidelity's default; another size changes the last digits.
BATCH_SIZE = 64


def options(**values: Any) -> dict[str, Any]:
    """Options for torch-fidelity, which itself ignores those that it does not know.

    Raises TypeError for one that is not among its defaults.
    """
    from torch_fidelity.defaults import DEFAULTS

    if unknown := sorted(values.keys() - DEFAULTS.keys()):
        raise TypeError(f"torch-fidelity has no option {', '.join(unknown)}")
    return values


def version() -> str:
    """Version of the installed torch-fidelity. Raises UsageError if it cannot be imported."""
    try:
        import torch_fidelity
    except Exception as error:  # a broken torchvision fails here in ways of its own
        raise UsageError(f"Inception scores need torch-fidelity, but: {error}") from error
    return torch_fidelity.__version__


def read_weights(path: Path, *, allow_other: bool = False) -> tuple[dict[str, Tensor], str]:
    """(the tensors, the SHA-256) of a weights file; no code in it is run.

    Raises UsageError if it cannot be read, is not the reference and `allow_other` is not set, or
    does not fit the network.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the Inception weights {path} ({error.strerror}): {HOW_TO_GET}"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != REFERENCE_SHA256 and not allow_other:
        raise UsageError(not_the_reference(path, digest))
    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what unpickling junk raises can be anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UsageError(f"{path} is not a file of Inception weights: {reason}") from error
    if misfit := _misfit(stored, network_layout()):
        raise UsageError(f"{path} does not hold the weights of {EXTRACTOR}: {misfit}")
    return stored, digest


def network_layout() -> dict[str, torch.Size]:
    """Shape of every tensor of the Inception network by name, without any of its weights."""
    from torch_fidelity import FeatureExtractorInceptionV3

    class Layout(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: Any, **__: Any) -> Any:
            """Nothing to load: only names and shapes are asked for."""

    with torch.device("meta"):
        network = Layout(EXTRACTOR, ["2048"], feature_extractor_weights_path=as_file({}))  # pyright: ignore[reportArgumentType] - it goes to torch.load, which takes files
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def _misfit(stored: object, layout: Mapping[str, torch.Size]) -> str | None:
    """What of the stored object is not as the network has it; None if all is.

    Counters of seen batches may be absent: the script that made the reference wrote none.
    """
    if not isinstance(stored, dict):
        return f"a {type(stored).__name__} instead of tensors by name"
    for name in layout:
        if name not in stored and not name.endswith(".num_batches_tracked"):
            return f"no {name}"
    for name, tensor in stored.items():
        if name not in layout:
            return f"unexpected {name}"
        if not isinstance(tensor, Tensor) or tensor.shape != layout[name]:
            shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
            return f"{name} is {shape}, expected {tuple(layout[name])}"
    return None


def as_file(tensors: Mapping[str, Tensor]) -> io.BytesIO:
    """The tensors as a file in memory, as `torch.load` reads it."""
    file = io.BytesIO()
    torch.save(dict(tensors), file)
    file.seek(0)
    return file


def load_extractor(weights: Mapping[str, Tensor], device: str) -> nn.Module:
    """torch-fidelity's Inception network with these weights, giving what every score needs."""
    from torch_fidelity import FeatureExtractorInceptionV3 as Inception
    from torch_fidelity.utils import create_feature_extractor

    layers = [Inception.get_default_feature_layer_for_metric(m) for m in ("fid", "isc")]
    # `cuda` would mean the current GPU and is True unless said otherwise: moved by name instead.
    with torch.random.fork_rng(devices=[]):
        extractor = create_feature_extractor(
            EXTRACTOR,
            layers,
            **options(cuda=False, feature_extractor_weights_path=as_file(weights), verbose=False),
        )
    return extractor.to(device)


def layer(extractor: nn.Module, metric: str) -> str:
    """Name of the layer that the metric ("fid", "isc") is taken from."""
    return extractor.get_default_feature_layer_for_metric(metric)  # pyright: ignore[reportCallIssue] - a method of torch-fidelity's


@torch.no_grad()
def features(
    extractor: nn.Module, images: Tensor | Dataset[Tensor], device: str, workers: int = 0
) -> Iterator[dict[str, Tensor]]:
    """The extractor's layers by name, each [n, d] on the CPU, for one batch after the other.

    `images` are uint8, [N, 3, H, H] or a Dataset of [3, H, H]; `workers` processes read a Dataset.
    """
    batches = (
        images.split(BATCH_SIZE)
        if isinstance(images, Tensor)
        else DataLoader(images, batch_size=BATCH_SIZE, num_workers=workers)
    )
    for batch in batches:
        check()
        layers = extractor(batch.to(device))
        by_name: dict[str, Tensor] = extractor.convert_features_tuple_to_dict(layers)  # pyright: ignore[reportCallIssue] - a method of torch-fidelity's
        yield {name: layer.cpu() for name, layer in by_name.items()}


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Float32 without TF32 or autocast, deterministic convolutions, and the global RNG kept.

    The scores of a run are then the same whatever precision it trains in, and taking them leaves
    no trace in it.
    """
    cudnn = torch.backends.cudnn
    choice = cudnn.deterministic, cudnn.benchmark
    with (
        torch.random.fork_rng(devices=[]),
        torch.autocast(torch.device(device).type, enabled=False),
        without_tf32(),
    ):
        try:
            cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = choice
