"""The ATAT file: padding becomes no token, and data sets of the file choose the rows."""

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.datasets.atat import AtatLightCurves, load_atat
from tests.reproduce.archives import write_atat


def test_padding_becomes_no_token(tmp_path: Path) -> None:
    written = write_atat(tmp_path / "small.h5", n=12)
    curves = AtatLightCurves(tmp_path / "small.h5")
    assert isinstance(curves, rm.Source)
    assert curves.lengths.tolist() == written["mask"].sum((1, 2)).tolist()
    some = curves[[7, 2, 7]]
    assert some.ids.tolist() == written["SNID"][[7, 2, 7]].tolist()
    assert np.array_equal(some[0].values, some[2].values)
    is_observed = written["mask"][2] > 0
    for column, name in enumerate(("data", "data-var")):
        assert np.allclose(np.sort(some[1].values[:, column]), np.sort(written[name][2][is_observed]))
    assert (np.diff(some[1].positions[:, 0]) >= 0).all()
    _, channel = np.nonzero(is_observed)
    assert np.bincount(channel).tolist() == np.bincount(some[1].positions[:, 1].astype(int)).tolist()


def test_parts_and_alerts_choose_rows_and_measurements(tmp_path: Path) -> None:
    path = tmp_path / "small.h5"
    written = write_atat(path, n=12)
    parts = {name: AtatLightCurves(path, name) for name in ("training_0", "validation_0", "test")}
    ids = np.concatenate([part.ids for part in parts.values()])
    assert sorted(ids.tolist()) == sorted(written["SNID"].tolist())
    assert parts["test"].targets.tolist() == written["labels"][written["test"]].tolist()
    alerts = AtatLightCurves(path, alerts_only=True)
    assert len(alerts) == 11, "one light curve has no alert"
    assert alerts[:].n_tokens == written["mask_alert"].sum()
    with pytest.raises(ValueError, match=r"no datasets \['training_7'\]; it has SNID, data, "):
        AtatLightCurves(path, "training_7")


def first_values(curves: AtatLightCurves) -> list[float]:
    return curves[0].values[:, 0].tolist()


def test_each_process_opens_the_file_for_itself(tmp_path: Path) -> None:
    write_atat(tmp_path / "small.h5", n=12)
    curves = AtatLightCurves(tmp_path / "small.h5")
    assert first_values(pickle.loads(pickle.dumps(curves))) == first_values(curves)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(first_values, (curves,)) == first_values(curves)


def test_a_missing_file_is_an_error_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"get_data\.py"):
        load_atat()
