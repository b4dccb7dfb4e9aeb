"""FITS files of SNANA: small files in the format of the originals."""

from pathlib import Path

import numpy as np
import pytest

from rotary_mae.datasets.snana import load_elasticc, read_snana
from tests.reproduce.archives import write_snana

PHOT = [
    # MJD, band, flag, flux, error; MJD -777 ends an object
    (60003.0, "g", 4096, 5.0, 0.5),
    (60001.0, "u", 0, -1.0, 0.5),
    (60003.0, "u", 2048 + 4096, 6.0, 0.4),
    (60050.0, "Y", 0, 1.0, 0.4),
    (59950.0, "r", 0, 9.0, 0.4),
    (60002.0, "r", 1024, 99.0, 0.4),
    (-777.0, "", 0, 0, 0),
    (60000.0, "i", 0, 2.0, -1.0),
    (60001.0, "i", 0, 3.0, 0.1),
    (-777.0, "", 0, 0, 0),
]
HEAD = [("11", 1, 6, 10), ("12 ", 8, 9, 20)]


def test_measurements_become_tokens_by_time_and_band(tmp_path: Path) -> None:
    tokens = read_snana(write_snana(tmp_path, "A-0001", HEAD, PHOT))
    assert tokens.lengths.tolist() == [6, 1], "without end rows and errors below 0"
    assert tokens.ids.tolist() == ["11", "12"]
    assert tokens.targets is not None
    assert tokens.targets.tolist() == [10, 20]
    first = tokens[0]
    assert first.positions.tolist()[:2] == [[59950, 2], [60001, 0]]
    assert first.positions.tolist()[3:5] == [[60003, 0], [60003, 1]]
    assert np.allclose(first.values[3], [6, 0.4])
    assert tokens.schema.roles == ("value", "error")
    assert tokens.channels == ("u", "g", "r", "i", "z", "Y")


@pytest.mark.parametrize("name", ["FITS", "FITS.gz"])
def test_compressed_files_and_older_columns_give_the_same_tokens(tmp_path: Path, name: str) -> None:
    plain = read_snana(write_snana(tmp_path / "a", "A-0001", HEAD, PHOT))
    other = read_snana(write_snana(tmp_path / "b", "A-0001", HEAD, PHOT, ending=name, band="FLT", prefix="LSST-"))
    assert np.array_equal(plain.values, other.values)
    assert np.array_equal(plain.positions, other.positions)


def test_alerts_start_before_the_trigger_and_end_with_the_last_detection(tmp_path: Path) -> None:
    tokens = read_snana(write_snana(tmp_path, "A-0001", HEAD, PHOT), alerts_only=True)
    assert tokens.ids.tolist() == ["11"], "an object without alert is left out"
    assert tokens.positions[:, 0].tolist() == [60001, 60003, 60003], "none saturated, long before or after"


def test_classes_are_the_names_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, n_files in (("SNIa-SALT2", 2), ("AGN", 1)):
        for i in range(n_files):
            write_snana(tmp_path / "elasticc" / f"ELASTICC_TRAIN_{name}", f"NONIaMODEL0-000{i}", HEAD, PHOT)
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    tokens = load_elasticc()
    assert tokens.targets is not None
    assert tokens.targets.tolist() == ["AGN"] * 2 + ["SNIa-SALT2"] * 4
    assert np.unique(load_elasticc(n_per_class=3).targets, return_counts=True)[1].tolist() == [2, 3]


def test_missing_and_inconsistent_files_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"FULL_ELASTICC_TRAIN\.tar"):
        load_elasticc()
    head = write_snana(tmp_path, "A-0001", HEAD, PHOT)
    with pytest.raises(ValueError, match=r"\['Y', 'i', 'r', 'u'\].*bands="):
        read_snana(head, bands=("g",))
    with pytest.raises(ValueError, match="points at row 40"):
        read_snana(write_snana(tmp_path, "B-0001", [("11", 1, 40, 1)], PHOT))
    head.with_name("A-0001_PHOT.FITS").unlink()
    with pytest.raises(FileNotFoundError, match=r"PHOT\.FITS is missing"):
        read_snana(head)
    with pytest.raises(ValueError, match=r"HEAD\.FITS"):
        read_snana([])
