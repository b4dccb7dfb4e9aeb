"""Folders of sound files, such as AudioSet and LibriSpeech as people have them, to pre-train on."""

from __future__ import annotations

from pathlib import Path

from rotary_mae.data.audio import LazyAudio

ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".opus")


def load_audio_folder(folder: str | Path, *, patch: tuple[int, int] = (16, 16), n: int | None = None) -> LazyAudio:
    """Every sound file below a folder, in the order of their paths, decoded when asked for.

    Patches of log-mel spectrograms (see ``from_audio``), without labels. ids: paths below the folder. n: the first so
    many.
    Raises FileNotFoundError for a folder that is not there or has no files ending in one of ENDINGS, ImportError
    without soundfile (extra ``audio``).
    """
    root = Path(folder)
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())[:n]
    if not files:
        raise FileNotFoundError(f"{root} {'holds no sound' if root.is_dir() else 'is no folder'}; expected {ENDINGS}")
    return LazyAudio(files, patch=patch, ids=[path.relative_to(root).as_posix() for path in files])
