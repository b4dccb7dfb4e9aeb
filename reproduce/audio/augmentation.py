"""Augmented versions of audio clips: another speed, another start, and another clip of the class mixed in."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

import rotary_mae as rm

Array = npt.NDArray[Any]

# neither is tuned
MAX_SPEED = 1.15
MIN_MIXING_GAIN = 0.1


def clip_versions(
    clips: rm.LazyAudio, n_views: int, seed: tuple[int, ...], n: int | None = None, mixing: float = 0.5
) -> rm.TokenSet:
    """Return augmented versions of audio clips, in memory.

    A version is played up to 15 % faster or slower and starts at a random place (the clip is repeated in a circle).
    With probability ``mixing`` another of ``clips`` of the same class is added, at the same or a lower volume. A
    version depends on the seed and the index of the clip alone.

    Parameters
    ----------
    clips : LazyAudio
        Clips of one sample rate, with classes as targets.
    n_views : int
        Number of versions; version 0 is the clips without augmentation.
    seed : tuple of int
        Seed of the versions.
    n : int, optional
        Use the first ``n`` clips alone.
    mixing : float
        Probability that another clip is mixed in.

    Returns
    -------
    TokenSet
        (n_views * n) samples: all clips in version 0, then all in version 1, and so on.

    Raises
    ------
    ValueError
        If the clips have different sample rates.
    """
    originals = clips[:n]
    labels = np.asarray(originals.targets)
    decoded = [_decode(wave, clips.sample_rate) for wave in clips.waves[:n]]
    if len(rates := {rate for _, rate in decoded}) > 1:
        raise ValueError(f"clips must have one sample rate to be mixed, got {sorted(rates)}")
    waves, rate = [samples for samples, _ in decoded], rates.pop()
    versions = [originals]
    for view in range(1, n_views):
        rng = np.random.default_rng((*seed, view))
        augmented = [_augmented(waves, labels, i, rng, mixing) for i in range(len(waves))]
        versions.append(rm.from_audio(augmented, rate, patch=clips.patch, targets=labels, ids=originals.ids))
    return rm.TokenSet.concatenate(versions)


def _decode(wave: Any, sample_rate: int) -> tuple[Array, int]:
    """Mono samples and their rate, from the bytes of a file or an array."""
    if not isinstance(wave, bytes):
        return np.asarray(wave), sample_rate
    samples, rate = soundfile.read(io.BytesIO(wave), always_2d=True)
    return samples.mean(axis=1), int(rate)


def _augmented(waves: list[Array], labels: Array, i: int, rng: np.random.Generator, mixing: float) -> Array:
    wave = _resampled_and_shifted(waves[i], rng)
    if rng.random() < mixing:
        other = _resampled_and_shifted(waves[rng.choice(np.flatnonzero(labels == labels[i]))], rng)
        wave = wave + np.exp(rng.uniform(np.log(MIN_MIXING_GAIN), 0.0)) * np.resize(other, len(wave))
        wave = wave / max(1.0, np.abs(wave).max())
    return wave


def _resampled_and_shifted(wave: Array, rng: np.random.Generator) -> Array:
    """As many samples, faster or slower and from a random start, repeated in a circle."""
    percent = round(100 * np.exp(rng.uniform(-np.log(MAX_SPEED), np.log(MAX_SPEED))))
    resampled = signal.resample_poly(wave, percent, 100)
    return np.resize(np.roll(resampled, rng.integers(len(resampled))), len(wave))
