"""UEA archive: small archives in the .ts format, and the counts of originals."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.datasets import load_uea
from rotary_mae.datasets.uea import read_uea

HEADER = "#a comment with @data in it\n@problemName Tiny\n@timeStamps false\n@missing {missing}\n"
HEADER += "@univariate false\n@dimensions 2\n@equalLength true\n@classLabel true up down\n@data\n"


@pytest.fixture
def write_uea(tmp_path: Path) -> Callable[..., Path]:
    def write(body: str, missing: bool = False, header: str = HEADER) -> Path:
        path = tmp_path / "Tiny.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("Tiny_TRAIN.ts", header.format(missing=str(missing).lower()) + body)
            archive.writestr("Tiny.txt", "about it")
        return path

    return write


def test_series_of_equal_lengths_become_steps(write_uea: Callable[..., Path]) -> None:
    tokens = read_uea(write_uea("1,2,3:4,5,6.5:up\n-1,-2,-3:1E-3,0,0:down\n"))
    assert tokens.axes == ("time",)
    assert tokens.channels == ("0", "1")
    assert tokens.schema.roles == ("value", "value")
    assert tokens.lengths.tolist() == [3, 3]
    assert tokens.positions[:, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert tokens[0].values.tolist() == [[1, 4], [2, 5], [3, 6.5]]
    assert tokens.targets is not None
    assert tokens.targets.tolist() == ["up", "down"]
    assert tokens.ids.tolist() == ["train-0", "train-1"]


def test_series_may_have_different_lengths(write_uea: Callable[..., Path]) -> None:
    tokens = read_uea(write_uea("1,2,3:4,5,6:up\r\n7:8:down\r\n\r\n"))
    assert tokens.lengths.tolist() == [3, 1]
    assert tokens.values[3].tolist() == [7, 8]
    assert tokens.schema.roles == ("value", "value")


def test_partly_missing_steps_get_flags_and_empty_steps_become_no_token(write_uea: Callable[..., Path]) -> None:
    tokens = read_uea(write_uea("1,?,?,4:5,6,?,8:up\n1,?:NaN,2:down\n", missing=True))
    assert tokens.schema.roles == ("value", "value", "observed", "observed")
    assert tokens[0].values.tolist() == [[1, 5, 1, 1], [0, 6, 0, 1], [4, 8, 1, 1]]
    assert tokens[0].positions[:, 0].tolist() == [0, 1, 3]
    assert tokens[1].values.tolist() == [[1, 0, 1, 0], [0, 2, 0, 1]]


def test_shorter_dimensions_were_not_observed_at_their_end(write_uea: Callable[..., Path]) -> None:
    tokens = read_uea(write_uea("1,2:5:up\n"))
    assert tokens.values.tolist() == [[1, 5, 1, 1], [2, 0, 1, 0]]


def test_the_header_alone_may_require_flags(write_uea: Callable[..., Path]) -> None:
    assert "observed" in read_uea(write_uea("1,2:3,4:up\n", missing=True)).schema.roles


def test_a_problem_without_labels_has_no_targets(write_uea: Callable[..., Path]) -> None:
    unlabelled = HEADER.replace("@classLabel true up down", "@classLabel false")
    tokens = read_uea(write_uea("1,2:3,4\n", header=unlabelled))
    assert tokens.targets is None
    assert tokens.lengths.tolist() == [2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "holds no cases"),
        ("1,2:3,4:up\n1,2:up\n", r"same number of dimensions, got \[1, 2\]"),
        ("1,x:3,4:up\n", "Tiny_TRAIN.ts is not the table.*x"),
        ("1,,2:3,4:up\n", "1 empty values; missing ones are written ?"),
        ("?,?:?,?:up\n", "no tokens"),
    ],
)
def test_bad_bodies_are_errors(write_uea: Callable[..., Path], body: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_uea(write_uea(body))


def test_bad_headers_are_errors(write_uea: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="no line @data"):
        read_uea(write_uea("1:up\n", header="@problemName Tiny\n"))
    with pytest.raises(ValueError, match="time stamps"):
        read_uea(write_uea("1:up\n", header=HEADER.replace("timeStamps false", "timeStamps true")))


def test_a_missing_split_and_a_damaged_archive_are_errors(write_uea: Callable[..., Path]) -> None:
    archive = write_uea("1:2:up\n")
    with pytest.raises(ValueError, match=r"no test split: expected one file named \*_TEST.ts.*Tiny_TRAIN.ts"):
        read_uea(archive, "test")
    archive.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"Tiny.zip is damaged"):
        read_uea(archive)


def test_wrong_arguments_are_errors() -> None:
    with pytest.raises(ValueError, match="split must be one of"):
        load_uea("Epilepsy", "validation")
    for name in ("../Epilepsy", "", "a b"):
        with pytest.raises(ValueError, match="name must be"):
            load_uea(name)


@pytest.mark.parametrize(
    ("name", "train", "test", "lengths", "n_channels", "n_classes"),
    [
        ("BasicMotions", 40, 40, (100, 100), 6, 4),
        ("CharacterTrajectories", 1422, 1436, (60, 182), 3, 20),
        ("Epilepsy", 137, 138, (206, 206), 3, 4),
        ("LSST", 2459, 2466, (36, 36), 6, 14),
    ],
)
def test_counts_of_the_originals(
    need_originals: Callable[..., None],
    name: str,
    train: int,
    test: int,
    lengths: tuple[int, int],
    n_channels: int,
    n_classes: int,
) -> None:
    need_originals(f"uea/{name}.zip")
    splits = [load_uea(name, split) for split in ("train", "test")]
    assert [len(tokens) for tokens in splits] == [train, test]
    assert min(tokens.lengths.min() for tokens in splits) == lengths[0]
    assert max(tokens.lengths.max() for tokens in splits) == lengths[1]
    for tokens in splits:
        assert tokens.values.shape[1] == n_channels
        assert len(np.unique(tokens.targets)) == n_classes


def test_counts_of_the_original_heartbeat(need_originals: Callable[..., None]) -> None:
    need_originals("uea/Heartbeat.zip")
    tokens = load_uea("Heartbeat")
    assert len(tokens) == 204
    assert tokens.values.shape == (204 * 405, 61)
    assert set(np.unique(tokens.targets)) == {"normal", "abnormal"}
