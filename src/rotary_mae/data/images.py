"""Images and videos to tokens, a patch a token, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from rotary_mae.data.entries import has_masked
from rotary_mae.data.indexing import sample_indices
from rotary_mae.data.sample_values import per_sample, sample_ids
from rotary_mae.data.schema import Schema
from rotary_mae.data.timestamps import as_positions
from rotary_mae.data.tokens import TokenSet

Pixels = npt.NDArray[Any]


def from_images(
    images: npt.ArrayLike | Sequence[Pixels],
    patch: Sequence[int] = (16, 16),
    *,
    times: npt.ArrayLike | None = None,
    targets: npt.ArrayLike | None = None,
    ids: npt.ArrayLike | None = None,
    pad: bool = False,
) -> TokenSet:
    """Make tokens of images or videos, a patch a token.

    Patches are in raster order and their positions are patch indices. A patch is flattened in the order
    (frames, p1, p2, colours), colours fastest.

    Parameters
    ----------
    images : array of shape (n, height, width) or (n, height, width, colours), or list of arrays
        Images. With three patch sizes, or five axes, videos (n, frames, height, width) or (n, frames, height, width,
        colours). uint8 is divided by 255, floats are kept. A list may hold images, or videos, of different sizes.
    patch : (p1, p2) or (frames, p1, p2), default (16, 16)
        Size of a patch of an image or of a video.
    times : array of shape (frames,) or (n, frames), or list of arrays, optional
        Times of video frames, numbers or time stamps. A patch is then at the time of its first frame. Irregular times
        require patches of one frame (paper, Proposition 4.1).
    targets : array of shape (n,) or (n, k), optional
        Labels or numbers; or numbers, several a sample.
    ids : array of shape (n,), optional
        Names of the samples; 0..n-1 if None.
    pad : bool, default False
        Repeat the last frame, row and column until whole patches fit.

    Returns
    -------
    TokenSet
        Axes (row, column), or (time, row, column) for videos.

    Raises
    ------
    ValueError
        If whole patches do not fill an image and ``pad`` is False, or times do not increase, or times are irregular
        with patches of several frames.

    Examples
    --------
    >>> import numpy as np, rotary_mae as rm
    >>> tokens = rm.from_images(np.zeros((2, 32, 48, 3), np.uint8), patch=(16, 16))
    >>> tokens.lengths.tolist(), tokens.values.shape
    ([6, 6], (12, 768))
    """
    if has_masked(images):
        raise ValueError("images have masked pixels, and a patch needs all of its pixels; fill them, or cut the images")
    # numpy converts images of several types to one type, and bytes would no longer be divided by 255
    if isinstance(images, list | tuple) and len({(np.shape(i), np.asarray(i).dtype == np.uint8) for i in images}) > 1:
        return _from_sizes(images, patch, times, targets, ids, pad)
    frames, sizes, is_video = _frames(np.asarray(images), _patch_sizes(patch))
    if times is not None and not is_video:
        raise ValueError("times are of video frames; got images, whose positions are patch indices")
    n, n_frames = frames.shape[:2]
    frames = _fitted(frames, sizes, pad)
    values = _flatten(frames, sizes)
    grid = (frames.shape[1] // sizes[0], frames.shape[2] // sizes[1], frames.shape[3] // sizes[2])
    positions = np.broadcast_to(np.indices(grid).reshape(3, -1).T, (n, np.prod(grid), 3)).astype(np.float64)
    kind = None
    if times is not None:
        frame_times, kind = as_positions(times, "times")
        starts = _patch_times(frame_times, n, n_frames, sizes[0])
        positions[..., 0] = np.repeat(starts, grid[1] * grid[2], axis=1)
    axes = ("time", "row", "column") if is_video else ("row", "column")
    return TokenSet(
        values.reshape(-1, values.shape[-1]),
        positions[..., -len(axes) :].reshape(-1, len(axes)),
        np.full(n, values.shape[1]),
        ids=ids,
        targets=targets,
        schema=Schema(axes, roles=("value",) * values.shape[-1], times=kind, patch=(*sizes, frames.shape[-1])),
        copy=False,
    )


class Images(Protocol):
    """Images of one size: an array in memory or on disk, or an object that decodes the indexed ones."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Pixels: ...


class LazyImages:
    """Images that are cut into patches when they are indexed: a Source.

    Parameters
    ----------
    images : array, or object with a length and indexing
        Images of one size as in ``from_images``. An array may be memory-mapped and stays uint8. An object returns such
        an array for an array of indices.
    patch : (p1, p2) or (frames, p1, p2), default (16, 16)
        Size of a patch.
    times : array of shape (frames,) or (n, frames), optional
        Times of video frames.
    targets : array of shape (n,) or (n, k), optional
        Labels or numbers; or numbers, several a sample.
    ids : array of shape (n,), optional
        Names of the samples; 0..n-1 if None.
    pad : bool, default False
        Repeat the last frame, row and column until whole patches fit.

    Attributes
    ----------
    schema : Schema
        Meaning of the columns.
    ids, targets, lengths : array
        Names, labels (or None) and numbers of tokens of the samples.
    is_on_disk : bool
        Always False.

    Raises
    ------
    ValueError
        As for ``from_images``, and for images of several sizes.
    """

    is_on_disk: ClassVar[bool] = False

    def __init__(
        self,
        images: Images,
        patch: Sequence[int] = (16, 16),
        *,
        times: npt.ArrayLike | None = None,
        targets: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        pad: bool = False,
    ) -> None:
        self.images, self.patch, self.pad = images, _patch_sizes(patch), pad
        self.times = None if times is None else np.array(times)
        n = len(images)
        self.ids = np.arange(n) if ids is None else sample_ids(ids, n)
        names = None if ids is None else self.ids
        self.targets = None if targets is None else per_sample(targets, n, "targets", names, max_ndim=2)
        if isinstance(images, list | tuple) and len({np.shape(image) for image in images}) > 1:
            raise ValueError("LazyImages needs images of one size; give images of several sizes to from_images")
        first = self[:1]
        self.schema = first.schema
        self.lengths = np.full(len(images), first.lengths[0])

    @property
    def shape(self) -> tuple[int]:
        """(B,); scikit-learn's splitters index samples by it."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> TokenSet:
        chosen = sample_indices(index, len(self), self.ids)
        if not chosen.size and len(self):
            return self[[0]][:0]
        images = self.images
        return from_images(
            [images[i] for i in chosen.tolist()] if isinstance(images, list | tuple) else images[chosen],
            self.patch,
            times=self.times if self.times is None or self.times.ndim == 1 else self.times[chosen],
            targets=None if self.targets is None else self.targets[chosen],
            ids=self.ids[chosen],
            pad=self.pad,
        )


def images_from_tokens(tokens: TokenSet, size: tuple[int, int] | None = None) -> npt.NDArray[np.float32]:
    """Put patches together to images or videos.

    Parameters
    ----------
    tokens : TokenSet
        Tokens of ``from_images``, of images of one size.
    size : (height, width), optional
        Size to crop to, for images that were padded.

    Returns
    -------
    array of shape (n, height, width, colours) or (n, frames, height, width, colours)
        The images or videos.

    Raises
    ------
    ValueError
        If the tokens are no patches of images, or patches are missing.
    """
    if tokens.schema.patch is None or "mel" in tokens.axes:
        raise ValueError(f"these tokens are no patches of images; expected tokens from from_images, got {tokens!r}")
    *sizes, colours = tokens.schema.patch
    n, n_rows, n_columns = len(tokens), *(int(p.max()) + 1 for p in tokens.positions[:, -2:].T)
    n_patches = int(tokens.lengths[0])
    if (tokens.lengths != n_patches).any() or n_patches % (n_rows * n_columns):
        raise ValueError(
            f"every image needs the same whole grid of {n_rows} x {n_columns} patches, got between "
            f"{tokens.lengths.min()} and {tokens.lengths.max()} patches; take images of different sizes one by one"
        )
    order = np.lexsort((*tokens.positions.T[::-1], tokens.sample_idx))
    grid = (n, n_patches // (n_rows * n_columns), n_rows, n_columns)
    places = tokens.positions[order].reshape(*grid, -1)
    is_whole = (places[..., -2:] == np.moveaxis(np.indices(grid[2:]), 0, -1)).all()
    if not is_whole or (places[..., :-2] != places[:, :, :1, :1, :-2]).any():
        raise ValueError("every image needs each of its patches once; some are missing, or twice there")
    patches = tokens.values[order].reshape(*grid, *sizes, colours)
    frames = patches.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(
        n, grid[1] * sizes[0], n_rows * sizes[1], n_columns * sizes[2], colours
    )
    if size is not None:
        frames = frames[:, :, : size[0], : size[1]]
    return frames if "time" in tokens.axes else frames[:, 0]


def _from_sizes(
    images: Sequence[Pixels], patch: Sequence[int], times: Any, targets: Any, ids: Any, pad: bool
) -> TokenSet:
    """Tokens of images of different sizes, one by one."""
    own_times = [None] * len(images) if times is None else times
    if len(own_times) != len(images):
        raise ValueError(
            f"times must be given for each of {len(images)} videos of different sizes, got {len(own_times)}"
        )
    parts: list[TokenSet] = []
    for i, (image, image_times) in enumerate(zip(images, own_times, strict=True)):
        part = from_images(np.asarray(image)[None], patch, times=image_times, pad=pad)
        if part.schema != (parts or [part])[0].schema:
            raise ValueError(
                f"images of a list must be alike but for their size, got shapes {np.shape(images[0])} for image 0 and "
                f"{np.shape(image)} for image {i}; bring them to the same colours and axes"
            )
        parts.append(part)
    whole = TokenSet.concatenate(parts)
    return TokenSet(
        whole.values, whole.positions, whole.lengths, ids=ids, targets=targets, schema=whole.schema, copy=False
    )


def _patch_sizes(patch: Any) -> tuple[int, ...]:
    sizes = (patch,) if np.ndim(patch) == 0 else tuple(patch)
    if len(sizes) not in (2, 3) or min(sizes) < 1:
        raise ValueError(f"patch must be (p1, p2), or (frames, p1, p2) for video, all at least 1; got {patch}")
    return sizes


def _frames(images: Pixels, patch: tuple[int, ...]) -> tuple[Pixels, tuple[int, int, int], bool]:
    """Images as (n, frames, height, width, colours), patch sizes (frames, height, width), and True for videos."""
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise ValueError(f"images must be uint8 or floats, got {images.dtype}; convert them first")
    if 0 in images.shape:
        raise ValueError(f"images must not be empty, got shape {images.shape}")
    is_video = images.ndim == 5 or len(patch) == 3
    shape = images.shape
    if is_video and images.ndim in (4, 5):
        frames = images if images.ndim == 5 else images[..., None]
    elif not is_video and images.ndim in (3, 4):
        frames = images.reshape(shape[0], 1, *shape[1:3], -1)
    else:
        raise ValueError(
            "images must be (n, height, width[, colours]), videos (n, frames, height, width[, colours]), got "
            f"{shape} with patch {patch}"
        )
    return frames, (patch[-3] if len(patch) == 3 else 1, patch[-2], patch[-1]), is_video


def _fitted(frames: Pixels, sizes: tuple[int, int, int], pad: bool) -> Pixels:
    """Frames that whole patches fill, padded by repeating the edge if ``pad``."""
    given = frames.shape[1:4]
    missing = [-length % p for length, p in zip(given, sizes, strict=True)]
    if not any(missing):
        return frames
    if pad:
        return np.pad(frames, [(0, 0), *((0, m) for m in missing), (0, 0)], mode="edge")
    nearest = tuple(max(p, round(length / p) * p) for length, p in zip(given, sizes, strict=True))
    raise ValueError(
        f"(frames, height, width) {given} cannot be cut into patches {sizes}; the nearest size that can is "
        f"{nearest}: resize, give pad=True, or choose another patch. Images are (n, height, width[, colours]), with "
        "the colours last"
    )


def _flatten(frames: Pixels, sizes: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """Patches (n, patches, values of a patch) in raster order."""
    n, f, h, w, colours = frames.shape
    pt, p1, p2 = sizes
    cut = frames.reshape(n, f // pt, pt, h // p1, p1, w // p2, p2, colours).transpose(0, 1, 3, 5, 2, 4, 6, 7)
    values = cut.reshape(n, -1, pt * p1 * p2 * colours).astype(np.float32)
    if frames.dtype == np.uint8:
        values /= 255
    return values


def _patch_times(times: npt.NDArray[np.float64], n: int, n_frames: int, frames_per_patch: int) -> Any:
    """Time of the first frame of each patch, (n, patches along time)."""
    if times.shape not in ((n_frames,), (n, n_frames)):
        raise ValueError(f"times must be ({n_frames},) or ({n}, {n_frames}), one a frame, got {times.shape}")
    gaps = np.diff(times)
    if not (np.isfinite(times).all() and (gaps > 0).all()):
        raise ValueError("times of frames must be finite and increase; sort the frames by time first")
    if frames_per_patch > 1 and gaps.size and not np.allclose(gaps, gaps.flat[0], rtol=1e-6):
        raise ValueError(
            f"frames at irregular times need patches of one frame, got {frames_per_patch} frames a patch: "
            f"inside a patch all frames share one position; use patch=(1, p1, p2)"
        )
    return np.broadcast_to(times, (n, n_frames))[:, ::frames_per_patch]
