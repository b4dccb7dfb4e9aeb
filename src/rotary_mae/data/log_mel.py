"""Log-mel spectrograms as Kaldi computes them, on scipy's short-time Fourier transform."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

SAMPLE_RATE = 16_000
"""Samples a second that the spectrogram is computed at."""

N_MELS = 128

WINDOW = 400
"""Samples of a frame: 25 ms."""

HOP = 160
"""Samples from one frame to the next: 10 ms."""

_N_FFT = 512

_LOWEST_HZ = 20.0

_PRE_EMPHASIS = 0.97

_FLOOR = float(np.finfo(np.float32).eps)

Array = npt.NDArray[np.float64]


def log_mel(wave: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(frames, 128) log-mel energies of ``wave`` (samples,), 16 kHz, between -1 and 1; frames wholly inside it.

    Kaldi's filter bank features, as SSAST and AST use them (paper, T3), without dither: 25 ms frames every
    10 ms, their mean taken off, pre-emphasis of 0.97 within the frame, a Hamming window, power in 512 bins,
    triangles equally spaced in mel = 1127 ln(1 + Hz / 700) from 20 Hz to 8 kHz, natural logarithm, nothing
    below that of float32's epsilon. The lowest triangles are narrower than a bin, and some hold none: these
    bands are always at the floor.
    """
    if len(wave) < WINDOW:
        raise ValueError(f"a frame takes {WINDOW} samples, got a wave of {len(wave)}; add silence at its end")
    window = signal.get_window("hamming", WINDOW, fftbins=False)
    _, _, spectrum = signal.stft(
        wave,
        window=window,
        nperseg=WINDOW,
        noverlap=WINDOW - HOP,
        nfft=_N_FFT,
        detrend=_prepare,
        boundary=None,
        padded=False,
    )
    # scipy divides by the sum of the window
    power = np.square(np.abs(spectrum) * window.sum())
    return np.log(np.maximum(_triangles() @ power, _FLOOR)).T.astype(np.float32)


def _prepare(frames: Array) -> Array:
    """(..., frames, samples of a frame) without their mean and with high frequencies emphasised."""
    frames = frames - frames.mean(-1, keepdims=True)
    before = np.concatenate((frames[..., :1], frames[..., :-1]), -1)
    return frames - _PRE_EMPHASIS * before


@cache
def _triangles() -> Array:
    """(128, bins) the weight of each frequency in each band."""
    bins = _mel(np.arange(_N_FFT // 2 + 1) * SAMPLE_RATE / _N_FFT)
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(SAMPLE_RATE / 2), N_MELS + 2)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)), 0.0)


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def count_frames(n_samples: int) -> int:
    """Frames that hold all of ``n_samples`` samples, the last of them filled up with silence."""
    return math.ceil(max(n_samples - WINDOW, 0) / HOP) + 1


def count_samples(n_frames: int) -> int:
    """Samples that ``n_frames`` frames span."""
    return (n_frames - 1) * HOP + WINDOW
