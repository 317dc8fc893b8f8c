"""Your own pictures as a data set: its name, how they are read, what identifies them.

Standard library only. A set is named `images<resolution>-<hash8>` after its content, so that two
folders never pass for one data set, and one folder under two paths is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What is typed for --dataset; the stored name says which pictures.
IMAGES = "images"
RESOLUTIONS = (32, 64, 128)
# A picture is held out, or not, by its own hash.
HELD_OUT_SHARE = 0.1
# A set of up to so many bytes lives on a GPU: 700,000 pictures at 32 pixels.
RESIDENT_BYTES = 2**31
_NAME = re.compile(rf"{IMAGES}({'|'.join(map(str, RESOLUTIONS))})(-[0-9a-f]{{8}})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How pictures of any kind become squares: centre crop, or with `fit` whole on `background`.

    What is transparent shows `background`, a colour by name or as #rrggbb. Damaged pictures are
    refused, or with `skip_damaged` left out.
    """

    fit: bool = False
    background: str = "white"
    skip_damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnImages:
    """Identity of a set of pictures: `sha256` of all that is trained on and held out, and how
    many `images` there are to train on. `classes` is None without --conditional."""

    resolution: int
    sha256: str
    images: int
    classes: int | None = None

    @property
    def name(self) -> str:
        return f"{IMAGES}{self.resolution}-{self.sha256[:8]}"

    @property
    def fields(self) -> Mapping[str, Any]:
        """Fields of TrialConfig beside the data set's name."""
        return {
            "data_sha256": self.sha256,
            "data_images": self.images,
            "data_classes": self.classes,
        }


def own_resolution(dataset: str) -> int | None:
    """The resolution of a data set of own pictures, by its name; None for any other."""
    match = _NAME.fullmatch(dataset)
    return None if match is None else int(match[1])


def recipe_name(dataset: str) -> str:
    """The name under which profiles have the data set's recipe: without the content's hash."""
    resolution = own_resolution(dataset)
    return dataset if resolution is None else f"{IMAGES}{resolution}"
