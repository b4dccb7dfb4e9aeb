"""Run folders in words."""

import pytest

import rotary_mae as rm
from rotary_mae.estimators.run_description import describe_run, is_run
from tests.estimators.small import COLUMNS, MODEL, light_curves, quick, series


def test_the_run_of_an_estimator_is_described_with_data_model_and_scores(tmp_path):
    settings = quick(columns=COLUMNS, out=tmp_path / "run", n_estimators=2)
    classifier = rm.RoMAEClassifier(**settings).fit(light_curves())
    assert is_run(tmp_path / "run")
    lines = describe_run(tmp_path / "run")
    n_parameters = sum(p.numel() for p in classifier.model_.parameters())
    assert lines["estimator"] == "RoMAEClassifier"
    assert lines["columns"] == "id object_id, time mjd, channel band, value flux, target class"
    assert lines["classes"] == "falls, rises"
    assert lines["members"].startswith("2, from different seeds")
    assert lines["summary"] == str(classifier.summary_)
    assert lines["model"] == f"RoMAEForPrediction, {n_parameters:,} parameters"
    assert lines["size"] == "tiny-shallow: width 16, 2 heads, 1 layers"
    assert lines["layout"] == "measurements, axes time, channel"
    assert lines["channels"] == "g, r"
    assert lines["data"] == "22 training samples"
    assert lines["last epoch"].startswith("epoch 3: loss ")
    assert lines["state"].startswith(f"finished, {classifier.training_.steps} updates in ")


def test_an_interrupted_run_says_how_to_resume(tmp_path):
    from tests.training.runs import WatchedSource, request_shutdown

    tokens = rm.from_arrays(series()[0])
    with pytest.raises(KeyboardInterrupt):
        rm.RoMAEEmbedder(**quick(batch_size=5, out=tmp_path)).fit(WatchedSource(tokens, 8, request_shutdown))
    lines = describe_run(tmp_path)
    assert lines["state"].endswith("resume it with --resume")
    assert "summary" not in lines


def test_a_model_without_scaling_and_an_official_checkpoint_are_described(tmp_path):
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, context=2, **MODEL))
    model.save_pretrained(tmp_path / "model")
    lines = describe_run(tmp_path / "model")
    assert lines["context"] == "2 neighbours"
    assert lines["scaling"].startswith("none")
    (tmp_path / "official").mkdir()
    (tmp_path / "official" / "model_config.json").write_text("{}")
    assert is_run(tmp_path / "official")
    assert "romae convert" in describe_run(tmp_path / "official")["model"]


def test_a_folder_of_other_files_is_no_run(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert not is_run(tmp_path)
    (tmp_path / "estimator.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        describe_run(tmp_path)
