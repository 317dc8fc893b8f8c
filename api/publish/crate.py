"""Metadata of a published sweep as an RO-Crate 1.1, which repositories such as Zenodo read."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import Any

from api.publish.provenance import Facts
from sweep.store.vocabulary import FINISHED

METADATA = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
MEDIA = {
    ".parquet": "application/vnd.apache.parquet",
    ".md": "text/markdown",
    ".tex": "text/x-tex",
}
PAPER_URL = "https://arxiv.org/abs/1908.10999"
PAPER_TITLE = "Spectral Regularization for Combating Mode Collapse in GANs"
SPDX = "https://spdx.org/licenses/"


def crate(folder: Path, facts: Facts, licence: str | None, trials: int) -> bytes:
    """Describes every file that is in the folder: the root entity, the run and the paper.

    `licence` is an address, or a name that SPDX has; without one the metadata names none.
    """
    files = [
        path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    n_ended = sum(n for status, n in facts.statuses.items() if status in FINISHED)
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Sweep {facts.sweep}: GAN training under spectral regularization",
        "description": f"Results of {trials} training runs, {n_ended} of them ended: scores, "
        "singular values, verdicts on collapse, generated images, and the published table beside "
        "them. index.html opens without a server.",
        "datePublished": facts.published_at,
        "hasPart": [{"@id": name} for name in files],
        "mainEntity": {"@id": "index.html"},
        "citation": {"@id": PAPER_URL},
        "mentions": {"@id": "#sweep"},
    }
    if licence is not None:
        root["license"] = {"@id": licence if "://" in licence else SPDX + licence}
    run = {
        "@id": "#sweep",
        "@type": "CreateAction",
        "name": f"Sweep {facts.sweep}",
        "description": facts.sweep_command or "its command was not recorded",
        "instrument": {"@id": "#srgan-sweep"},
        "result": {"@id": "data/trials.parquet"},
    }
    run |= {"startTime": facts.started_at} if facts.started_at else {}
    run |= {"endTime": facts.updated_at} if facts.updated_at else {}
    entities = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": {"@id": SPECIFICATION},
            "about": {"@id": "./"},
        },
        root,
        run,
        {
            "@id": "#srgan-sweep",
            "@type": "SoftwareApplication",
            "name": "srgan-sweep",
            "version": facts.publisher["srgan-sweep"],
            "identifier": facts.publisher["code"],
        },
        {"@id": PAPER_URL, "@type": "ScholarlyArticle", "name": PAPER_TITLE},
        *(_file(folder, name) for name in files),
    ]
    if licence is not None:
        entities.append({**root["license"], "@type": "CreativeWork", "name": licence})
    content = {"@context": CONTEXT, "@graph": entities}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _file(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    media = MEDIA.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "encodingFormat": media,
        "contentSize": str(path.stat().st_size),
    }
