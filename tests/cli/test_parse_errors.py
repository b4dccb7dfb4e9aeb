"""Errors of the parser are one line with what to do."""

from pathlib import Path

import pytest

from rotary_mae.cli.parse_errors import format_parse_error
from tests.cli.conftest import LONG, Files, Romae

WRONG = {
    "an unknown flag": ("--epoch 3", r"unrecognized arguments: --epoch 3; did you mean --epochs?"),
    "names not joined": ("--value flux mag", "several columns are joined by commas, as in --value hr,sbp"),
    "not a number": ("--epochs three", "--epochs needs a whole number, got 'three'"),
    "an unknown choice": ("--precision fp16", "--precision needs fp32 or bf16, got 'fp16'"),
    "an unknown model setting": ("--model.widht 24", "has no setting 'widht'; did you mean 'width'?"),
    "an unknown decoder setting": ("--model.decoder.hight 2", "DecoderConfig has no setting 'hight'"),
    "an unknown training setting": ("--training.patince 3", "did you mean 'patience'?"),
    "an unknown hiding": ("--training.hiding.strategy blok", "'blok'"),
    "an unknown hiding setting": ("--training.hiding.fractoin 0.5", "did you mean 'fraction'?"),
    "an unknown size": ("--size huge", "size must be one of tiny-shallow"),
    "a missing configuration": ("--config none.yaml", "none.yaml"),
    "a missing device": ("--device tpu", "device must be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_are_one_line(romae: Romae, files: Files, tmp_path: Path, case: str) -> None:
    flags, expected = WRONG[case]
    result = romae("pretrain", files.long_csv, *LONG, "--out", tmp_path / "run", *flags.split())
    assert expected in result.error
    assert not list(tmp_path.iterdir())


def test_other_errors_refer_to_the_help() -> None:
    assert format_parse_error("nothing fits", ["--out"], "romae info") == "nothing fits; see romae info --help"
