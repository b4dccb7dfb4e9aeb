"""Photographs of Tiny ImageNet in the size that is asked for, varied in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import rotary_mae as rm
from rotary_mae.datasets.tiny_imagenet import load_tiny_imagenet

Pixels = npt.NDArray[np.uint8]
MARGIN = 1 / 8
"""Share of a side that a crop of a varied picture may lack."""


class Pictures:
    """(n_views * n, size, size, 3) uint8 of square pictures (n, side, side, 3), made when indexed.

    View 0 is the pictures as they are; those of other views are cropped and, half of them, mirrored, in a way that
    follows from the seed and their place.
    """

    def __init__(self, pictures: Pixels, size: int, n_views: int = 1, seed: int = 0) -> None:
        self.pictures, self.size, self.n_views, self.seed = pictures, size, n_views, seed

    def __len__(self) -> int:
        return len(self.pictures) * self.n_views

    def __getitem__(self, index: Any) -> Pixels:
        return np.stack([self._one(i) for i in np.arange(len(self))[index].tolist()])

    def _one(self, i: int) -> Pixels:
        view, which = divmod(i, len(self.pictures))
        picture, side = self.pictures[which], self.pictures.shape[1]
        box = (0.0, 0.0, float(side), float(side))
        if view:
            rng = np.random.default_rng((self.seed, view, which))
            kept = side * (1 - MARGIN * rng.random())
            left, top = rng.uniform(0, side - kept, 2)
            box = (left, top, left + kept, top + kept)
            picture = picture[:, ::-1] if rng.random() < 0.5 else picture
        if box[2] - box[0] == self.size:
            return picture
        resized = Image.fromarray(picture).resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        return np.asarray(resized)


def split(
    name: str, n_classes: int, n_per_class: int | None, size: int, patch: int, n_views: int = 1, seed: int = 0
) -> rm.LazyImages:
    """Pictures of a split ("train" or "val"), with WordNet ids as targets, one for each view."""
    loaded = load_tiny_imagenet(name, n_classes=n_classes, n_per_class=n_per_class)
    pictures = Pictures(loaded.images[np.arange(len(loaded))], size, n_views, seed)
    return rm.LazyImages(pictures, (patch, patch), targets=np.tile(np.asarray(loaded.targets), n_views))
