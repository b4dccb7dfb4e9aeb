"""Progress in a log: about ten lines, with loss and validation metric; nothing if it is switched off."""

import pytest

import rotary_mae as rm
from rotary_mae.training.progress import TrainingProgress, progress_bar
from tests.training.runs import classifier, quiet, waves


def log_of(capsys, n_epochs, is_shown=True, metrics=None):
    progress = TrainingProgress("train", n_epochs, n_steps=n_epochs, step=0, is_shown=is_shown)
    with progress:
        for epoch in range(n_epochs):
            progress.n_samples += 10
            progress.draw(epoch + 1, epoch, 0.5)
            progress.end_epoch(epoch, 0.5, metrics or {}, "loss")
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(("n_epochs", "n_lines"), [(1, 1), (4, 4), (10, 10), (100, 11), (105, 11)])
def test_a_log_has_about_ten_lines(capsys, n_epochs, n_lines):
    lines = log_of(capsys, n_epochs)
    assert len(lines) == n_lines
    assert lines[0].startswith(f"train: epoch 1/{n_epochs}, loss 0.5000, ")
    assert lines[0].endswith(" samples/s")


def test_a_log_has_the_monitored_metric_of_the_last_evaluation(capsys):
    assert "loss 0.5000, validation loss 0.2500, " in log_of(capsys, 1, metrics={"loss": 0.25})[0]


def test_nothing_is_shown_if_progress_is_off(capsys):
    assert log_of(capsys, 3, is_shown=False) == []
    rm.train(classifier(), waves(), quiet(epochs=1))
    with progress_bar("predict", 5, is_shown=False) as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_for_terminals_only(capsys):
    with progress_bar("predict", 5, is_shown=True) as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")


def test_the_title_is_that_of_the_training(capsys):
    rm.train(classifier(), waves(), quiet(epochs=1, progress=True), title="member 1/2")
    assert capsys.readouterr().err.startswith("member 1/2: epoch 1/1, loss ")
