"""PhysioNet 2012: a small archive in its format, and the counts of the original."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets import load_physionet2012
from rotary_mae.datasets.physionet2012 import SERIES, STATICS, read_physionet2012

HEAD = "Time,Parameter,Value\n"
FIRST = "00:00,RecordID,5\n00:00,Age,54\n00:00,Gender,-1\n00:00,Height,-1\n00:00,ICUType,4\n00:00,Weight,-1\n"
FIRST += "00:07,HR,73\n00:07,Temp,-17.8\n00:07,HR,74\n48:00,GCS,15\n"
SECOND = "00:00,RecordID,9\n00:00,Age,60\n00:00,Gender,1\n00:00,Height,170\n00:00,ICUType,1\n"
SECOND += "00:00,Weight,80.5\n01:30,Weight,81\n02:00,pH,7.5\n"
BARE = "00:00,RecordID,6\n00:00,Age,70\n00:00,ICUType,2\n00:00,Weight,70\n"
STAYS = {"5.txt": HEAD + FIRST, "6.txt": HEAD + BARE, "9.txt": HEAD + SECOND}
OUTCOMES = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n"
OUTCOMES += "9,6,1,5,-1,1\n5,6,1,5,-1,0\n6,1,1,1,1,0\n"
Write = Callable[[Path, dict[str, str]], Path]


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    path = tmp_path / "Outcomes-a.txt"
    path.write_text(OUTCOMES)
    return path


@pytest.fixture
def archive(tmp_path: Path, write_tar: Write) -> Path:
    return write_tar(tmp_path / "set-a.tar.gz", STAYS)


def named(tokens: TokenSet) -> list[tuple[float, str, float]]:
    """(minute, name, value) of every token."""
    names = (*tokens.schema.channels, *tokens.schema.statics)
    rows = zip(tokens.positions.tolist(), tokens.values[:, 0].tolist(), strict=True)
    return [(minute, names[int(index)], pytest.approx(value)) for (minute, index), value in rows]


def test_variables_are_those_of_the_challenge() -> None:
    assert len(SERIES) == 37
    assert list(SERIES) == sorted(SERIES)
    assert not set(SERIES) & set(STATICS)


def test_descriptors_precede_the_first_measurement_at_its_time(archive: Path, outcomes: Path) -> None:
    tokens = read_physionet2012(archive, outcomes)
    assert tokens.schema.statics == STATICS
    assert tokens.channels == SERIES
    assert tokens.ids.tolist() == [5, 9]  # stay 6 has descriptors only
    assert tokens.targets is not None
    assert tokens.targets.tolist() == [0, 1]
    first = [
        (7, "Age", 54),
        (7, "ICUType", 4),
        (7, "HR", 73),
        (7, "Temp", -17.8),
        (7, "HR", 74),
        (2880, "GCS", 15),
    ]
    assert named(tokens[0]) == first
    second = [(0, "Age", 60), (0, "Gender", 1), (0, "Height", 170), (0, "ICUType", 1)]
    assert named(tokens[1]) == [*second, (0, "Weight", 80.5), (90, "Weight", 81), (120, "pH", 7.5)]
    assert tokens.is_static.tolist() == [True] * 2 + [False] * 4 + [True] * 4 + [False] * 3


def test_descriptors_as_channels_stay_at_minute_0(archive: Path, outcomes: Path) -> None:
    tokens = read_physionet2012(archive, outcomes, as_channels=True)
    assert len(tokens.channels) == 41
    assert list(tokens.channels) == sorted(tokens.channels)
    assert not tokens.schema.statics
    assert not tokens.is_static.any()
    assert named(tokens[0])[:3] == [(0, "Age", 54), (0, "ICUType", 4), (7, "HR", 73)]


def test_descriptors_can_be_left_out(archive: Path, outcomes: Path) -> None:
    some = read_physionet2012(archive, outcomes, statics=["ICUType", "Age"])
    assert some.schema.statics == ("Age", "ICUType")
    none = read_physionet2012(archive, outcomes, statics=())
    assert read_physionet2012(archive, outcomes, statics=(), as_channels=True).channels == SERIES
    assert none.schema.statics == ()
    assert none.lengths.tolist() == [4, 3]


def test_wrong_arguments_are_errors(archive: Path, outcomes: Path) -> None:
    with pytest.raises(ValueError, match=r"statics.*got \['Weight'\]"):
        read_physionet2012(archive, outcomes, statics=("Weight",))
    for sets in ("ab", (), ("c",), ("a", "a")):
        with pytest.raises(ValueError, match="sets must be"):
            load_physionet2012(sets)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"README": "text"}, "no stays"),
        ({"5.txt": HEAD + FIRST.replace("HR", "HeartRate")}, "'HeartRate' is not a variable of the challenge"),
        ({"5.txt": HEAD + FIRST.replace("73", "many")}, "set-a.tar.gz is not the table.*many"),
        ({"5.txt": HEAD + FIRST.replace("00:07", "7h")}, "'7h' is not a time"),
        ({"5.txt": HEAD + FIRST.replace("RecordID", "Age")}, "RecordID exactly once"),
        ({"8.txt": HEAD + FIRST.replace("RecordID,5", "RecordID,8")}, r"no outcome for 1 stays.*\[8\]"),
    ],
)
def test_damaged_and_other_archives_are_errors(
    tmp_path: Path, outcomes: Path, write_tar: Write, files: dict[str, str], message: str
) -> None:
    archive = write_tar(tmp_path / "set-a.tar.gz", files)
    with pytest.raises(ValueError, match=message):
        read_physionet2012(archive, outcomes)


def test_outcomes_without_their_columns_are_an_error(archive: Path, outcomes: Path) -> None:
    outcomes.write_text("RecordID,Died\n5,0\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['In-hospital_death'\]"):
        read_physionet2012(archive, outcomes)


@pytest.mark.slow
def test_counts_of_the_original(need_originals: Callable[..., None]) -> None:
    need_originals(*(f"physionet2012/{name}" for s in "ab" for name in (f"set-{s}.tar.gz", f"Outcomes-{s}.txt")))
    tokens = load_physionet2012()
    assert len(tokens) == 4000 - 3 + 4000 - 7
    assert tokens.targets is not None
    assert tokens.targets.sum() == 554 + 568
    # all rows, less the missing descriptors (-1) and those of the stays that are left out
    descriptors = (1894 + 3 + 326) + (1930 + 5 + 347)
    assert tokens.n_tokens == 1_753_980 + 1_758_535 - descriptors - 32
    assert tokens.positions[:, 0].min() == 0
    assert tokens.positions[:, 0].max() == 2880
    assert np.diff(tokens.positions[:, 0])[np.diff(tokens.sample_idx) == 0].min() >= 0
