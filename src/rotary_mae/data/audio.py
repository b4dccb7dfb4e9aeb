"""Sound to tokens, a patch of its log-mel spectrogram a token, and spectrograms back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rotary_mae.data.audio_io import Wave, count_resampled, is_file, read_wave
from rotary_mae.data.indexing import check_one_per_sample, sample_indices
from rotary_mae.data.labels import as_labels
from rotary_mae.data.log_mel import N_MELS, SAMPLE_RATE, count_frames, count_samples, log_mel
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
    """A token a patch of the log-mel spectrogram (``log_mel.log_mel``; paper, T3), in order of time, then of mel.

    Clips of unequal length have unequal numbers of tokens. At the end of a clip silence is added until the last
    patch is whole.

    Args:
        waves: (n, samples), or a list of any mixture of (samples,) arrays of any lengths, paths of files, and
            the bytes of files. Floats lie between -1 and 1; whole numbers are divided by what their type holds.
        sample_rate: of the arrays, in Hz; files know their own. All are resampled to 16 kHz. Channels of files
            are averaged; arrays have one channel.
        patch: (frames of 10 ms, mel bands out of 128). Positions are patch indices on the axes (time, mel).
        targets: (n,) or (n, k). ids: (n,); 0..n-1 if None.

    Raises:
        ValueError: no clips, a clip that has no samples, several axes or NaN, a file that cannot be read, a
            patch that does not divide the 128 bands. ImportError: files without soundfile (extra ``audio``).
    """
    p_time, _ = _check(waves, sample_rate, patch)
    spectrograms = []
    for i, wave in enumerate(waves):
        samples = read_wave(wave, sample_rate, f"clip {i}")
        n_frames = _whole(count_frames(len(samples)), p_time)
        spectrograms.append(log_mel(np.pad(samples, (0, count_samples(n_frames) - len(samples)))))
    return from_spectrograms(spectrograms, patch, targets, ids)


def from_spectrograms(
    spectrograms: Sequence[npt.NDArray[np.float32]],
    patch: tuple[int, int],
    targets: npt.ArrayLike | None = None,
    ids: npt.ArrayLike | None = None,
) -> TokenSet:
    """Tokens of (frames, bands) arrays that whole patches fill."""
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
    )


def spectrograms_from_tokens(tokens: TokenSet) -> list[npt.NDArray[np.float32]]:
    """The log-mel spectrograms (frames, 128) behind patches of sound, with the silence that filled the last one.

    Raises ValueError for other tokens, and if patches are missing.
    """
    if tokens.axes != ("time", "mel") or tokens.schema.patch is None:
        raise ValueError(f"these tokens are no patches of sound; expected tokens from from_audio, got {tokens!r}")
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
    """Sound kept as it is, on disk or in memory, and made into patches when asked for: a Source.

    Args:
        waves: any sequence of what ``from_audio`` takes.
        sample_rate, patch: see ``from_audio``.
        targets: (n,), (n, k) or None. ids: (n,); 0..n-1 if None.

    ``lengths`` (B,) are the tokens of each clip. Every epoch reads, resamples and transforms anew: ``source[:]``
    does it once into memory, ``write_cache`` onto the disk.
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
        self.targets = None if targets is None else as_labels(targets)
        self.ids = np.arange(len(waves)) if ids is None else np.asarray(ids)
        check_one_per_sample(len(waves), ids=self.ids, targets=self.targets)
        self._schema = self[:1].schema

    @property
    def schema(self) -> Schema:
        """What the values of a patch mean."""
        return self._schema

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(B,) tokens of each clip, without decoding any."""
        p_time, p_mel = self.patch
        n_frames = [count_frames(count_resampled(wave, self.sample_rate)) for wave in self.waves]
        return np.array([_whole(n, p_time) // p_time * (N_MELS // p_mel) for n in n_frames])

    @property
    def shape(self) -> tuple[int]:
        """(B,): lets scikit-learn's splitters index samples."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.waves)

    def __getitem__(self, index: Any) -> TokenSet:
        chosen = sample_indices(index, len(self))
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


def _whole(n_frames: int, p_time: int) -> int:
    """``n_frames`` and as many more as make the last patch whole."""
    return -(-n_frames // p_time) * p_time
