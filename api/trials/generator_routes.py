"""Routes of a trial's generator: its weights, and images that it has drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.reading import on_demand
from api.reading.snapshot import NotFound, Row, trial_record
from api.trials import grids
from api.web import formats
from api.web.etags import not_modified_or_continue
from api.web.parameters import Now, Serving, known_parameters
from api.web.problems import RESPONSES
from sweep.store.checkpoint_file import (
    GeneratorFile,
    open_generator,
    safetensors_header,
    safetensors_parts,
)
from sweep.store.store import Store, StoreError
from trainer.config.lookup import UsageError

router = APIRouter(tags=["trials"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

Iteration = Annotated[
    int | None, Query(ge=0, description="else the best if it is there, else the last")
]


@router.get(
    "/trials/{trial_id}/generator",
    response_class=Response,
    responses={200: {"content": {formats.BYTES: {}}}},
)
def generator(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    iteration: Iteration = None,
) -> Response:
    """The generator's weights as safetensors, with the trial's configuration in its metadata.

    `python -m trainer.generate FILE --n 10 --out pictures` draws images with it. Of a trial the
    last two checkpoints are kept, and the best before mode collapse.
    """
    record = trial_record(snapshot, trial_id)
    iterations = _stored_iterations(service.store, f"checkpoints/{trial_id}", ".pt")
    at_iteration = _chosen_iteration(record, iterations, iteration, "checkpoint")
    path = f"checkpoints/{trial_id}/{at_iteration}.pt"
    stamp = on_demand.stamp(service.store, path)
    not_modified_or_continue(request, f"{snapshot.id} {stamp}", formats.BYTES)
    with on_demand.explained_failure(path):
        file = service.store.fs.open_input_file(f"{service.store.base}/{path}")
        stored = open_generator(file)
        if (stored.trial_id, stored.iteration) != (trial_id, at_iteration):
            raise ValueError(f"it is of {stored.trial_id} at iteration {stored.iteration}")
    metadata = {
        "format": "pt",
        "trial_id": trial_id,
        "iteration": str(at_iteration),
        "config": record["config"] or "{}",
    }
    header = safetensors_header(stored, metadata)
    size = len(header) + sum(tensor.size for tensor in stored.tensors.values())
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": formats.attachment(f"{trial_id}.{at_iteration}.safetensors"),
    }
    parts = _closing(file, stored, header)
    return StreamingResponse(parts, media_type=formats.BYTES, headers=headers)


def _closing(file: IO[bytes], stored: GeneratorFile, header: bytes) -> Iterator[bytes]:
    with file:
        yield from safetensors_parts(stored, header)


@router.get(
    "/trials/{trial_id}/generate",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
def generate(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    seed: Annotated[int, Query(ge=0, description="which of the images, by chance")] = 0,
    n: Annotated[int, Query(ge=1, description=f"images, at most {grids.IMAGES}")] = 16,
    iteration: Iteration = None,
) -> Response:
    """Some of the 64 images that are stored of an iteration, as one PNG, about as wide as high.

    Nothing is drawn anew here, where no torch is: `/trials/ID/generator` gives the weights, with
    which `python -m trainer.generate` draws any number.
    """
    record = trial_record(snapshot, trial_id)
    if n > grids.IMAGES:
        raise UsageError(
            f"{grids.IMAGES} images are stored of an iteration, and n is {n}: python -m "
            f"trainer.generate draws any number with /trials/{trial_id}/generator"
        )
    iterations = on_demand.sample_iterations(service.store, trial_id)
    at_iteration = _chosen_iteration(record, iterations, iteration, "grid of samples")
    path = on_demand.sample_path(trial_id, at_iteration)
    stamp = on_demand.stamp(service.store, path)
    not_modified_or_continue(request, f"{snapshot.id} {stamp}", "image/png")
    content = on_demand.sample(service.store, trial_id, at_iteration)
    if content is None:
        raise NotFound(f"{trial_id} has no samples at iteration {at_iteration}")
    try:
        picture = grids.cut(grids.decoded(content), grids.chosen_images(n, seed))
    except ValueError as error:
        raise StoreError(f"{path} cannot be cut into images: {error}") from error
    headers = {"Content-Disposition": f'inline; filename="{trial_id}.{at_iteration}.png"'}
    return Response(grids.encoded(picture), media_type="image/png", headers=headers)


def _stored_iterations(store: Store, folder: str, ending: str) -> list[int]:
    """Iterations of the files in a folder, ascending."""
    keys = [file.key for file in store.list(folder) if file.path.endswith(ending)]
    return sorted(int(key) for key in keys if key.isdecimal())


def _chosen_iteration(
    record: Row, iterations: Sequence[int], iteration: int | None, kind: str
) -> int:
    """The iteration asked for, or the best, or the last. Raises NotFound, naming what there is."""
    trial_id = record["trial_id"]
    if not iterations:
        raise NotFound(f"the store has no {kind} of {trial_id}")
    if iteration is None:
        best = record["best_iteration"]
        return best if best in iterations else iterations[-1]
    if iteration not in iterations:
        available = ", ".join(map(str, iterations))
        raise NotFound(f"no {kind} of {trial_id} at iteration {iteration}; there are: {available}")
    return iteration
