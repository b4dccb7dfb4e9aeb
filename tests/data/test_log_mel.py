"""Log-mel spectrograms: equal to those of torchaudio, and frames that cover all samples."""

from pathlib import Path

import numpy as np
import pytest

from rotary_mae.data.log_mel import count_frames, count_samples, log_mel

GOLDEN = np.load(Path(__file__).parent / "golden" / "log_mel.npz")


@pytest.mark.parametrize("name", ["chirp", "noise", "clicks", "faint"])
def test_spectrograms_equal_those_of_torchaudio(name: str) -> None:
    # made by golden/make_log_mel.py; torchaudio computes its triangles in float32
    found = log_mel(GOLDEN[f"{name}_wave"])
    np.testing.assert_allclose(found, GOLDEN[name], atol=1e-3)
    assert np.median(np.abs(found - GOLDEN[name])) < 1e-5


@pytest.mark.parametrize("n_samples", [1, 399, 400, 401, 560, 561, 16_000])
def test_frames_cover_all_samples_and_no_more_than_needed(n_samples: int) -> None:
    n_frames = count_frames(n_samples)
    assert count_samples(n_frames) >= n_samples
    assert n_frames == 1 or count_samples(n_frames - 1) < n_samples
    assert log_mel(np.zeros(count_samples(n_frames))).shape == (n_frames, 128)


def test_a_wave_shorter_than_a_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="a frame has 400 samples, got a wave of 399"):
        log_mel(np.zeros(399))
