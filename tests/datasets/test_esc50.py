"""ESC-50: small archives in its format, and the original ESC-10."""

import copy
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.data.sources import Source
from rotary_mae.datasets import load_esc10
from rotary_mae.datasets.esc50 import read_esc50

soundfile = pytest.importorskip("soundfile", reason="audio files need the extra audio")

HEADER = "filename,fold,target,category,esc10,src_file,take\n"


def encoded(hertz: float, seconds: float, rate: int) -> bytes:
    file = io.BytesIO()
    wave = 0.4 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    soundfile.write(file, np.stack([wave, wave], axis=1), rate, format="WAV")
    return file.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "ESC-50-master.zip"
    rows, files = [], {}
    for i in range(6):
        name, kind = f"{i % 3 + 1}-{i}-A-0.wav", ("dog", "rain", "cow")[i % 3]
        rows.append(f"{name},{i % 3 + 1},0,{kind},{kind != 'cow'},{i},A\n")
        files[name] = encoded(500 * (i + 1), 0.1 + 0.2 * i, 44_100)
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("ESC-50-master/meta/esc50.csv", HEADER + "".join(rows))
        for name, content in files.items():
            opened.writestr(f"ESC-50-master/audio/{name}", content)
    return path


def test_clips_have_their_class_and_name_and_are_chosen_by_fold(archive: Path) -> None:
    clips = read_esc50(archive)
    assert isinstance(clips, Source)
    assert clips.targets.tolist() == ["dog", "rain", "cow"] * 2
    assert clips.ids[0] == "1-0-A-0.wav"
    assert clips[:].lengths.tolist() == clips.lengths.tolist()
    assert clips.lengths[5] > clips.lengths[0]
    assert read_esc50(archive, folds=[2, 3]).targets.tolist() == ["rain", "cow"] * 2
    assert read_esc50(archive, is_esc10=True).targets.tolist() == ["dog", "rain"] * 2


def test_a_copy_opens_the_archive_for_itself(archive: Path) -> None:
    clips = read_esc50(archive)
    before = clips[[4]].values
    np.testing.assert_array_equal(copy.deepcopy(clips)[[4]].values, before)


def test_wrong_folds_and_archives_are_errors(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folds must be some of .* got \(6,\)"):
        read_esc50(archive, folds=[6])
    (tmp_path / "cut.zip").write_bytes(archive.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.zip is damaged"):
        read_esc50(tmp_path / "cut.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as opened:
        opened.writestr("meta/esc50.csv", HEADER + "a.wav,1,0,dog,True,0,A\n")
    with pytest.raises(ValueError, match=r"lists 1 files that it does not hold, first audio/a\.wav"):
        read_esc50(tmp_path / "other.zip")


@pytest.mark.slow
def test_the_original_esc10(need_originals) -> None:
    need_originals("esc10/ESC-10-16k.zip")
    clips = load_esc10()
    kinds, counts = np.unique(clips.targets, return_counts=True)
    assert len(kinds) == 10
    assert counts.tolist() == [40] * 10
    assert [len(load_esc10([fold])) for fold in range(1, 6)] == [80] * 5
    # 3.6 to 7.2 seconds, in patches of 0.16 s and 8 of them on top of each other
    assert 22 <= clips.lengths.min() / 8 <= clips.lengths.max() / 8 <= 46
    some = clips[::50]
    np.testing.assert_array_equal(some.lengths, clips.lengths[::50])
    assert 0.5 < (some.values > some.values.min()).mean() < 1.0  # some clips end in silence
