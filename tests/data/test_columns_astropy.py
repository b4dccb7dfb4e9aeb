"""Tables of astropy: times in MJD, quantities as numbers, masked entries as not observed."""

from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from tests.data.same_tokens import assert_same

table = pytest.importorskip("astropy.table", reason="astropy is not installed")
units = pytest.importorskip("astropy.units")
time = pytest.importorskip("astropy.time")


def light_curves() -> "table.QTable":
    return table.QTable(
        {
            "star": ["a", "a", "a", "b", "b"],
            "when": time.Time([59_000.5, 59_000.75, 59_003.25, 59_001.0, 59_002.0], format="mjd"),
            "band": ["g", "r", "g", "g", "r"],
            "flux": [1.0, 2.0, 3.0, 4.0, 5.0] * units.mJy,
            "error": [0.1, 0.2, 0.3, 0.4, 0.5] * units.mJy,
            "kind": ["RRab", "RRab", "RRab", "RRc", "RRc"],
        }
    )


NAMES = {"id": "star", "time": "when", "channel": "band", "value": "flux", "error": "error", "target": "kind"}


def test_times_become_mjd_and_quantities_numbers() -> None:
    tokens = rm.from_frame(light_curves(), **NAMES)
    assert tokens.positions[:, 0].tolist() == [59_000.5, 59_000.75, 59_003.25, 59_001.0, 59_002.0]
    np.testing.assert_allclose(tokens.values[:, 0], [1, 2, 3, 4, 5])
    assert tokens.channels == ("g", "r")
    assert tokens.targets.tolist() == ["RRab", "RRc"]


def test_masked_entries_are_not_observed() -> None:
    given = table.Table(light_curves(), masked=True)
    given["flux"].mask = [False, True, False, False, False]
    assert rm.from_frame(given, **NAMES).lengths.tolist() == [2, 2]


def test_tables_from_files_become_the_same_tokens(tmp_path: Path) -> None:
    for name in ("stars.fits", "stars.ecsv"):
        light_curves().write(tmp_path / name)
        read = table.QTable.read(tmp_path / name, **({"astropy_native": True} if name.endswith("fits") else {}))
        assert_same(rm.from_frame(read, **NAMES), rm.from_frame(light_curves(), **NAMES))


def test_cells_with_several_numbers_are_lists_of_a_nested_table() -> None:
    nested = table.Table({"star": ["a", "b"], "when": [[1.0, 2.0], [5.0, 7.0]], "flux": [[1.0, 2.0], [3.0, 4.0]]})
    tokens = rm.from_frame(nested, id="star", time="when", value="flux")
    assert tokens.positions[:, 0].tolist() == [1, 2, 5, 7]
    assert tokens.values[:, 0].tolist() == [1, 2, 3, 4]


def test_stacked_time_series_keep_their_objects() -> None:
    series = pytest.importorskip("astropy.timeseries").TimeSeries
    parts = []
    for name in ("x", "y"):
        part = series(time=time.Time([1.0, 2.0], format="mjd"), data={"flux": [1.0, 2.0] * units.mJy})
        part["id"] = name
        parts.append(part)
    tokens = rm.from_frame(table.vstack(parts), value="flux")
    assert tokens.ids.tolist() == ["x", "y"]
    assert tokens.positions[:, 0].tolist() == [1, 2, 1, 2]


def test_estimators_accept_astropy_tables() -> None:
    names = {name: column for name, column in NAMES.items() if name != "error"}
    many = table.vstack([light_curves() for _ in range(6)])
    many["star"] = [f"{star}{i // 5}" for i, star in enumerate(many["star"])]
    tiny = {"width": 16, "heads": 2, "depth": 1}
    fitted = rm.RoMAEClassifier(columns=names, model=tiny, epochs=1, device="cpu", random_state=0).fit(many)
    unlabelled = many.copy()
    unlabelled.remove_column("kind")
    np.testing.assert_array_equal(fitted.predict_proba(unlabelled), fitted.predict_proba(rm.from_frame(many, **names)))


def test_a_missing_column_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match="there is no column 'wen'; did you mean 'when'"):
        rm.from_frame(light_curves(), **{**NAMES, "time": "wen"})


def test_columns_that_cannot_be_read_matter_only_if_they_are_used():
    from astropy.coordinates import SkyCoord

    plain = table.Table({"id": [1, 1], "time": [0.0, 1.0], "value": [1.0, 2.0]})
    plain["place"] = SkyCoord([1, 2] * units.deg, [1, 2] * units.deg)
    plain["mixed"] = np.array([1, "a"], object)
    assert rm.from_frame(plain).lengths.tolist() == [2]
    for name in ("place", "mixed"):
        with pytest.raises(ValueError, match=f"column '{name}' cannot be read"):
            rm.from_frame(plain, static=name)
