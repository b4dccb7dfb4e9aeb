"""Log-mel spectrograms as Kaldi computes them, with scipy's short-time Fourier transform."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

SAMPLE_RATE = 16_000
"""Samples a second of the waves, in Hz."""

N_MELS = 128
"""Frequency bands."""

WINDOW = 400
"""Samples of a frame: 25 ms."""

HOP = 160
"""Samples from one frame to the next: 10 ms."""

_N_FFT = 512

_MIN_HZ = 20.0

_PRE_EMPHASIS = 0.97

_MIN_ENERGY = float(np.finfo(np.float32).eps)

Array = npt.NDArray[np.float64]


def log_mel(wave: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Compute log-mel energies.

    These are the filter bank features of Kaldi without dither, as SSAST and AST use them (paper, T3): frames of 25 ms
    every 10 ms without their mean, pre-emphasis of 0.97 within the frame, a Hamming window, power in 512 bins,
    triangles equally spaced in mel = 1127 ln(1 + Hz / 700) from 20 Hz to 8 kHz, and the natural logarithm of at least
    float32's epsilon. The lowest triangles are narrower than a bin; those that contain no bin are always at this
    minimum.

    Parameters
    ----------
    wave : array of shape (samples,)
        Samples between -1 and 1 at 16 kHz, at least 400.

    Returns
    -------
    array of shape (frames, 128)
        Log-mel energies of the frames that lie wholly inside of the wave.

    Raises
    ------
    ValueError
        If the wave is shorter than a frame.
    """
    if len(wave) < WINDOW:
        raise ValueError(f"a frame has {WINDOW} samples, got a wave of {len(wave)}; add silence at its end")
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
    return np.log(np.maximum(_triangles() @ power, _MIN_ENERGY)).T.astype(np.float32)


def _prepare(frames: Array) -> Array:
    """Frames (..., frames, samples) without their mean and with high frequencies emphasised."""
    frames = frames - frames.mean(-1, keepdims=True)
    before = np.concatenate((frames[..., :1], frames[..., :-1]), -1)
    return frames - _PRE_EMPHASIS * before


@cache
def _triangles() -> Array:
    """Weight (128, bins) of each frequency in each band."""
    bins = _mel(np.arange(_N_FFT // 2 + 1) * SAMPLE_RATE / _N_FFT)
    edges = np.linspace(_mel(_MIN_HZ), _mel(SAMPLE_RATE / 2), N_MELS + 2)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)), 0.0)


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def count_frames(n_samples: int) -> int:
    """Return the number of frames that contain ``n_samples`` samples, the last of them filled with silence."""
    return math.ceil(max(n_samples - WINDOW, 0) / HOP) + 1


def count_samples(n_frames: int) -> int:
    """Return the number of samples that ``n_frames`` frames span."""
    return (n_frames - 1) * HOP + WINDOW
