"""Folders of audio files, such as AudioSet or LibriSpeech, for pre-training."""

from __future__ import annotations

from pathlib import Path

from rotary_mae._atomic import user_path
from rotary_mae.data.audio import LazyAudio

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus")


def load_audio_folder(folder: str | Path, *, patch: tuple[int, int] = (16, 16), n: int | None = None) -> LazyAudio:
    """Open all audio files below a folder, in the order of their paths.

    Tokens are patches of log-mel spectrograms (see ``from_audio``), decoded when they are indexed. There are no labels.

    Parameters
    ----------
    folder : path
        Folder of .wav, .flac, .ogg, .mp3 or .opus files.
    patch : (frames, bands), default (16, 16)
        Size of a patch.
    n : int, optional
        Number of files to take, from the first; None for all.

    Returns
    -------
    LazyAudio
        The clips; ids are paths below the folder.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist or has no audio files.
    ImportError
        If soundfile is not installed (extra ``audio``).
    """
    root = user_path(folder)
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())[:n]
    if not files:
        raise FileNotFoundError(f"{root} {'holds no audio' if root.is_dir() else 'is no folder'}; expected {SUFFIXES}")
    return LazyAudio(files, patch=patch, ids=[path.relative_to(root).as_posix() for path in files])
