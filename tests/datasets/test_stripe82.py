"""Stripe 82: a small archive in its format, and the counts of the original."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.datasets import load_stripe82
from rotary_mae.datasets.stripe82 import read_stripe82

TYPES = "#id type P\n7 c 0.31 1\n12 ab 0.64 1\n"
EPOCH = "1.0 2.0 100.4 18.7 0.02 100.5 17.5 0.005 100.1 17.2 0.006 100.2 -99.99 0.1 100.3 17.1 0.01\n"
LATER = "1.0 2.0 102.4 18.1 0.03 102.5 17.1 0.004 102.1 17.0 0.007 102.2 99.99 99.999 102.3 17.0 0.02\n"
Write = Callable[[Path, dict[str, str]], Path]


@pytest.fixture
def stars(tmp_path: Path) -> Path:
    path = tmp_path / "table2.dat.gz"
    path.write_bytes(gzip.compress(TYPES.encode()))
    return path


def test_a_small_archive_becomes_tokens(tmp_path: Path, stars: Path, write_tar: Write) -> None:
    files = {"0README": "text", "12.dat": LATER + EPOCH, "7.dat": EPOCH.replace(" ", "   ")}
    tokens = read_stripe82(write_tar(tmp_path / "table1.tar.gz", files), stars)
    assert tokens.channels == ("u", "g", "r", "i", "z")
    assert tokens.schema.roles == ("value", "error")
    assert tokens.ids.tolist() == [12, 7]
    assert tokens.targets is not None
    assert tokens.targets.tolist() == ["RRab", "RRc"]
    assert tokens.lengths.tolist() == [8, 4]  # -99.99 and the failed measurement are none
    assert tokens[1].positions.tolist() == [[100.1, 2], [100.3, 4], [100.4, 0], [100.5, 1]]
    np.testing.assert_allclose(tokens[1].values[0], [17.2, 0.006], rtol=1e-6)
    assert (np.diff(tokens[0].positions[:, 0]) > 0).all()


def test_failed_measurements_are_kept_if_requested(tmp_path: Path, stars: Path, write_tar: Write) -> None:
    archive = write_tar(tmp_path / "table1.tar.gz", {"12.dat": LATER})
    assert read_stripe82(archive, stars, with_failed=True).n_tokens == 5


def test_measurements_at_one_time_are_ordered_by_band(tmp_path: Path, stars: Path, write_tar: Write) -> None:
    row = "1 2 5 1 .1 5 2 .1 5 3 .1 5 4 .1 5 5 .1\n"
    tokens = read_stripe82(write_tar(tmp_path / "table1.tar.gz", {"7.dat": row}), stars)
    assert tokens.positions[:, 1].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"0README": "text"}, "no light curves"),
        ({"3.dat": EPOCH}, r"no type for 1 stars.*\[3\]"),
        ({"7.dat": "1 2 3\n"}, "table1.tar.gz is not the table"),
        ({"7.dat": EPOCH.replace("18.7", "bright")}, "bright"),
        ({"7.dat": EPOCH + "\n" + EPOCH}, "blank lines"),
    ],
)
def test_other_archives_are_errors(
    tmp_path: Path, stars: Path, write_tar: Write, files: dict[str, str], message: str
) -> None:
    archive = write_tar(tmp_path / "table1.tar.gz", files)
    with pytest.raises(ValueError, match=message):
        read_stripe82(archive, stars)


def test_a_truncated_archive_is_an_error(tmp_path: Path, stars: Path, write_tar: Write) -> None:
    archive = write_tar(tmp_path / "table1.tar.gz", {"7.dat": EPOCH * 200})
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"table1.tar.gz is damaged.*downloaded again"):
        read_stripe82(archive, stars)


def test_a_star_without_type_is_an_error(tmp_path: Path, stars: Path, write_tar: Write) -> None:
    stars.write_bytes(gzip.compress(b"7 d 0.3\n"))
    with pytest.raises(ValueError, match=r"ab or c, got '7 d 0\.3'"):
        read_stripe82(write_tar(tmp_path / "table1.tar.gz", {"7.dat": EPOCH}), stars)


def test_counts_of_the_original(need_originals: Callable[..., None]) -> None:
    need_originals("s82_rrlyrae/table1.tar.gz", "s82_rrlyrae/table2.dat.gz")
    everything = load_stripe82(with_failed=True)
    assert everything.n_tokens == 136_196
    assert (everything.lengths.min(), everything.lengths.max()) == (78, 645)
    tokens = load_stripe82()
    assert len(tokens) == 483
    assert tokens.n_tokens == 136_196 - 59
    assert dict(zip(*np.unique(tokens.targets, return_counts=True), strict=True)) == {"RRab": 379, "RRc": 104}
    assert tokens.values[:, 0].max() < 30  # magnitudes near 100 are none
    first = tokens[tokens.ids == 1013184]
    assert first.positions[0].tolist() == [51081.346189, 2]
    np.testing.assert_allclose(first.values[0], [17.236, 0.005], rtol=1e-6)
