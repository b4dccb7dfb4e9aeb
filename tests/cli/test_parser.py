"""Commands, their help, configuration files and flags together."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotary_mae.cli.parser import COMMANDS, command_function, make_parser
from tests.cli.conftest import LONG, SMALL, Files, Romae


def run_json(out: Path) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((out / "run.json").read_text())
    return described


def test_flags_reach_model_and_training(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = "--learning-rate 2e-3 --batch-size 5 --dropout 0.1 --context 1 --unit 3.5 --seed 4 --no-early-stopping"
    deep = (
        "--training.hiding.strategy block --training.hiding.fraction 0.25 --training.betas [0.8,0.9] --model.cls false"
    )
    out = tmp_path / "run"
    result = romae("pretrain", files.long_csv, *LONG, *SMALL, *flags.split(), *deep.split(), "--out", out)
    assert result.code == 0, result.err
    described = run_json(out)
    training, model = described["training"], described["model"]
    assert (training["learning_rate"], training["batch_size"], training["seed"]) == (2e-3, 5, 4)
    assert (training["hiding"]["strategy"], training["hiding"]["fraction"]) == ("block", 0.25)
    assert (training["betas"], training["patience"]) == ([0.8, 0.9], 0)
    assert (model["dropout"], model["context"], model["cls"]) == (0.1, 1, False)
    assert (model["width"], model["decoder"]["heads"]) == (24, 2)
    assert json.loads((out / "last" / "scaling.json").read_text())["unit"][0] == 3.5


def test_flags_take_precedence_over_a_configuration(romae: Romae, files: Files, tmp_path: Path) -> None:
    config = tmp_path / "x.yaml"
    columns = {"id": "object_id", "time": "mjd", "channel": "band", "value": ["flux"]}
    model = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}
    training = {"max_steps": 2, "hiding": {"strategy": "times"}}
    config.write_text(yaml.safe_dump({**columns, "epochs": 1, "seed": 3, "model": model, "training": training}))
    flags = "--seed 5 --model.decoder.width 48 --training.hiding.fraction 0.5 --error flux_err"
    result = romae("pretrain", files.long_csv, "--config", config, *flags.split(), "--out", tmp_path / "run")
    assert result.code == 0, result.err
    described = run_json(tmp_path / "run")
    assert described["training"]["seed"] == 5
    assert described["training"]["hiding"]["strategy"] == "times"
    assert described["training"]["hiding"]["fraction"] == 0.5
    assert described["model"]["decoder"]["width"] == 48
    assert described["model"]["n_values"] == 2


def test_a_printed_configuration_gives_the_same_run(romae: Romae, files: Files, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_is_explained(romae: Romae, command: str) -> None:
    assert romae(command, "--help").code == 0
    parser = make_parser(command)
    assert parser.description == command_function(command).__doc__.partition("\n\n    Parameters\n")[0].replace(
        "\n    ", "\n"
    )
    assert [action.dest for action in parser._actions if not action.help and action.dest != "==SUPPRESS=="] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_flags_with_dashes_and_no_python_types(romae: Romae, command: str) -> None:
    text = romae(command, "--help").out
    assert re.findall(r"--[a-z]+_\w*", text) == []
    assert re.findall(r"\+ VALUE|type:|null|\(required\)\s+--help|Parameters", text) == []
    assert text.startswith(f"usage: romae {command}")


def test_the_overview_lists_every_command(romae: Romae) -> None:
    for arguments in ([], ["--help"]):
        result = romae(*arguments)
        assert result.code == 0
        assert all(command in result.out for command in COMMANDS)


def test_a_wrong_command_gets_a_suggestion(romae: Romae) -> None:
    assert "did you mean pretrain?" in romae("pretain").error
    assert "there are demo, pretrain" in romae("xyz").error
    assert "give a command before flags" in romae("--out", "x").error
    assert romae("--version").out.startswith("rotary-mae ")


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from rotary_mae.cli.__main__ import main\n"
        "for arguments in (['--help'], ['pretrain', '--help'], ['predict', '--help'], ['report', '--help']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit: pass\n"
        "slow = {'torch', 'sklearn', 'scipy', 'pyarrow', 'matplotlib', 'numpy'}\n"
        "print(sorted(slow & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
