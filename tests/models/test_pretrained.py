"""Saved models have the same outputs after loading, and are replaced as a whole or not at all."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import rotary_mae as rm
from rotary_mae.models import pretrained
from tests.builders import loud, small_config, some_measurements, some_tokens

BATCH = rm.TokenBatch.collate(some_tokens()).hide(0.6, seed=0)


def output(model):
    out = model.eval()(BATCH)
    return out.prediction if hasattr(out, "prediction") else out.logits


MAKERS = {
    "pretraining": lambda: rm.RoMAEForPreTraining(small_config(distribution="gaussian", timescales=((1.0, 3.0),))),
    "context": lambda: rm.RoMAEForPreTraining(small_config(context=2)),
    "prediction": lambda: rm.RoMAEForPrediction(small_config(cls=False), outputs=5),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_loaded_model_has_the_outputs_of_the_saved_one(make, tmp_path):
    model = loud(make())
    model.save_pretrained(tmp_path / "model")
    loaded = type(model).from_pretrained(tmp_path / "model")
    assert torch.equal(output(loaded), output(model))
    assert loaded.config == model.config
    assert not loaded.training
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"config.json", "model.safetensors"}


def test_arguments_and_scaling_are_saved(tmp_path):
    model = rm.RoMAEForPrediction(small_config(), outputs=2, per="token")
    model.scaling = rm.Scaling.fit(some_measurements())
    model.save_pretrained(tmp_path / "model")
    loaded = rm.RoMAEForPrediction.from_pretrained(str(tmp_path / "model"))
    assert (loaded.outputs, loaded.per) == (2, "token")
    assert loaded.scaling == model.scaling


def test_saving_again_replaces_weights_and_scaling(tmp_path):
    first = rm.RoMAEForPreTraining(small_config())
    first.scaling = rm.Scaling.fit(some_tokens())
    first.save_pretrained(tmp_path / "model")
    second = loud(rm.RoMAEForPreTraining(small_config()))
    second.save_pretrained(tmp_path / "model")
    loaded = rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")
    assert torch.equal(output(loaded), output(second))
    assert loaded.scaling is None


def test_saving_keeps_other_files(tmp_path):
    for name in ("model/notes.txt", "model/data/a.csv", "model.old/notes.txt", "model.partial/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    for _ in range(2):
        rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    assert sum(path.read_text() == "mine" for path in tmp_path.rglob("*.[tc]*") if path.is_file()) == 4
    rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "data.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"data\.csv is a file.*another name"):
        rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "data.csv")
    assert (tmp_path / "data.csv").read_text() == "mine"


def test_a_save_that_fails_keeps_the_old_model(tmp_path, monkeypatch):
    model = loud(rm.RoMAEForPreTraining(small_config()))
    model.save_pretrained(tmp_path / "model")

    def no_space(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(pretrained, "save_file", no_space)
    with pytest.raises(OSError, match="no space"):
        rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    assert torch.equal(output(rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")), output(model))


def interrupted_save(tmp_path, *, folder=False, old=False, partial=False):
    """Make the folders that a killed save can leave, each with a complete model; return the model."""
    model = loud(rm.RoMAEForPreTraining(small_config()))
    model.save_pretrained(tmp_path / "saved")
    for name, is_there in (("model", folder), (".model.replaced", old), (".model.partial", partial)):
        if is_there:
            shutil.copytree(tmp_path / "saved", tmp_path / name)
    shutil.rmtree(tmp_path / "saved")
    return model


def test_after_a_save_killed_between_its_renames_the_old_model_is_loaded(tmp_path):
    model = interrupted_save(tmp_path, old=True, partial=True)
    assert torch.equal(output(rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")), output(model))


def test_after_a_save_killed_after_its_renames_the_next_save_restores_other_files(tmp_path):
    interrupted_save(tmp_path, folder=True, old=True)
    (tmp_path / ".model.replaced" / "notes.txt").write_text("mine")
    rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


@pytest.mark.parametrize("inside", ["best", "last"])
def test_after_a_killed_save_the_old_model_in_a_run_folder_is_loaded(tmp_path, inside):
    model = interrupted_save(tmp_path, old=True)
    (tmp_path / "run").mkdir()
    (tmp_path / ".model.replaced").rename(tmp_path / "run" / f".{inside}.replaced")
    assert torch.equal(output(rm.RoMAEForPreTraining.from_pretrained(tmp_path / "run")), output(model))


@pytest.mark.parametrize(
    "left",
    [
        {"folder": True, "partial": True},
        {"old": True, "partial": True},
        {"folder": True, "old": True},
        {"folder": True, "old": True, "partial": True},
    ],
)
def test_the_save_after_a_killed_one_works_whatever_was_left(tmp_path, left):
    interrupted_save(tmp_path, **left)
    model = loud(rm.RoMAEForPreTraining(small_config()), seed=1)
    for _ in range(2):
        model.save_pretrained(tmp_path / "model")
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    assert torch.equal(output(rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")), output(model))


@pytest.fixture
def saved(tmp_path):
    rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_loading_by_another_class_is_refused(saved):
    with pytest.raises(ValueError, match=r"a RoMAEForPreTraining, not a RoMAEForPrediction.*rotary_mae\.transfer"):
        rm.RoMAEForPrediction.from_pretrained(saved)


@pytest.mark.parametrize("n_bytes", [0, 5, 100, -4])
def test_truncated_weights_are_refused(saved, n_bytes):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read .*truncated"):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_missing_files_are_named(saved, tmp_path):
    (saved / "config.json").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"has model\.safetensors but no config\.json"):
        rm.RoMAEForPreTraining.from_pretrained(saved)
    (saved / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"holds no model: expected config\.json and model\.safetensors"):
        rm.RoMAEForPreTraining.from_pretrained(saved)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        rm.RoMAEForPreTraining.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"config\.json is not JSON"),
        ("{}", "is not a configuration of this library"),
        ("[]", "is not a configuration of this library"),
        ('{"format": 99, "model": "RoMAEForPreTraining", "config": {}}', r"\(format 1\)"),
    ],
)
def test_an_invalid_config_file_is_refused(saved, text, message):
    (saved / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_a_file_in_place_of_a_folder_is_refused(saved):
    with pytest.raises((ValueError, FileNotFoundError), match="no folder"):
        rm.RoMAEForPreTraining.from_pretrained(saved / "config.json")


def test_an_unknown_setting_in_a_config_file_is_refused(saved):
    """The official code ignores unknown settings."""
    description = json.loads((saved / "config.json").read_text())
    description["config"]["rope_bas"] = 10.0
    (saved / "config.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"no setting 'rope_bas'; did you mean 'rope_base'\?"):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_weights_with_other_names_are_refused(saved):
    """The official code loads nothing then, without an error."""
    weights = load_file(saved / "model.safetensors")
    save_file({f"model.{name}": weight for name, weight in weights.items()}, saved / "model.safetensors")
    with pytest.raises((RuntimeError, ValueError), match="mask_token"):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_compile_refuses_arguments():
    with pytest.raises(TypeError, match="compile takes no arguments"):
        rm.RoMAEForPreTraining(small_config()).compile(mode="max-autotune")


def test_a_model_in_evaluation_mode_is_deterministic_and_draws_no_random_numbers():
    model = loud(rm.RoMAEForPreTraining(small_config(dropout=0.5, drop_path=0.5)))
    state = torch.get_rng_state()
    assert torch.equal(output(model), output(model))
    assert torch.equal(torch.get_rng_state(), state)
    model.train()
    torch.manual_seed(0)
    assert not np.allclose(*(model(BATCH).prediction.detach() for _ in range(2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_an_error_that_names_weight_and_file(bad, tmp_path):
    model = rm.RoMAEForPrediction(small_config(), outputs=2)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["head.linear.weight"][0, 0] = bad
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be used: 1 of .* weight 'head.linear.weight' are"):
        rm.RoMAEForPrediction.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"head\.linear\.weight"):
        rm.load(tmp_path)
