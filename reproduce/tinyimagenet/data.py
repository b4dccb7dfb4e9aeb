"""Photographs of Tiny ImageNet, resized and augmented."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import rotary_mae as rm
from rotary_mae.datasets.tiny_imagenet import load_tiny_imagenet

Pixels = npt.NDArray[np.uint8]
CROP_FRACTION = 1 / 8
"""Largest fraction of a side that a crop removes. Not tuned."""


class AugmentedImages:
    """Array-like (n_views * n, size, size, 3) uint8 of augmented images, computed when indexed.

    Version 0 is the images without augmentation. Other versions are cropped, and half of them are mirrored. A version
    depends on the seed and the index of the image alone.

    Parameters
    ----------
    images : array
        (n, side, side, 3) uint8 square images.
    size : int
        Side of the resized images, in pixels.
    n_views : int
        Number of versions.
    seed : int
        Seed of the versions.
    """

    def __init__(self, images: Pixels, size: int, n_views: int = 1, seed: int = 0) -> None:
        self.images, self.size, self.n_views, self.seed = images, size, n_views, seed

    def __len__(self) -> int:
        return len(self.images) * self.n_views

    def __getitem__(self, index: Any) -> Pixels:
        return np.stack([self._version(i) for i in np.arange(len(self))[index].tolist()])

    def _version(self, i: int) -> Pixels:
        version, which = divmod(i, len(self.images))
        image, side = self.images[which], self.images.shape[1]
        box = (0.0, 0.0, float(side), float(side))
        if version:
            rng = np.random.default_rng((self.seed, version, which))
            kept = side * (1 - CROP_FRACTION * rng.random())
            left, top = rng.uniform(0, side - kept, 2)
            box = (left, top, left + kept, top + kept)
            image = image[:, ::-1] if rng.random() < 0.5 else image
        if box[2] - box[0] == self.size:
            return image
        resized = Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        return np.asarray(resized)


def split(
    name: str, n_classes: int, n_per_class: int | None, size: int, patch: int, n_views: int = 1, seed: int = 0
) -> rm.LazyImages:
    """Return the images of a split as patches.

    Parameters
    ----------
    name : str
        "train" or "val".
    n_classes : int
        Number of classes.
    n_per_class : int or None
        Images of each class; None for all.
    size, patch : int
        Sides of image and patch, in pixels.
    n_views : int
        Number of augmented versions.
    seed : int
        Seed of the versions.

    Returns
    -------
    LazyImages
        (n_views * n) images with WordNet ids as targets.
    """
    loaded = load_tiny_imagenet(name, n_classes=n_classes, n_per_class=n_per_class)
    images = AugmentedImages(loaded.images[np.arange(len(loaded))], size, n_views, seed)
    return rm.LazyImages(images, (patch, patch), targets=np.tile(np.asarray(loaded.targets), n_views))
