"""Tiny ImageNet: small photographs of 200 classes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.images import LazyImages
from rotary_mae.datasets._archives import RemoteFile, ZippedFiles, fetch, one_name, zip_names

SPLITS = ("train", "val")

ARCHIVE = RemoteFile(
    "tiny-imagenet",
    "tiny-imagenet-200.zip",
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    "md5:90528d7ca1a48142e341f4ef8d21d0de",
    repacked=("tiny-imagenet-50x200.zip",),
)


def load_tiny_imagenet(
    split: str = "train",
    *,
    n_classes: int | None = None,
    n_per_class: int | None = None,
    patch: tuple[int, int] = (8, 8),
) -> LazyImages:
    """Open Tiny ImageNet (Le and Yang 2015): colour images of 64 x 64 pixels, decoded when they are indexed.

    Parameters
    ----------
    split : {"train", "val"}, default "train"
        500 images a class, or 50 a class. The labels of the test set are not public.
    n_classes : int, optional
        Number of classes, from the first in the order of their file; None for all.
    n_per_class : int, optional
        Number of images of each class, from the first; None for all.
    patch : (p1, p2), default (8, 8)
        Size of a patch.

    Returns
    -------
    LazyImages
        The images; ids are file names, targets WordNet ids of the classes (``class_names`` has their words).

    Raises
    ------
    FileNotFoundError
        If the archive is neither on this machine nor available from its address.
    ValueError
        If an argument is out of range.
    ImportError
        If pillow is not installed (extra ``images``).
    """
    return read_tiny_imagenet(fetch(ARCHIVE), split, n_classes=n_classes, n_per_class=n_per_class, patch=patch)


def read_tiny_imagenet(
    archive: Path,
    split: str = "train",
    *,
    n_classes: int | None = None,
    n_per_class: int | None = None,
    patch: tuple[int, int] = (8, 8),
) -> LazyImages:
    """Open one split of an archive with the original folders; see ``load_tiny_imagenet``."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    names = zip_names(archive)
    classes = _lines(archive, names, "wnids.txt")
    for name, given, limit in (("n_classes", n_classes, len(classes)), ("n_per_class", n_per_class, None)):
        if given is not None and (given < 1 or (limit is not None and given > limit)):
            raise ValueError(f"{name} must be at least 1{f' and at most {limit}' if limit else ''}, got {given}")
    labels = _train_labels(names) if split == "train" else _validation_labels(archive, names)
    n_chosen = dict.fromkeys(classes[:n_classes], 0)
    chosen = []
    for name, label in labels.items():
        if label in n_chosen and (n_per_class is None or n_chosen[label] < n_per_class):
            n_chosen[label] += 1
            chosen.append(name)
    if not chosen:
        raise ValueError(f"{archive} holds no images of split {split!r}; is it another archive?")
    return LazyImages(
        DecodedImages(ZippedFiles(archive, chosen)),
        patch,
        targets=np.array([labels[name] for name in chosen]),
        ids=np.array([name.rsplit("/", 1)[-1] for name in chosen]),
    )


def class_names(archive: Path | None = None) -> dict[str, str]:
    """Return the words of each class, such as "goldfish, Carassius auratus", by WordNet id."""
    archive = fetch(ARCHIVE) if archive is None else archive
    lines = _lines(archive, zip_names(archive), "words.txt")
    return {wnid: words for wnid, _, words in (line.partition("\t") for line in lines)}


class DecodedImages:
    """Images of one size in files, decoded when they are indexed: (n, height, width, 3) uint8, also for grey ones."""

    def __init__(self, files: ZippedFiles) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> npt.NDArray[np.uint8]:
        try:
            from PIL import Image
        except ImportError as error:
            raise ImportError("images are decoded with pillow: pip install 'rotary-mae[images]'") from error
        chosen = np.arange(len(self))[index]
        return np.stack([np.asarray(Image.open(io.BytesIO(self.files[i])).convert("RGB")) for i in chosen.tolist()])


def _lines(archive: Path, names: list[str], ending: str) -> list[str]:
    text = ZippedFiles(archive, [one_name(names, ending, archive)])[0].decode()
    return [line for line in text.splitlines() if line.strip()]


def _train_labels(names: list[str]) -> dict[str, str]:
    """Class by file, from .../train/<class>/images/<file>."""
    parts = {name: name.split("/") for name in names if name.endswith(".JPEG")}
    return {name: path[-3] for name, path in parts.items() if path[-4:-3] == ["train"] and path[-2] == "images"}


def _validation_labels(archive: Path, names: list[str]) -> dict[str, str]:
    """Class by file, from the first two columns of val_annotations.txt."""
    listing = one_name(names, "val/val_annotations.txt", archive)
    folder = listing.removesuffix("val_annotations.txt") + "images/"
    rows = [line.split("\t") for line in _lines(archive, names, "val/val_annotations.txt")]
    known = set(names)
    return {folder + row[0]: row[1] for row in rows if folder + row[0] in known}
