"""Finding the originals: ROMAE_DATA first, then the cache, then the network; errors that help."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pooch
import pytest

from rotary_mae.datasets._archives import RemoteFile, fetch

CONTENT = b"one,two\n"
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
CLOSED = "http://127.0.0.1:9/rows.csv"  # the discard port, on which nobody listens


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


def test_local_files_win_and_are_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "rows.csv").write_bytes(b"repacked")
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    assert fetch(RemoteFile("set", "rows.csv", CLOSED, CHECKSUM)) == tmp_path / "set" / "rows.csv"


def test_local_files_may_be_repacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "rows.xz").write_bytes(b"repacked")
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    assert fetch(RemoteFile("set", "rows.gz", CLOSED, repacked=("rows.xz",))).name == "rows.xz"


def test_download_is_checked_and_kept(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RemoteFile("set", "rows.csv", f"{address}/rows.csv", CHECKSUM)
    path = fetch(file)
    assert path == cache / "rotary-mae" / "set" / "rows.csv"
    assert path.read_bytes() == CONTENT
    assert fetch(RemoteFile("set", "rows.csv", CLOSED, CHECKSUM)) == path  # not asked for again


def test_another_checksum_is_an_error(address: str, cache: Path) -> None:
    with pytest.raises(ValueError, match="hash"):
        fetch(RemoteFile("set", "rows.csv", f"{address}/rows.csv", "md5:" + "0" * 32))
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("page", ["absent.csv", None])
def test_unreachable_says_what_to_do(request: pytest.FixtureRequest, page: str | None) -> None:
    url = CLOSED if page is None else f"{request.getfixturevalue('address')}/{page}"
    with pytest.raises(FileNotFoundError) as caught:
        fetch(RemoteFile("set", "rows.csv", url))
    for part in (url, "set/rows.csv", "ROMAE_DATA=<folder>", "not set"):
        assert part in str(caught.value)
