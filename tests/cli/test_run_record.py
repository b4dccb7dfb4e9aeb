"""The settings of a run in its folder: repeating and resuming it without flags."""

from pathlib import Path

import pytest

from rotary_mae.cli.run_record import RECORD, recorded_settings, recording
from tests.cli.conftest import LONG, SMALL, Files, Romae


def test_a_run_can_be_repeated_from_its_record(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert romae("pretrain", files.long_csv, *LONG, *SMALL, "--out", tmp_path / "a").code == 0
    repeated = romae("pretrain", "--config", tmp_path / "a" / RECORD, "--out", tmp_path / "b")
    assert repeated.code == 0, repeated.err
    weights = [(tmp_path / name / "last" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


def test_resuming_needs_no_flags(romae: Romae, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert romae("pretrain", files.long_csv, *LONG, *SMALL, "--out", out).code == 0
    before = (out / "last" / "model.safetensors").read_bytes()
    result = romae("pretrain", files.long_csv, "--out", out, "--resume")
    assert result.code == 0, result.err
    assert (out / "last" / "model.safetensors").read_bytes() == before


def test_a_run_is_not_resumed_with_other_settings(romae: Romae, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert romae("pretrain", files.long_csv, *LONG, *SMALL, "--out", out).code == 0
    assert "other settings" in romae("pretrain", "--out", out, "--resume", "--learning-rate", "0.5").error
    assert "another command, romae pretrain" in romae("classify", "--out", out, "--resume").error


def test_a_folder_without_a_record_has_no_settings(tmp_path: Path) -> None:
    assert recorded_settings(str(tmp_path), "pretrain") is None


def fail_in(out: Path, other_file: str | None = None) -> None:
    """Start a run that fails before training, after it has written a file."""
    with recording(out, "pretrain", "id: x\n", Path("a.csv"), resume=False):
        assert (out / RECORD).read_text() == f"# romae pretrain --config {RECORD}\nid: x\n"
        if other_file is not None:
            (out / other_file).touch()
        raise ValueError("early")


def test_an_early_error_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="early"):
        fail_in(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_early_error_keeps_other_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="early"):
        fail_in(tmp_path / "run", "notes.txt")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_an_interruption_before_the_first_checkpoint_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt, match="no state was saved"),
        recording(tmp_path / "run", "pretrain", "", Path("a.csv"), resume=False),
    ):
        raise KeyboardInterrupt
