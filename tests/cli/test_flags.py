"""Flags, configuration files, and both together."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.cli.flag_syntax import nested, normalize_flags, value_of
from rotary_mae.cli.flags import Fitting
from rotary_mae.cli.parser import COMMANDS, make_parser
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.training.config import TrainingConfig
from tests.cli.conftest import LONG, SMALL, Files, Romae


def run_json(out: Path) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((out / "run.json").read_text())
    return described


def test_flags_are_spelled_as_people_type_them() -> None:
    typed = "a.csv --learning-rate 1e-3 --resume --out-x=b-c --no-early-stopping --compile false --model.norm-eps 1"
    known = "a.csv --learning_rate 1e-3 --resume=true --out_x=b-c --early_stopping=false --compile false"
    switches = {"resume", "early_stopping", "compile"}
    assert normalize_flags(typed.split(), switches) == [*known.split(), "--model.norm_eps", "1"]
    assert normalize_flags(["--model.decoder.width", "3", "--", "--resume"], switches)[0] == "--model.decoder/width"
    assert normalize_flags(["--resume", "data.csv"], switches) == ["--resume=true", "data.csv"]
    assert normalize_flags(["--", "--a-b"], set()) == ["--", "--a-b"]


def test_nested_settings_and_values() -> None:
    flat = {"width": 3, "decoder": {"width": 1, "depth": 2}, "decoder/width": 5, "a/b/c": 1}
    assert nested(flat) == {"width": 3, "decoder": {"width": 5, "depth": 2}, "a": {"b": {"c": 1}}}
    assert value_of(["--out", "a", "--out=b"], "out") == "b"
    assert value_of(["--outer", "a"], "out") is None


def test_flags_reach_model_and_training(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = "--learning-rate 2e-3 --batch-size 5 --dropout 0.1 --context 1 --unit 3.5 --seed 4 --no-early-stopping"
    deep = (
        "--training.hiding.strategy block --training.hiding.fraction 0.25 --training.betas [0.8,0.9] --model.cls false"
    )
    out = tmp_path / "run"
    said = romae("pretrain", files.long_csv, *LONG, *SMALL, *flags.split(), *deep.split(), "--out", out)
    assert said.code == 0, said.err
    described = run_json(out)
    training, model = described["training"], described["model"]
    assert (training["learning_rate"], training["batch_size"], training["seed"]) == (2e-3, 5, 4)
    assert (training["hiding"]["strategy"], training["hiding"]["fraction"]) == ("block", 0.25)
    assert (training["betas"], training["patience"]) == ([0.8, 0.9], 0)
    assert (model["dropout"], model["context"], model["cls"]) == (0.1, 1, False)
    assert (model["width"], model["decoder"]["heads"]) == (24, 2)
    assert json.loads((out / "last" / "scaling.json").read_text())["unit"][0] == 3.5


def test_flags_go_over_a_configuration(romae: Romae, files: Files, tmp_path: Path) -> None:
    config = tmp_path / "x.yaml"
    columns = {"id": "object_id", "time": "mjd", "channel": "band", "value": ["flux"]}
    model = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}
    training = {"max_steps": 2, "hiding": {"strategy": "times"}}
    config.write_text(yaml.safe_dump({**columns, "epochs": 1, "seed": 3, "model": model, "training": training}))
    flags = "--seed 5 --model.decoder.width 48 --training.hiding.fraction 0.5 --error flux_err"
    said = romae("pretrain", files.long_csv, "--config", config, *flags.split(), "--out", tmp_path / "run")
    assert said.code == 0, said.err
    described = run_json(tmp_path / "run")
    assert described["training"]["seed"] == 5
    assert described["training"]["hiding"]["strategy"] == "times"
    assert described["training"]["hiding"]["fraction"] == 0.5
    assert described["model"]["decoder"]["width"] == 48
    assert described["model"]["n_values"] == 2


def test_a_printed_configuration_comes_back_the_same(romae: Romae, files: Files, tmp_path: Path) -> None:
    config = tmp_path / "printed.yaml"
    flags = [*LONG, *SMALL, "--label", "class", "--no-early-stopping", "--out", tmp_path / "run"]
    printed = romae("classify", files.long_csv, *flags, "--print_config")
    assert printed.code == 0
    assert not (tmp_path / "run").exists()
    config.write_text(printed.out)
    assert romae("classify", "--config", config, "--print_config").out == printed.out
    assert romae("classify", "--config", config).code == 0
    assert romae("classify", files.long_csv, *flags[:-1], tmp_path / "other").code == 0
    assert (tmp_path / "run/last/model.safetensors").read_bytes() == (
        tmp_path / "other/last/model.safetensors"
    ).read_bytes()


def test_a_run_can_be_made_again_from_its_folder(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert romae("pretrain", files.long_csv, *LONG, *SMALL, "--out", tmp_path / "a").code == 0
    again = romae("pretrain", "--config", tmp_path / "a" / "command.yaml", "--out", tmp_path / "b")
    assert again.code == 0, again.err
    weights = [(tmp_path / name / "last" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


def test_resuming_needs_no_flags_again(romae: Romae, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert romae("pretrain", files.long_csv, *LONG, *SMALL, "--out", out).code == 0
    before = (out / "last" / "model.safetensors").read_bytes()
    said = romae("pretrain", files.long_csv, "--out", out, "--resume")
    assert said.code == 0, said.err
    assert (out / "last" / "model.safetensors").read_bytes() == before
    assert "other settings" in romae("pretrain", "--out", out, "--resume", "--learning-rate", "0.5").error
    assert "another command, romae pretrain" in romae("classify", "--out", out, "--resume").error


WRONG = {
    "an unknown flag": ("--epoch 3", r"unrecognized arguments: --epoch 3; did you mean --epochs?"),
    "names not joined": ("--value flux mag", "several columns are joined by commas, as in --value hr,sbp"),
    "no number": ("--epochs three", "--epochs needs a whole number, got 'three'"),
    "no choice": ("--precision fp16", "--precision needs fp32 or bf16, got 'fp16'"),
    "an unknown model setting": ("--model.widht 24", "has no setting 'widht'; did you mean 'width'?"),
    "an unknown decoder setting": ("--model.decoder.hight 2", "DecoderConfig has no setting 'hight'"),
    "an unknown training setting": ("--training.patince 3", "did you mean 'patience'?"),
    "an unknown hiding": ("--training.hiding.strategy blok", "'blok'"),
    "an unknown hiding setting": ("--training.hiding.fractoin 0.5", "did you mean 'fraction'?"),
    "an unknown size": ("--size huge", "size must be one of tiny-shallow"),
    "a missing configuration": ("--config none.yaml", "none.yaml"),
    "a device that is not there": ("--device tpu", "device must be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_are_one_line(romae: Romae, files: Files, tmp_path: Path, case: str) -> None:
    flags, expected = WRONG[case]
    said = romae("pretrain", files.long_csv, *LONG, "--out", tmp_path / "run", *flags.split())
    assert expected in said.error
    assert not list(tmp_path.iterdir())


def test_help_names_every_setting() -> None:
    said = str(Fitting.__doc__)
    own = {f.name for f in fields(Fitting)}
    set_by_data = {"n_values", "n_axes", "size", "decoder", "progress", "seed", "hiding", "augmentation"}
    for config in (RoMAEConfig, TrainingConfig, Augmentation):
        for name in {f.name for f in fields(config)} - own - set_by_data:
            assert name in said, f"{config.__name__}.{name} is not in the help of --model or --training"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_and_flag_is_explained(romae: Romae, command: str) -> None:
    said = romae(command, "--help")
    assert said.code == 0
    from rotary_mae.cli.parser import _function

    parser = make_parser(command, _function(command))
    assert parser.description
    assert not [action.dest for action in parser._actions if not action.help and action.dest != "==SUPPRESS=="]


def test_no_command_and_a_wrong_one(romae: Romae) -> None:
    for arguments in ([], ["--help"]):
        said = romae(*arguments)
        assert said.code == 0
        assert all(command in said.out for command in COMMANDS)
    assert "did you mean pretrain?" in romae("pretain").error
    assert "give a command before flags" in romae("--out", "x").error
    assert romae("--version").out.startswith("rotary-mae ")
