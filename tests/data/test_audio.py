"""Audio: patches of clips of any length, sample rate and type, and back to spectrograms."""

from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data.audio import LazyAudio, spectrograms_from_tokens
from rotary_mae.data.log_mel import log_mel
from rotary_mae.data.sources import Source
from tests.data.same_tokens import assert_same

SILENCE = np.log(np.finfo(np.float32).eps)


def tone(hertz: float, seconds: float = 0.5, rate: int = 16_000, loudness: float = 0.5) -> np.ndarray:
    return loudness * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def mel_band(hertz: float) -> int:
    mel = 1127 * np.log1p(np.array([20.0, hertz, 8000.0]) / 700)
    return round((mel[1] - mel[0]) / (mel[2] - mel[0]) * 129) - 1


@pytest.mark.parametrize("hertz", [500.0, 1000.0, 3000.0, 7000.0])
@pytest.mark.parametrize("rate", [16_000, 44_100, 8_000])
def test_a_tone_is_loudest_in_its_band_at_any_sample_rate(hertz: float, rate: int) -> None:
    if hertz > rate / 2:
        return
    tokens = rm.from_audio([tone(hertz, rate=rate)], sample_rate=rate)
    (spectrogram,) = spectrograms_from_tokens(tokens)
    assert spectrogram.shape == (64, 128)
    assert np.abs(spectrogram[5:40].argmax(1) - mel_band(hertz)).max() <= 1


def test_patches_are_ordered_by_time_and_then_by_mel() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 400 + 160 * 31)  # two patches of 16 frames
    tokens = rm.from_audio(wave[None], targets=["noise"], ids=["a"])
    assert tokens.axes == ("time", "mel")
    assert tokens.lengths.tolist() == [16]
    assert tokens.positions.tolist() == [[t, m] for t in range(2) for m in range(8)]
    expected = log_mel(wave)
    np.testing.assert_array_equal(tokens.values[9], expected[16:32, 16:32].ravel())
    np.testing.assert_array_equal(spectrograms_from_tokens(tokens)[0], expected)
    wide = rm.from_audio(wave[None], patch=(8, 128))
    assert wide.lengths.tolist() == [4]
    np.testing.assert_array_equal(spectrograms_from_tokens(wide)[0], expected)


def test_clips_of_different_lengths_are_filled_with_silence() -> None:
    waves = [tone(1000, s) for s in (0.05, 0.165, 0.17, 1.0)]
    tokens = rm.from_audio(waves)
    assert (tokens.lengths // 8).tolist() == [1, 1, 1, 7]
    longer = rm.from_audio([np.pad(wave, (0, 3000)) for wave in waves])
    for short, long in zip(spectrograms_from_tokens(tokens), spectrograms_from_tokens(longer), strict=True):
        np.testing.assert_allclose(short, long[: len(short)], atol=1e-6)
    np.testing.assert_allclose(spectrograms_from_tokens(tokens)[0][6:], SILENCE, atol=1e-6)
    # no sample is lost: one more than whole patches starts another patch
    assert rm.from_audio([np.ones(400 + 160 * 15)]).n_tokens == 8
    assert rm.from_audio([np.ones(400 + 160 * 15 + 1)]).n_tokens == 16


def test_integer_samples_have_the_same_loudness() -> None:
    wave = tone(1000)
    expected = rm.from_audio([wave]).values
    for dtype, half in ((np.int16, 2**15), (np.int32, 2**31)):
        np.testing.assert_allclose(rm.from_audio([(wave * half).astype(dtype)]).values, expected, atol=0.05 * 12)
    offset = ((wave + 1) * 128).astype(np.uint8)
    loud = expected > -2
    np.testing.assert_allclose(rm.from_audio([offset]).values[loud], expected[loud], atol=0.1)


def test_files_contain_their_sample_rate_and_their_channels_are_averaged(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="audio files need the extra audio")
    left, right = tone(700, rate=22_050), tone(2000, rate=22_050)
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack([left, right], axis=1), 22_050, subtype="FLOAT")
    expected = rm.from_audio([(left + right) / 2], sample_rate=22_050)
    given = [path, str(path), path.read_bytes()]
    for tokens in rm.from_audio(given, sample_rate=8_000):
        np.testing.assert_allclose(tokens.values, expected.values, atol=1e-3)
    lazy = LazyAudio(given)
    assert lazy.lengths.tolist() == [expected.n_tokens] * 3
    (tmp_path / "no.wav").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"clip 1 \(.*no.wav\) is not an audio file"):
        rm.from_audio([path, tmp_path / "no.wav"])


def test_lazy_audio_becomes_the_same_tokens_and_can_be_cached(tmp_path: Path) -> None:
    waves = [(tone(500 * (i + 1), 0.1 + 0.13 * i, rate=8000) * 2**15).astype(np.int16) for i in range(4)]
    given = {"targets": np.arange(4), "ids": list("abcd")}
    lazy, eager = LazyAudio(waves, 8000, **given), rm.from_audio(waves, 8000, **given)
    assert isinstance(lazy, Source)
    for index in (slice(None), [3, 1], -1, np.arange(4) > 2):
        assert_same(lazy[index], eager[index])
    np.testing.assert_array_equal(lazy.lengths, eager.lengths)
    rm.write_cache((lazy[i : i + 2] for i in range(0, 4, 2)), tmp_path / "cache")
    assert_same(rm.open_cache(tmp_path / "cache")[:], eager)


def test_scaling_uses_mean_and_standard_deviation_of_all_values() -> None:
    tokens = rm.from_audio([tone(500), tone(5000, 0.2)])
    scaled = rm.Scaling.fit(tokens).apply(tokens)
    assert abs(scaled.values.mean()) < 1e-5
    assert abs(scaled.values.std() - 1) < 1e-5
    np.testing.assert_array_equal(scaled.positions[:, 1], tokens.positions[:, 1])
    np.testing.assert_array_equal(scaled.positions[:, 0], tokens.positions[:, 0] + 1)


BAD_AUDIO = {
    "one clip": ({"waves": np.zeros(16_000)}, "got a single one; put it into a list"),
    "one file": ({"waves": "a.wav"}, "got a single one; put it into a list"),
    "nothing": ({"waves": []}, "there are no clips"),
    "no samples": ({"waves": [np.zeros(0)]}, "clip 0 has no samples"),
    "stereo": ({"waves": np.zeros((1, 2, 400))}, r"clip 0 must be the samples of one channel, .* got shape \(2, 400\)"),
    "not a number": ({"waves": [np.zeros(9), np.array([0, np.nan])]}, "clip 1 has 1 samples that are not finite"),
    "64 bits": ({"waves": [np.zeros(9, np.int64)]}, "at most 32 bits, got int64"),
    "rate": ({"waves": [np.zeros(9)], "sample_rate": 0}, "whole number of Hz, got 0"),
    "rates": ({"waves": [np.zeros(9)] * 2, "sample_rate": [8000, 16_000]}, r"got \[8000, 16000\]; it is one for all"),
    "patch": ({"waves": [np.zeros(9)], "patch": (16, 48)}, r"divide 128, got \(16, 48\)"),
}


@pytest.mark.parametrize("case", BAD_AUDIO)
def test_bad_audio_is_an_error_that_names_the_problem(case: str) -> None:
    arguments, message = BAD_AUDIO[case]
    with pytest.raises(ValueError, match=message):
        rm.from_audio(**arguments)


def test_a_missing_audio_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"clip 0: there is no file .*no\.wav"):
        rm.from_audio([tmp_path / "no.wav"])


def test_spectrograms_need_all_their_patches() -> None:
    tokens = rm.from_audio([tone(500)])
    with pytest.raises(ValueError, match="some are missing"):
        spectrograms_from_tokens(tokens.select_tokens(np.arange(32) != 2))
    with pytest.raises(ValueError, match="no patches of audio"):
        spectrograms_from_tokens(rm.from_images(np.zeros((1, 16, 16))))
