"""Supernova challenge: small archives in its format, and the counts of the original."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.datasets import load_snpcc
from rotary_mae.datasets.snpcc import read_snpcc

SUPERNOVA = """SURVEY: DES
SNID:   {snid}
IAUC:    UNKNOWN
SNTYPE:  {sntype}
FILTERS: griz
SIM_COMMENT:  SN Type = {type} , MODEL = SDSS-017564
NOBS: 4
NVAR: 9
VARLIST:  MJD  FLT FIELD   FLUXCAL   FLUXCALERR   SNR    MAG     MAGERR  SIM_MAG
OBS:  56194.145  r NULL  -2.684e+00   4.678e+00  -0.57   99.000    5.000   98.995
OBS:  56188.148  i NULL  -2.575e+01   1.796e+01  -1.43   99.000    5.000   98.995
OBS:  56188.148  g NULL   5.207e-01   3.995e+00   0.13   99.000    5.000   99.041
DETECTION:  1 MJDs satisfy g+r+i+z
OBS:  56200.000  z NULL  -9.000e+00  -9.000e+00   0.00   99.000    5.000   99.041
END:
"""
FIRST = SUPERNOVA.format(snid=17, sntype=-9, type="Ia")
SECOND = SUPERNOVA.format(snid=19, sntype=22, type="II")
Write = Callable[[Path, dict[str, str]], Path]


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_a_small_archive_becomes_tokens(tmp_path: Path, write_tar: Write, suffix: str) -> None:
    files = {"photo.list": "DES_SN000017.DAT", "DES_SN000017.DAT": FIRST, "DES_SN000019.DAT": SECOND}
    tokens, is_spectroscopic = read_snpcc(write_tar(tmp_path / f"SIMGEN.tar.{suffix}", files))
    assert tokens.channels == ("g", "r", "i", "z")
    assert tokens.schema.roles == ("value", "error")
    assert tokens.ids.tolist() == [17, 19]
    assert tokens.targets is not None
    assert tokens.targets.tolist() == ["Ia", "II"]
    assert is_spectroscopic.tolist() == [False, True]
    assert tokens.lengths.tolist() == [3, 3]
    assert tokens[1].positions.tolist() == [[56188.148, 0], [56188.148, 2], [56194.145, 1]]
    np.testing.assert_allclose(tokens[1].values[0], [0.5207, 3.995])


def test_failed_observations_are_kept_if_requested(tmp_path: Path, write_tar: Write) -> None:
    archive = write_tar(tmp_path / "SIMGEN.tar.gz", {"DES_SN000017.DAT": FIRST})
    assert read_snpcc(archive, with_failed=True)[0].values[-1].tolist() == [-9, -9]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"photo.list": ""}, "no supernovae"),
        ({"a.DAT": FIRST.replace("SIM_COMMENT", "COMMENT")}, "a.DAT has no line like .*SN Type"),
        ({"a.DAT": FIRST.replace("VARLIST", "LIST")}, "a.DAT has no line like .*VARLIST"),
        ({"a.DAT": FIRST.replace("FLUXCALERR", "FLUXERR")}, "VARLIST must name .*FLUXCALERR"),
        ({"a.DAT": FIRST.replace(" r NULL", " Y NULL")}, "filter 'Y' is none of"),
        ({"a.DAT": FIRST.replace("-2.684e+00", "bright")}, "not the table.*bright"),
        ({"a.DAT": FIRST.replace("NOBS: 4", "NOBS: 5")}, "a.DAT has 4 observations, but NOBS is 5"),
    ],
)
def test_damaged_and_other_archives_are_errors(
    tmp_path: Path, write_tar: Write, files: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_snpcc(write_tar(tmp_path / "SIMGEN.tar.gz", files))


@pytest.mark.slow
def test_counts_of_the_original(need_originals: Callable[..., None]) -> None:
    need_originals("snpcc/SIMGEN_PUBLIC_DES.tar.xz")
    tokens, is_spectroscopic = load_snpcc(with_failed=True)
    assert len(tokens) == 21_319
    assert tokens.n_tokens == 2_052_860
    assert (tokens.lengths.min(), tokens.lengths.max()) == (16, 161)
    assert is_spectroscopic.sum() == 1103
    types = dict(zip(*np.unique(tokens.targets, return_counts=True), strict=True))
    assert set(types) == {"Ia", "II", "IIn", "IIP", "IIL", "Ib", "Ic", "Ibc"}
    assert types["Ia"] == 5088
    failed = tokens.values[:, 1] <= 0
    assert failed.sum() == 20
    assert set(tokens.ids[tokens.sample_idx[failed]]) == {396420}
