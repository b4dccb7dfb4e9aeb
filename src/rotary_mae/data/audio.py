"""Audio to tokens, a patch of the log-mel spectrogram a token, and back to spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rotary_mae.data.audio_io import Wave, count_resampled, is_file, read_wave
from rotary_mae.data.indexing import sample_indices
from rotary_mae.data.log_mel import N_MELS, SAMPLE_RATE, count_frames, count_samples, log_mel
from rotary_mae.data.sample_values import per_sample, sample_ids
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet


def from_audio(
    waves: npt.NDArray[Any] | Sequence[Wave],
    sample_rate: int = SAMPLE_RATE,
    *,
    patch: tuple[int, int] = (16, 16),
    targets: npt.ArrayLike | None = None,
    ids: npt.ArrayLike | None = None,
) -> TokenSet:
    """Make tokens of audio clips, a patch of the log-mel spectrogram a token.

    Patches are in order of time, then of mel. A longer clip has more tokens. Silence is appended until the last patch
    of a clip is whole. The spectrogram is the one of SSAST and AST (paper, T3).

    Parameters
    ----------
    waves : array of shape (n, samples), or list of arrays of shape (samples,), paths, and bytes of files
        Clips of one channel; the channels of files are averaged. Floats lie between -1 and 1; whole numbers are divided
        by the largest value of their type.
    sample_rate : int, default 16_000
        Samples a second of the arrays, in Hz; files contain their own. All clips are resampled to 16 kHz.
    patch : (frames, bands), default (16, 16)
        Size of a patch in frames of 10 ms and in mel bands, of 128. Positions are patch indices.
    targets : array of shape (n,) or (n, k), optional
        Labels or numbers; or numbers, several a clip.
    ids : array of shape (n,), optional
        Names of the clips; 0..n-1 if None.

    Returns
    -------
    TokenSet
        Axes (time, mel).

    Raises
    ------
    ValueError
        If there are no clips, a clip has no samples, several axes or NaN, a file cannot be read, or the patch does not
        divide the 128 bands.
    ImportError
        If files are given and soundfile is not installed (extra ``audio``).

    Examples
    --------
    >>> import numpy as np, rotary_mae as rm
    >>> tokens = rm.from_audio(np.zeros((2, 16_000)), sample_rate=16_000)
    >>> tokens.lengths.tolist()
    [56, 56]
    """
    p_time, _ = _check(waves, sample_rate, patch)
    spectrograms = []
    for i, wave in enumerate(waves):
        samples = read_wave(wave, sample_rate, f"clip {i}")
        n_frames = _fill_patch(count_frames(len(samples)), p_time)
        spectrograms.append(log_mel(np.pad(samples, (0, count_samples(n_frames) - len(samples)))))
    return from_spectrograms(spectrograms, patch, targets, ids)


def from_spectrograms(
    spectrograms: Sequence[npt.NDArray[np.float32]],
    patch: tuple[int, int],
    targets: npt.ArrayLike | None = None,
    ids: npt.ArrayLike | None = None,
) -> TokenSet:
    """Make tokens of spectrograms (frames, bands) that whole patches fill."""
    p_time, p_mel = patch
    values, positions = [], []
    for spectrogram in spectrograms:
        grid = (spectrogram.shape[0] // p_time, spectrogram.shape[1] // p_mel)
        cut = spectrogram.reshape(grid[0], p_time, grid[1], p_mel).transpose(0, 2, 1, 3)
        values.append(cut.reshape(-1, p_time * p_mel))
        positions.append(np.indices(grid).reshape(2, -1).T)
    return TokenSet(
        np.concatenate(values),
        np.concatenate(positions),
        np.array([len(part) for part in values]),
        ids=ids,
        targets=targets,
        schema=Schema(("time", "mel"), roles=("value",) * (p_time * p_mel), patch=(1, p_time, p_mel, 1)),
        copy=False,
    )


def spectrograms_from_tokens(tokens: TokenSet) -> list[npt.NDArray[np.float32]]:
    """Put patches together to log-mel spectrograms.

    Parameters
    ----------
    tokens : TokenSet
        Tokens of ``from_audio``.

    Returns
    -------
    list of arrays of shape (frames, 128)
        The spectrograms, with the silence that filled the last patch.

    Raises
    ------
    ValueError
        If the tokens are no patches of audio, or patches are missing.
    """
    if tokens.axes != ("time", "mel") or tokens.schema.patch is None:
        raise ValueError(f"these tokens are no patches of audio; expected tokens from from_audio, got {tokens!r}")
    _, p_time, p_mel, _ = tokens.schema.patch
    n_bands = N_MELS // p_mel
    order = np.lexsort((tokens.positions[:, 1], tokens.positions[:, 0], tokens.sample_idx))
    found = []
    for start, length in zip(tokens.starts, tokens.lengths, strict=True):
        chosen = order[start : start + length]
        grid = np.indices((length // n_bands, n_bands)).reshape(2, -1).T
        if length % n_bands or (tokens.positions[chosen] != grid).any():
            raise ValueError(f"every clip needs all its patches, {n_bands} for each stretch of time; some are missing")
        cut = tokens.values[chosen].reshape(-1, n_bands, p_time, p_mel).transpose(0, 2, 1, 3)
        found.append(cut.reshape(-1, N_MELS))
    return found


class LazyAudio:
    """Audio clips that are read and cut into patches when they are indexed: a Source.

    Every epoch reads, resamples and transforms the clips anew. ``source[:]`` does so once into memory, ``write_cache``
    once onto the disk.

    Parameters
    ----------
    waves : array, or sequence of arrays, paths and bytes
        Clips as in ``from_audio``.
    sample_rate : int, default 16_000
        Samples a second of the arrays, in Hz.
    patch : (frames, bands), default (16, 16)
        Size of a patch.
    targets : array of shape (n,) or (n, k), optional
        Labels or numbers; or numbers, several a clip.
    ids : array of shape (n,), optional
        Names of the clips; 0..n-1 if None.

    Attributes
    ----------
    schema : Schema
        Meaning of the columns.
    ids, targets : array
        Names and labels (or None) of the clips.
    is_on_disk : bool
        Always False.

    Raises
    ------
    ValueError, ImportError
        As for ``from_audio``.
    """

    is_on_disk: ClassVar[bool] = False

    def __init__(
        self,
        waves: npt.NDArray[Any] | Sequence[Wave],
        sample_rate: int = SAMPLE_RATE,
        *,
        patch: tuple[int, int] = (16, 16),
        targets: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
    ) -> None:
        _check(waves, sample_rate, patch)
        self.waves, self.sample_rate, self.patch = waves, sample_rate, patch
        n = len(waves)
        self.ids = np.arange(n) if ids is None else sample_ids(ids, n)
        names = None if ids is None else self.ids
        self.targets = None if targets is None else per_sample(targets, n, "targets", names, max_ndim=2)
        self.schema = self[:1].schema

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number (B,) of tokens of each clip, found without decoding the clips."""
        p_time, p_mel = self.patch
        n_frames = [count_frames(count_resampled(wave, self.sample_rate)) for wave in self.waves]
        return np.array([_fill_patch(n, p_time) // p_time * (N_MELS // p_mel) for n in n_frames])

    @property
    def shape(self) -> tuple[int]:
        """(B,); scikit-learn's splitters index samples by it."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.waves)

    def __getitem__(self, index: Any) -> TokenSet:
        chosen = sample_indices(index, len(self), self.ids)
        return from_audio(
            [self.waves[i] for i in chosen.tolist()],
            self.sample_rate,
            patch=self.patch,
            targets=None if self.targets is None else self.targets[chosen],
            ids=self.ids[chosen],
        )


def _check(waves: Any, sample_rate: int, patch: tuple[int, int]) -> tuple[int, int]:
    if len(waves) == 0:
        raise ValueError("there are no clips; expected at least one")
    if is_file(waves) or (np.ndim(waves[0]) == 0 and not is_file(waves[0])):
        raise ValueError("expected (n, samples), or a list of waves or files, got a single one; put it into a list")
    if np.ndim(sample_rate) or sample_rate < 1 or int(sample_rate) != sample_rate:
        raise ValueError(f"sample_rate must be a whole number of Hz, got {sample_rate}; it is one for all clips")
    if len(patch) != 2 or min(patch) < 1 or N_MELS % patch[1]:
        raise ValueError(f"patch must be (frames, bands) with bands that divide {N_MELS}, got {patch}")
    return patch


def _fill_patch(n_frames: int, p_time: int) -> int:
    """The smallest number of frames, at least ``n_frames``, that whole patches fill."""
    return -(-n_frames // p_time) * p_time
