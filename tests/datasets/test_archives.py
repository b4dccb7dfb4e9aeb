"""Original files: ROMAE_DATA first, then the cache, then the network; damaged archives are errors."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pooch
import pytest

from rotary_mae.datasets._archives import RemoteFile, fetch, tar_files

CONTENT = b"one,two\n"
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
Write = Callable[[Path, dict[str, str]], Path]

UNREACHABLE = "http://127.0.0.1:9/rows.csv"  # the discard port, which has no server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(pooch, "os_cache", lambda project: folder / project)
    monkeypatch.delenv("ROMAE_DATA", raising=False)
    return folder


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    served.mkdir()
    (served / "rows.csv").write_bytes(CONTENT)
    handler = functools.partial(_Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_local_file_takes_precedence_and_is_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "rows.csv").write_bytes(b"repacked")
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    assert fetch(RemoteFile("set", "rows.csv", UNREACHABLE, CHECKSUM)) == tmp_path / "set" / "rows.csv"


def test_a_local_file_may_be_repacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "rows.xz").write_bytes(b"repacked")
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    assert fetch(RemoteFile("set", "rows.gz", UNREACHABLE, repacked=("rows.xz",))).name == "rows.xz"


def test_a_download_is_checked_and_cached(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RemoteFile("set", "rows.csv", f"{address}/rows.csv", CHECKSUM)
    path = fetch(file)
    assert path == cache / "rotary-mae" / "set" / "rows.csv"
    assert path.read_bytes() == CONTENT
    assert fetch(RemoteFile("set", "rows.csv", UNREACHABLE, CHECKSUM)) == path  # from the cache


def test_a_wrong_checksum_is_an_error(address: str, cache: Path) -> None:
    with pytest.raises(ValueError, match="hash"):
        fetch(RemoteFile("set", "rows.csv", f"{address}/rows.csv", "md5:" + "0" * 32))
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("page", ["absent.csv", None])
def test_an_unreachable_file_is_an_error_with_the_remedies(request: pytest.FixtureRequest, page: str | None) -> None:
    url = UNREACHABLE if page is None else f"{request.getfixturevalue('address')}/{page}"
    with pytest.raises(FileNotFoundError) as caught:
        fetch(RemoteFile("set", "rows.csv", url))
    for part in (url, "set/rows.csv", "ROMAE_DATA=<folder>", "not set"):
        assert part in str(caught.value)


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_tar_archives_of_both_compressions_are_read(tmp_path: Path, write_tar: Write, suffix: str) -> None:
    archive = write_tar(tmp_path / f"a.tar.{suffix}", {"b": "1", "a": "2"})
    assert list(tar_files(archive)) == [("b", b"1"), ("a", b"2")]


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_a_truncated_tar_archive_is_an_error_wherever_it_is_cut(tmp_path: Path, write_tar: Write, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(33, 126, (3, 4000)).astype(np.uint8)
    whole = write_tar(tmp_path / "whole.tar.gz", {str(i): bytes(row).decode() for i, row in enumerate(noise)})
    whole = write_tar(tmp_path / f"whole.tar.{suffix}", {name: text.decode() for name, text in tar_files(whole)})
    content = whole.read_bytes()
    for size in range(0, len(content) - 100, 997):
        cut = tmp_path / f"cut.tar.{suffix}"
        cut.write_bytes(content[:size])
        with pytest.raises(ValueError, match=rf"cut.tar.{suffix} is damaged.*downloaded again"):
            list(tar_files(cut))
