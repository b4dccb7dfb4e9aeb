"""Training clips heard in other ways: faster or slower, later, and together with another of their class."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

import rotary_mae as rm

Array = npt.NDArray[Any]

FASTEST = 1.15
QUIETEST = 0.1


def heard(
    clips: rm.LazyAudio, n_views: int, seed: tuple[int, ...], n: int | None = None, mixing: float = 0.5
) -> rm.TokenSet:
    """``n_views`` versions of the first ``n`` clips in memory: all as they are, then all in version 1, and so on.

    Other versions are played up to 15 % faster or slower, begin elsewhere (and go round), and with probability
    ``mixing`` have another of ``clips`` under them, of the same class and no louder. What is heard follows from the
    seed and a clip's place.
    """
    as_they_are = clips[:n]
    labels = np.asarray(as_they_are.targets)
    read = [_read(wave, clips.sample_rate) for wave in clips.waves[:n]]
    if len(rates := {rate for _, rate in read}) > 1:
        raise ValueError(f"clips must have one sample rate to be mixed, got {sorted(rates)}")
    waves, rate = [samples for samples, _ in read], rates.pop()
    everything = [as_they_are]
    for view in range(1, n_views):
        rng = np.random.default_rng((*seed, view))
        made = [_varied(waves, labels, i, rng, mixing) for i in range(len(waves))]
        everything.append(rm.from_audio(made, rate, patch=clips.patch, targets=labels, ids=as_they_are.ids))
    return rm.TokenSet.concatenate(everything)


def _read(wave: Any, sample_rate: int) -> tuple[Array, int]:
    """Samples of one channel and their rate, of the bytes of a file or of an array."""
    if not isinstance(wave, bytes):
        return np.asarray(wave), sample_rate
    samples, rate = soundfile.read(io.BytesIO(wave), always_2d=True)
    return samples.mean(axis=1), int(rate)


def _varied(waves: list[Array], labels: Array, i: int, rng: np.random.Generator, mixing: float) -> Array:
    wave = _moved(waves[i], rng)
    if rng.random() < mixing:
        other = _moved(waves[rng.choice(np.flatnonzero(labels == labels[i]))], rng)
        wave = wave + np.exp(rng.uniform(np.log(QUIETEST), 0.0)) * np.resize(other, len(wave))
        wave = wave / max(1.0, np.abs(wave).max())
    return wave


def _moved(wave: Array, rng: np.random.Generator) -> Array:
    """As many samples, played faster or slower from a random place on, round and round."""
    per_hundred = round(100 * np.exp(rng.uniform(-np.log(FASTEST), np.log(FASTEST))))
    played = signal.resample_poly(wave, per_hundred, 100)
    return np.resize(np.roll(played, rng.integers(len(played))), len(wave))
