"""Fixtures for the tests of readers: original files if they are present, and archives that tests write."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = os.environ.get("ROMAE_DATA")


@pytest.fixture(scope="session")
def need_originals() -> Callable[..., None]:
    """Skip the test unless all these files are under ROMAE_DATA."""

    def need(*names: str) -> None:
        missing = [name for name in names if ROOT is None or not (Path(ROOT) / name).is_file()]
        if missing:
            pytest.skip(f"needs the original files {missing} under ROMAE_DATA ({ROOT or 'not set'})")

    return need


@pytest.fixture
def write_tar() -> Callable[[Path, dict[str, str]], Path]:
    """Write a tar archive of texts, compressed by the suffix of its name."""

    def write(path: Path, files: dict[str, str]) -> Path:
        with tarfile.open(path, f"w:{path.suffix[1:]}") as archive:
            folder = tarfile.TarInfo("folder")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            for name, text in files.items():
                content = text.encode()
                entry = tarfile.TarInfo(f"folder/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return path

    return write
