"""Folders of audio files: read in the order of their paths, when they are indexed."""

from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.datasets import load_audio_folder
from tests.reproduce.archives import write_audio_files


def test_files_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="audio files need the extra audio")
    folder = tmp_path / "librispeech"
    write_audio_files(folder, 3)
    (folder / "84" / "notes.txt").write_text("not audio")
    clips = load_audio_folder(folder)
    assert isinstance(clips, rm.Source)
    assert clips.ids.tolist() == ["84/0/0.flac", "84/1/1.flac", "84/2/2.flac"]
    assert (np.diff(clips.lengths) > 0).all(), "clips keep their lengths"
    assert clips[[2, 0]].lengths.tolist() == clips.lengths[[2, 0]].tolist()
    assert clips.targets is None
    assert len(load_audio_folder(folder, n=2)) == 2


def test_a_folder_without_audio_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no audio"):
        load_audio_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_audio_folder(tmp_path / "nowhere")
