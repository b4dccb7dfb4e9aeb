"""Folders of models: the same outputs after loading, nothing half written, every shared weight transferred."""

import json
import shutil

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.models import pretrained as checkpoint
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
def test_saved_and_loaded_gives_the_same_output(make, tmp_path):
    model = loud(make())
    model.save_pretrained(tmp_path / "model")
    loaded = type(model).from_pretrained(tmp_path / "model")
    assert torch.equal(output(loaded), output(model))
    assert loaded.config == model.config
    assert not loaded.training
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"config.json", "model.safetensors"}


def test_an_answer_a_token_and_the_scaling_come_back(tmp_path):
    model = rm.RoMAEForPrediction(small_config(), outputs=2, per="token")
    model.scaling = rm.Scaling.fit(some_measurements())
    model.save_pretrained(tmp_path / "model")
    loaded = rm.RoMAEForPrediction.from_pretrained(str(tmp_path / "model"))
    assert (loaded.outputs, loaded.per) == (2, "token")
    assert loaded.scaling == model.scaling


def test_saving_again_replaces_everything(tmp_path):
    first = rm.RoMAEForPreTraining(small_config())
    first.scaling = rm.Scaling.fit(some_tokens())
    first.save_pretrained(tmp_path / "model")
    second = loud(rm.RoMAEForPreTraining(small_config()))
    second.save_pretrained(tmp_path / "model")
    loaded = rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")
    assert torch.equal(output(loaded), output(second))
    assert loaded.scaling is None


def test_saving_leaves_what_is_not_a_model_alone(tmp_path):
    for mine in ("model/notes.txt", "model/data/a.csv", "model.old/notes.txt", "model.partial/notes.txt"):
        (tmp_path / mine).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mine).write_text("mine")
    for _ in range(2):
        rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    assert sum(path.read_text() == "mine" for path in tmp_path.rglob("*.[tc]*") if path.is_file()) == 4
    rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "data.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"data\.csv is a file.*another name"):
        rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "data.csv")
    assert (tmp_path / "data.csv").read_text() == "mine"


def test_a_save_that_fails_leaves_the_old_folder(tmp_path, monkeypatch):
    model = loud(rm.RoMAEForPreTraining(small_config()))
    model.save_pretrained(tmp_path / "model")

    def no_space(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_file", no_space)
    with pytest.raises(OSError, match="no space"):
        rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    assert torch.equal(output(rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")), output(model))


def leave(tmp_path, *, folder=False, old=False, partial=False):
    """What a save leaves that was killed: the named folders, complete ones."""
    model = loud(rm.RoMAEForPreTraining(small_config()))
    model.save_pretrained(tmp_path / "saved")
    for name, is_there in (("model", folder), (".model.replaced", old), (".model.partial", partial)):
        if is_there:
            shutil.copytree(tmp_path / "saved", tmp_path / name)
    shutil.rmtree(tmp_path / "saved")
    return model


def test_killed_between_the_renames_the_old_folder_is_loaded(tmp_path):
    model = leave(tmp_path, old=True, partial=True)
    assert torch.equal(output(rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")), output(model))


def test_killed_after_the_renames_the_user_s_files_come_back_with_the_next_save(tmp_path):
    leave(tmp_path, folder=True, old=True)
    (tmp_path / ".model.replaced" / "notes.txt").write_text("mine")
    rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


@pytest.mark.parametrize("inside", ["best", "last"])
def test_killed_between_the_renames_inside_a_run_folder(tmp_path, inside):
    model = leave(tmp_path, old=True)
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
def test_whatever_a_killed_save_left_the_next_one_works(tmp_path, left):
    leave(tmp_path, **left)
    model = loud(rm.RoMAEForPreTraining(small_config()), seed=1)
    for _ in range(2):
        model.save_pretrained(tmp_path / "model")
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    assert torch.equal(output(rm.RoMAEForPreTraining.from_pretrained(tmp_path / "model")), output(model))


@pytest.fixture
def saved(tmp_path):
    rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_wrong_class_says_how_to_go_on(saved):
    with pytest.raises(ValueError, match=r"a RoMAEForPreTraining, not a RoMAEForPrediction.*rotary_mae\.transfer"):
        rm.RoMAEForPrediction.from_pretrained(saved)


@pytest.mark.parametrize("n_bytes", [0, 5, 100, -4])
def test_truncated_weights_say_so(saved, n_bytes):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read .*truncated"):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_missing_files_say_which(saved, tmp_path):
    (saved / "config.json").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"has model\.safetensors but no config\.json"):
        rm.RoMAEForPreTraining.from_pretrained(saved)
    (saved / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"holds no model: expected config\.json and model\.safetensors"):
        rm.RoMAEForPreTraining.from_pretrained(saved)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        rm.RoMAEForPreTraining.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", r"config\.json is not JSON"),
        ("{}", "is not a configuration of this library"),
        ("[]", "is not a configuration of this library"),
        ('{"format": 99, "model": "RoMAEForPreTraining", "config": {}}', r"\(format 1\)"),
    ],
)
def test_a_strange_config_says_so(saved, text, says):
    (saved / "config.json").write_text(text)
    with pytest.raises(ValueError, match=says):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_a_file_is_no_folder(saved):
    with pytest.raises((ValueError, FileNotFoundError), match="no folder"):
        rm.RoMAEForPreTraining.from_pretrained(saved / "config.json")


def test_defect_17_an_unknown_setting_in_a_file_is_an_error(saved):
    described = json.loads((saved / "config.json").read_text())
    described["config"]["rope_bas"] = 10.0
    (saved / "config.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"no setting 'rope_bas'; did you mean 'rope_base'\?"):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_defect_16_weights_of_other_names_are_an_error(saved):
    from safetensors.torch import load_file, save_file

    weights = load_file(saved / "model.safetensors")
    save_file({f"model.{name}": weight for name, weight in weights.items()}, saved / "model.safetensors")
    with pytest.raises((RuntimeError, ValueError), match="mask_token"):
        rm.RoMAEForPreTraining.from_pretrained(saved)


def test_defect_1_fine_tuning_starts_with_every_shared_weight_projection_included():
    source = loud(rm.RoMAEForPreTraining(small_config(context=2)))
    target = rm.RoMAEForPrediction(small_config(context=2), outputs=3)
    head = {k: v.clone() for k, v in target.head.state_dict().items()}
    report = rm.transfer(source, target)
    for name, weight in source.encoder.state_dict().items():
        assert torch.equal(target.encoder.state_dict()[name], weight), name
        assert f"encoder.{name}" in report.copied
    assert {"encoder.projection.weight", "encoder.projection.bias", "encoder.cls", "encoder.context.weight"} <= set(
        report.copied
    )
    assert set(report.new) == {f"head.{name}" for name in head}
    assert all(torch.equal(target.head.state_dict()[name], weight) for name, weight in head.items())
    assert set(report.copied) | set(report.left) == set(source.state_dict())
    assert set(report.copied) | set(report.new) == set(target.state_dict())
    assert not set(report.copied) & (set(report.new) | set(report.left))
    assert str(report).startswith(f"copied {len(report.copied)} weights (encoder.cls, ")
    batch = rm.TokenBatch.collate(some_tokens())
    assert torch.equal(source.encoder(batch).states, target.eval().encoder(batch).states)


@pytest.mark.parametrize(("outputs", "is_shared"), [(3, True), (4, False)])
def test_a_head_is_shared_only_with_the_same_outputs(outputs, is_shared):
    source = loud(rm.RoMAEForPrediction(small_config(), outputs=3))
    report = rm.transfer(source, rm.RoMAEForPrediction(small_config(), outputs=outputs))
    assert ("head.linear.weight" in report.copied) == is_shared


def test_a_transferred_model_is_the_source():
    source, target = loud(rm.RoMAEForPreTraining(small_config())), rm.RoMAEForPreTraining(small_config())
    report = rm.transfer(source, target)
    assert not report.new
    assert not report.left
    assert torch.equal(output(source), output(target))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_values": 3}, "n_values is 2 in the source and 3 in the target"),
        ({"rope_base": 50.0}, "rope_base is 10000.0 in the source and 50.0 in the target"),
        ({"depth": 3}, "depth is 2 in the source and 3 in the target"),
        ({"cls": False}, "cls is True in the source and False in the target"),
        ({"hidden": 44}, r"cannot transfer encoder\.stack\.blocks\.0\.up: shape \(40, 24\) in the source"),
    ],
)
def test_models_that_do_not_fit_are_not_mixed(changes, says):
    source, target = rm.RoMAEForPreTraining(small_config()), rm.RoMAEForPrediction(small_config(**changes), outputs=2)
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(ValueError, match=says):
        rm.transfer(source, target)
    assert all(torch.equal(v, before[k]) for k, v in target.state_dict().items())


def test_compile_takes_no_arguments():
    with pytest.raises(TypeError, match="compile takes no arguments"):
        rm.RoMAEForPreTraining(small_config()).compile(mode="max-autotune")


def test_a_model_in_evaluation_repeats_and_draws_nothing():
    model = loud(rm.RoMAEForPreTraining(small_config(dropout=0.5, drop_path=0.5)))
    state = torch.get_rng_state()
    assert torch.equal(output(model), output(model))
    assert torch.equal(torch.get_rng_state(), state)
    model.train()
    assert not np.allclose(*(model(BATCH).prediction.detach() for _ in range(2)))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [(0, 2, "the weights of 2 neighbours are new"), (3, 0, "the weights of 3 neighbours are left")],
)
def test_local_context_may_be_switched_on_or_off_and_the_report_says_so(before, after, says):
    source = rm.RoMAEForPreTraining(small_config(context=before))
    report = rm.transfer(source, rm.RoMAEForPrediction(small_config(context=after), outputs=2))
    assert says in str(report)
    assert ("encoder.context.weight" in report.new) == (after > 0)
    assert ("encoder.context.weight" in report.left) == (before > 0)


def test_local_context_of_another_width_is_an_error_that_says_what_to_give():
    source = rm.RoMAEForPreTraining(small_config(context=3))
    with pytest.raises(ValueError, match=r"context is 3 in the source and 2 in the target; give the target context=3, or 0"):
        rm.transfer(source, rm.RoMAEForPrediction(small_config(context=2), outputs=2))
