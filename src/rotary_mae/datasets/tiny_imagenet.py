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
    """Tiny ImageNet (Le and Yang 2015), 64 x 64 pixels in colour, decoded when asked for.

    split: "train" (500 a class) or "val" (50 a class; the labels of the test part are not public). n_classes: the
    first so many of 200, in the order of their file; None: all that are there. n_per_class: the first so many of
    each. ids: file names; targets: WordNet ids of the classes (``class_names`` has their words).
    Raises FileNotFoundError when the archive is neither here nor to be had (see ``download.fetch``), ImportError
    without pillow (extra ``images``).
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
    """One split of an archive in the original layout; see ``load_tiny_imagenet``."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    names = zip_names(archive)
    classes = _lines(archive, names, "wnids.txt")
    for what, asked, there in (("n_classes", n_classes, len(classes)), ("n_per_class", n_per_class, None)):
        if asked is not None and (asked < 1 or (there is not None and asked > there)):
            raise ValueError(f"{what} must be at least 1{f' and at most {there}' if there else ''}, got {asked}")
    labels = _train_labels(names) if split == "train" else _validation_labels(archive, names)
    wanted = dict.fromkeys(classes[:n_classes], 0)
    chosen = []
    for name, label in labels.items():
        if label in wanted and (n_per_class is None or wanted[label] < n_per_class):
            wanted[label] += 1
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
    """WordNet id -> words, as "goldfish, Carassius auratus"."""
    archive = fetch(ARCHIVE) if archive is None else archive
    lines = _lines(archive, zip_names(archive), "words.txt")
    return {wnid: words for wnid, _, words in (line.partition("\t") for line in lines)}


class DecodedImages:
    """Pictures (n, height, width, 3) uint8 of one size behind files, decoded when indexed; grey ones get colours."""

    def __init__(self, files: ZippedFiles) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> npt.NDArray[np.uint8]:
        try:
            from PIL import Image
        except ImportError as error:
            raise ImportError("pictures are decoded with pillow: pip install 'rotary-mae[images]'") from error
        chosen = np.arange(len(self))[index]
        return np.stack([np.asarray(Image.open(io.BytesIO(self.files[i])).convert("RGB")) for i in chosen.tolist()])


def _lines(archive: Path, names: list[str], ending: str) -> list[str]:
    text = ZippedFiles(archive, [one_name(names, ending, archive)])[0].decode()
    return [line for line in text.splitlines() if line.strip()]


def _train_labels(names: list[str]) -> dict[str, str]:
    """File -> class, from .../train/<class>/images/<file>."""
    parts = {name: name.split("/") for name in names if name.endswith(".JPEG")}
    return {name: path[-3] for name, path in parts.items() if path[-4:-3] == ["train"] and path[-2] == "images"}


def _validation_labels(archive: Path, names: list[str]) -> dict[str, str]:
    """File -> class, from the first two columns of val_annotations.txt."""
    listing = one_name(names, "val/val_annotations.txt", archive)
    folder = listing.removesuffix("val_annotations.txt") + "images/"
    rows = [line.split("\t") for line in _lines(archive, names, "val/val_annotations.txt")]
    there = set(names)
    return {folder + row[0]: row[1] for row in rows if folder + row[0] in there}
