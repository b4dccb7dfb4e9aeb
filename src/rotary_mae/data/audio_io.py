"""Audio clips as one channel at 16 kHz: from arrays, and from files that soundfile reads."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

from rotary_mae._atomic import user_path
from rotary_mae.data.entries import has_masked
from rotary_mae.data.log_mel import SAMPLE_RATE

Wave = npt.NDArray[Any] | str | Path | bytes
"""Samples (n,), the path of a file, or the bytes of one."""


def read_wave(wave: Wave, sample_rate: int, name: str) -> npt.NDArray[np.float64]:
    """Read a clip.

    Parameters
    ----------
    wave : array of shape (n,), path, or bytes of a file
        The clip. The channels of a file are averaged; whole numbers are divided by the largest value of their type.
    sample_rate : int
        Samples a second of an array, in Hz; files contain their own.
    name : str
        Name of the clip in error messages.

    Returns
    -------
    array of shape (samples,)
        Samples between -1 and 1 at 16 kHz.

    Raises
    ------
    ValueError
        If an array has several axes, a clip has no samples or NaN, or a file cannot be read.
    ImportError
        If a file is given and soundfile is not installed.
    """
    if is_file(wave):
        samples, sample_rate = _read_file(wave, name)
    else:
        if has_masked(wave):
            raise ValueError(f"{name} has masked samples; replace or cut them")
        samples = _as_samples(np.asarray(wave), name)
    if not np.isfinite(samples).all():
        raise ValueError(
            f"{name} has {int((~np.isfinite(samples)).sum())} samples that are not finite; replace or cut them"
        )
    if sample_rate != SAMPLE_RATE:
        up, down = _ratio(sample_rate)
        samples = signal.resample_poly(samples, up, down)
    return samples


def count_resampled(wave: Wave, sample_rate: int) -> int:
    """Return the number of samples that ``read_wave`` returns, without decoding a file."""
    if is_file(wave):
        header = _soundfile().info(_opened(wave))
        n_samples, sample_rate = header.frames, header.samplerate
    else:
        n_samples = len(np.asarray(wave))
    up, down = _ratio(sample_rate)
    return -(-n_samples * up // down)


def is_file(wave: Any) -> bool:
    """Return True for the path or the bytes of a file, False for samples."""
    return isinstance(wave, str | Path | bytes)


def _ratio(sample_rate: float) -> tuple[int, int]:
    """Factors by which a clip is up- and downsampled to 16 kHz."""
    if sample_rate != int(sample_rate) or sample_rate < 1:
        raise ValueError(f"sample_rate must be a whole number of samples a second, got {sample_rate}")
    sample_rate = int(sample_rate)
    common = math.gcd(SAMPLE_RATE, sample_rate)
    return SAMPLE_RATE // common, sample_rate // common


def _read_file(wave: Any, name: str) -> tuple[npt.NDArray[np.float64], int]:
    soundfile = _soundfile()
    if not isinstance(wave, bytes) and not user_path(wave).exists():
        raise ValueError(f"{name}: there is no file {wave}")
    try:
        samples, sample_rate = soundfile.read(_opened(wave), always_2d=True)
    except soundfile.LibsndfileError as error:
        where = "" if isinstance(wave, bytes) else f" ({wave})"
        raise ValueError(f"{name}{where} is not an audio file that can be read: {error}") from error
    if not len(samples):
        raise ValueError(f"{name} has no samples; leave it out")
    return samples.mean(axis=1), int(sample_rate)


def _opened(wave: Any) -> Any:
    return io.BytesIO(wave) if isinstance(wave, bytes) else str(user_path(wave))


def _as_samples(wave: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
    if wave.ndim != 1:
        raise ValueError(
            f"{name} must be the samples of one channel, (n,), got shape {wave.shape}; "
            "of several channels take one, or their mean"
        )
    if not len(wave):
        raise ValueError(f"{name} has no samples; leave it out")
    if wave.dtype.kind == "f":
        return wave.astype(np.float64)
    if wave.dtype.kind not in "iu" or wave.dtype.itemsize > 4:
        raise ValueError(
            f"{name} must be floats between -1 and 1, or whole numbers of at most 32 bits, got {wave.dtype}"
        )
    half = 2.0 ** (8 * wave.dtype.itemsize - 1)
    return wave / half if wave.dtype.kind == "i" else wave / half - 1.0


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise ImportError("audio files are read with soundfile: pip install 'rotary-mae[audio]'") from error
    return soundfile
