"""Files of a run, and files of others that a run does not touch."""

import json
from importlib.metadata import version

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.training.run_folder import RunFolder, fingerprint, fingerprint_indices
from tests.training.runs import (
    LENGTHS,
    WatchedSource,
    assert_same_weights,
    autoencoder,
    classifier,
    quiet,
    request_shutdown,
    waves,
)


def test_every_epoch_is_a_line_of_metrics(tmp_path):
    result = rm.train(classifier(), waves(), quiet(evaluate_every=2), validation=waves(seed=1), out=tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines == result.history
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert [line["step"] for line in lines] == [5, 10, 15, 20]
    assert ["validation_loss" in line for line in lines] == [False, True, False, True]
    assert {"loss", "learning_rate", "seconds", "samples_per_second"} <= set(lines[0])
    assert lines[3]["seconds"] >= lines[0]["seconds"] > 0


def test_the_last_epoch_is_always_evaluated(tmp_path):
    config = quiet(evaluate_every=3, max_steps=17)
    history = rm.train(classifier(), waves(), config, validation=waves(seed=1)).history
    assert "validation_loss" in history[-1]
    assert history[-1]["step"] == 17


def test_run_json_describes_the_run(tmp_path):
    model, config = classifier(), quiet()
    rm.train(model, waves(), config, out=tmp_path / "run")
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert rm.TrainingConfig.from_dict(about["training"]) == config
    assert about["model"]["class"] == "RoMAEForPrediction"
    assert about["data"]["n_samples"] == len(waves())
    assert about["versions"]["torch"] == version("torch")
    assert about["versions"]["rotary-mae"] == version("rotary-mae")
    assert not (tmp_path / "run" / "best").exists()
    assert_same_weights(model, tmp_path / "run" / "last")
    files = {p.name for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert all(name.endswith((".json", ".jsonl", ".safetensors")) for name in files)


def test_files_of_others_in_the_folder_are_left_alone(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        rm.train(autoencoder(), WatchedSource(waves(), 7, request_shutdown), quiet(), out=out)
    foreign = {"logs/events.txt": "1", "x-3/weights": "2", "checkpoint-12/a.json": "3", "notes.md": "4", "7": "5"}
    for name, text in foreign.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
    rm.train(autoencoder(), waves(), quiet(save_seconds=0.0), out=out, resume=True)
    assert {name: (out / name).read_text() for name in foreign} == foreign


def test_a_folder_with_other_files_is_not_taken_for_a_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="choose another folder"):
            rm.train(autoencoder(), waves(), quiet(), out=tmp_path, resume=resume)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("when", ["in the loss", "at once", "within an epoch"])
def test_nan_is_a_clear_error_and_keeps_the_checkpoints(tmp_path, when):
    out, model = tmp_path / "run", autoencoder()
    config = quiet(epochs=6, save_seconds=0.0, evaluate_every=1)
    reading = {"in the loss": 12, "at once": 1, "within an epoch": 12}[when]

    def poison():
        model.mask_token.data.fill_(float("nan"))
        if when == "within an epoch":
            request_shutdown()

    with pytest.raises(
        FloatingPointError, match=r"infinite or NaN in epoch \d.*lower learning_rate.*earlier checkpoints were not"
    ):
        rm.train(model, WatchedSource(waves(), reading, poison), config, validation=waves(LENGTHS[:4], seed=1), out=out)
    if when == "at once":
        assert not (out / "last").exists()
        return
    for part in ("last", "best"):
        kept = rm.RoMAEForPreTraining.from_pretrained(out / part)
        assert all(np.isfinite(p.detach().numpy()).all() for p in kept.parameters())
    assert json.loads((out / "last" / "training.json").read_text())["step"] == 10


def test_divergence_is_a_clear_error():
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        rm.train(autoencoder(), waves(), quiet(learning_rate=1e30, clip=0.0, optimizer="sgd", warmup_steps=0))


def test_a_tracker_has_the_metrics_too(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (extra: track)")
    out = tmp_path / "run"
    rm.train(classifier(), waves(), quiet(trackers=("tensorboard",)), validation=waves(seed=1), out=out)
    assert list(out.rglob("events.out.tfevents*"))
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("name", ["no-such-tracker", "aim"])
def test_a_tracker_that_is_not_available_is_a_clear_error(name):
    with pytest.raises(ValueError, match="tracker"):
        rm.train(classifier(), waves(), quiet(trackers=(name,)))


def test_a_file_left_by_a_killed_write_does_not_make_a_folder_a_run(tmp_path):
    (tmp_path / ".run.json.123.partial").write_text("{")
    RunFolder(tmp_path).check_free(resume=False)
    rm.train(autoencoder(), waves(), quiet(max_steps=1), out=tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["data"]["n_samples"] == len(waves())


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(FileExistsError, match="is a file, but a run needs a folder"):
        rm.train(autoencoder(), waves(), quiet(), out=tmp_path / "run")


def test_metrics_can_be_truncated_and_have_no_nan(tmp_path):
    folder = RunFolder(tmp_path)
    for epoch in (1, 2, 3):
        folder.log({"epoch": epoch, "validation_r2": float("nan")})
    folder.truncate_metrics(2)
    assert folder.history() == [{"epoch": 1, "validation_r2": None}, {"epoch": 2, "validation_r2": None}]
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("change", ["values", "positions", "targets"])
def test_the_fingerprint_differs_if_a_sample_it_reads_differs(change):
    tokens, last = waves(), len(waves()) - 1
    assert fingerprint_indices(len(tokens)).tolist() == [0, 3, 6, 9, 11, 14, 17, 20]
    assert fingerprint_indices(3).tolist() == [0, 1, 2]
    changed = getattr(tokens, change).copy()
    changed[-1] += 1
    other = tokens.with_targets(changed) if change == "targets" else tokens.replace(**{change: changed})
    assert fingerprint(other) != fingerprint(tokens) == fingerprint(waves())
    assert fingerprint(other[:last]) == fingerprint(tokens[:last])
