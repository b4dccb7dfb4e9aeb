"""SNANA FITS files and the ATAT file, of the same format as the originals but small."""

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.datasets.atat import AtatLightCurves, load_atat
from rotary_mae.datasets.snana import load_elasticc, read_snana
from tests.reproduce.archives import write_atat, write_snana

PHOT = [
    # mjd, band, flag, flux, error; a row that ends an object has -777
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


def test_measurements_are_tokens_by_time_and_band(tmp_path: Path) -> None:
    tokens = read_snana(write_snana(tmp_path, "A-0001", HEAD, PHOT))
    assert tokens.lengths.tolist() == [6, 1], "the row that ends an object and an error below 0 are none"
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
def test_packed_files_and_older_columns_are_read_alike(tmp_path: Path, name: str) -> None:
    plain = read_snana(write_snana(tmp_path / "a", "A-0001", HEAD, PHOT))
    other = read_snana(write_snana(tmp_path / "b", "A-0001", HEAD, PHOT, ending=name, band="FLT", prefix="LSST-"))
    assert np.array_equal(plain.values, other.values)
    assert np.array_equal(plain.positions, other.positions)


def test_alerts_begin_before_the_trigger_and_end_with_the_last_detection(tmp_path: Path) -> None:
    tokens = read_snana(write_snana(tmp_path, "A-0001", HEAD, PHOT), alerts_only=True)
    assert tokens.ids.tolist() == ["11"], "an object that never makes an alert is left out"
    assert tokens.positions[:, 0].tolist() == [60001, 60003, 60003], "neither saturated nor long before or after"


def test_classes_are_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, n_files in (("SNIa-SALT2", 2), ("AGN", 1)):
        for i in range(n_files):
            write_snana(tmp_path / "elasticc" / f"ELASTICC_TRAIN_{name}", f"NONIaMODEL0-000{i}", HEAD, PHOT)
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    tokens = load_elasticc()
    assert tokens.targets is not None
    assert tokens.targets.tolist() == ["AGN"] * 2 + ["SNIa-SALT2"] * 4
    assert np.unique(load_elasticc(n_per_class=3).targets, return_counts=True)[1].tolist() == [2, 3]


def test_what_is_wrong_with_files_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"FULL_ELASTICC_TRAIN\.tar"):
        load_elasticc()
    with pytest.raises(FileNotFoundError, match=r"get_data\.py"):
        load_atat()
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


def test_padding_is_no_token(tmp_path: Path) -> None:
    written = write_atat(tmp_path / "small.h5", n=12)
    curves = AtatLightCurves(tmp_path / "small.h5")
    assert isinstance(curves, rm.Source)
    assert curves.lengths.tolist() == written["mask"].sum((1, 2)).tolist()
    some = curves[[7, 2, 7]]
    assert some.ids.tolist() == written["SNID"][[7, 2, 7]].tolist()
    assert np.array_equal(some[0].values, some[2].values)
    is_seen = written["mask"][2] > 0
    for column, name in enumerate(("data", "data-var")):
        assert np.allclose(np.sort(some[1].values[:, column]), np.sort(written[name][2][is_seen]))
    assert (np.diff(some[1].positions[:, 0]) >= 0).all()
    _, channel = np.nonzero(is_seen)
    assert np.bincount(channel).tolist() == np.bincount(some[1].positions[:, 1].astype(int)).tolist()


def test_parts_and_alerts_of_an_atat_file(tmp_path: Path) -> None:
    path = tmp_path / "small.h5"
    written = write_atat(path, n=12)
    parts = {name: AtatLightCurves(path, name) for name in ("training_0", "validation_0", "test")}
    ids = np.concatenate([part.ids for part in parts.values()])
    assert sorted(ids.tolist()) == sorted(written["SNID"].tolist())
    assert parts["test"].targets.tolist() == written["labels"][written["test"]].tolist()
    alerts = AtatLightCurves(path, alerts_only=True)
    assert len(alerts) == 11, "one never makes an alert"
    assert alerts[:].n_tokens == written["mask_alert"].sum()
    with pytest.raises(ValueError, match=r"no datasets \['training_7'\]; it has SNID, data, "):
        AtatLightCurves(path, "training_7")


def _first(curves: AtatLightCurves) -> list[float]:
    return curves[0].values[:, 0].tolist()


def test_other_processes_open_the_file_for_themselves(tmp_path: Path) -> None:
    write_atat(tmp_path / "small.h5", n=12)
    curves = AtatLightCurves(tmp_path / "small.h5")
    assert _first(pickle.loads(pickle.dumps(curves))) == _first(curves)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_first, (curves,)) == _first(curves)
