"""The public names have types for mypy and editors."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import rotary_mae as rm

ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).parent / "typing" / "user_script.py"

REVEALED = {
    "tokens": "rotary_mae.data.tokens.TokenSet",
    "long": "rotary_mae.data.tokens.TokenSet",
    "embedder": "rotary_mae.estimators.embedder.RoMAEEmbedder",
    "probabilities": r"numpy.ndarray\[.*numpy.dtype\[numpy.float64\]\]",
    "accuracy": "float",
    "summary": "rotary_mae.evaluation.fit_summary.FitSummary",
    "classifier.model_": "rotary_mae.models.predictor.RoMAEForPrediction",
    "interpolator.calibration_": "rotary_mae.evaluation.conformal.Calibration",
    "scores": r"dict\[str, float\]",
    "scaling": "rotary_mae.data.scaling.Scaling",
    "batch": "rotary_mae.batches.batch.TokenBatch",
    "model": "rotary_mae.models.autoencoder.RoMAEForPreTraining",
    "same": "rotary_mae.models.autoencoder.RoMAEForPreTraining",
    "result": "rotary_mae.training.trainer.TrainingResult",
    "report": "rotary_mae.models.transfer.TransferReport",
}

ERRORS = {
    "rm.RoMAEClassifier(epoch=3)": 'Unexpected keyword argument "epoch"',
    'rm.RoMAEClassifier(epochs="many")': 'Argument "epochs" .* incompatible type "str"; expected "int | None"',
    'rm.RoMAEInterpolator(layout="columns")': 'Argument "layout" .* expected "Literal',
    'rm.from_arrays(X, layout="column")': 'Argument "layout" to "from_arrays" .* expected "Literal',
    'rm.train(model, tokens, {"epochs": 1})': 'Argument 3 to "train" .* expected "TrainingConfig | None"',
    'rm.RoMAEConfig(n_values=1, n_axes=1, pooling="max")': 'Argument "pooling" to "RoMAEConfig" .* expected "Literal',
    "unknown = rm.no_such_name": 'Module has no attribute "no_such_name"',
}


@pytest.fixture(scope="module")
def messages() -> dict[str, list[str]]:
    """Messages of mypy by the text of their lines."""
    command = [Path(sys.executable).parent / "mypy", "--strict", "--no-error-summary", "--config-file=", SCRIPT]
    options = ["--ignore-missing-imports", "--follow-imports=silent", "--no-pretty"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    lines, found = SCRIPT.read_text().splitlines(), {}
    for message in done.stdout.splitlines():
        match = re.match(r".*user_script\.py:(\d+): (?:error|note): (.*)", message)
        assert match is not None, message
        found.setdefault(lines[int(match[1]) - 1], []).append(match[2])
    return found


def test_calls_as_documented_have_no_errors(messages: dict[str, list[str]]) -> None:
    unexpected = {line: text for line, text in messages.items() if line not in ERRORS and "reveal_type" not in line}
    assert not unexpected


@pytest.mark.parametrize("name", REVEALED)
def test_types_of_results_are_known(name: str, messages: dict[str, list[str]]) -> None:
    (revealed,) = messages[f"reveal_type({name})"]
    assert re.fullmatch(rf'Revealed type is "(builtins\.)?{REVEALED[name]}"', revealed)


@pytest.mark.parametrize("line", ERRORS)
def test_wrong_arguments_are_errors(line: str, messages: dict[str, list[str]]) -> None:
    assert re.search(ERRORS[line], "\n".join(messages[line]))


def test_every_public_name_is_imported_for_type_checkers() -> None:
    text = Path(rm.__file__).read_text()
    checked = text[text.index("if TYPE_CHECKING") : text.index("__version__ =")]
    for name, module in rm._MODULES.items():
        assert re.search(rf"from rotary_mae\.{re.escape(module)} import .*\b{name}\b", checked), name
    assert sorted([*rm._MODULES, "__version__"]) == sorted(rm.__all__)
