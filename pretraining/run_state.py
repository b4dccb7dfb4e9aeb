"""State of a run on disk: written whole or not at all, without pickle, and restored to the bit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from pretraining.optimizers import MuonAdamW
from pretraining.settings import Settings
from pretraining.stream import StreamPlace
from rotary_mae._atomic import recover, replacing_folder
from rotary_mae.series_model.model import SeriesModel


@dataclass
class Counters:
    """Progress of a run.

    Attributes
    ----------
    step, series : int
        Steps done and series seen.
    place : StreamPlace
        Place of the next batch. With the settings it is the random state: nothing else is random.
    core_seconds, seconds : float
        Time of processors and of the clock so far.
    loss_total, loss_count : float
        Sum and number of the losses since the last line of the log.
    n_lines : int
        Lines of the log.
    sessions : int
        Calls of ``train`` so far.
    """

    step: int = 0
    series: int = 0
    place: StreamPlace = field(default_factory=StreamPlace)
    core_seconds: float = 0.0
    seconds: float = 0.0
    loss_total: float = 0.0
    loss_count: int = 0
    n_lines: int = 0
    sessions: int = 0


@dataclass
class RunState:
    """Everything that changes during a run.

    Attributes
    ----------
    model : SeriesModel
        Model in training.
    optimizer : MuonAdamW
        Its optimizers.
    average : dict of str to Tensor
        Averaged weights by name.
    counters : Counters
        Progress.
    """

    model: SeriesModel
    optimizer: MuonAdamW
    average: dict[str, Tensor]
    counters: Counters


class RunFolder:
    """Folder of a run: settings.json, state/ and log.jsonl.

    Parameters
    ----------
    path : Path
        The folder; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.log_path = path, path / "state", path / "log.jsonl"

    @property
    def exists(self) -> bool:
        """True if a run was started here."""
        return (self.path / "settings.json").exists()

    def start(self, settings: Settings) -> None:
        """Begin a run: write its settings."""
        if self.exists:
            raise FileExistsError(f"{self.path} holds a run already")
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "settings.json").write_text(json.dumps(settings.to_dict(), indent=1) + "\n")

    def settings(self) -> Settings:
        """Return the settings of the run; raise FileNotFoundError if there is none."""
        if not self.exists:
            raise FileNotFoundError(
                f"{self.path} holds no run; start one with `python -m pretraining train --run {self.path}`"
            )
        return Settings.from_dict(json.loads((self.path / "settings.json").read_text()))

    def save(self, state: RunState) -> None:
        """Replace the state on disk."""
        tensors = {f"model.{name}": weight for name, weight in state.model.state_dict().items()}
        tensors |= {f"average.{name}": weight for name, weight in state.average.items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in state.optimizer.tensors().items()}
        with replacing_folder(self.state) as partial:
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, partial / "state.safetensors")
            (partial / "counters.json").write_text(json.dumps(asdict(state.counters), indent=1) + "\n")

    def load(self, state: RunState) -> bool:
        """Restore the state on disk into ``state``; return False and change nothing if there is none."""
        recover(self.state)
        if not self.state.exists():
            return False
        tensors = load_file(self.state / "state.safetensors")
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition(".")
            parts[part][name] = tensor
        state.model.load_state_dict(parts["model"])
        for name, weight in state.average.items():
            weight.copy_(parts["average"][name])
        state.optimizer.load(parts["optimizer"])
        state.counters = self.counters()
        self._truncate_log(state.counters.n_lines)
        return True

    def counters(self) -> Counters:
        """Return the progress on disk; zeros before the first save."""
        recover(self.state)
        if not self.state.exists():
            return Counters()
        given: dict[str, Any] = json.loads((self.state / "counters.json").read_text())
        return Counters(**{**given, "place": StreamPlace(**given["place"])})

    def weights(self) -> dict[str, Tensor]:
        """Return the weights to evaluate and export: averaged ones, or the last ones after a decay of the rate."""
        recover(self.state)
        if not self.state.exists():
            raise FileNotFoundError(f"{self.path} holds no state yet; train first")
        settings, counters = self.settings(), self.counters()
        prefix = "model." if counters.step == settings.last_step else "average."
        tensors = load_file(self.state / "state.safetensors")
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    def model(self) -> SeriesModel:
        """Return the model with the weights to evaluate and export."""
        model = SeriesModel(self.settings().model)
        model.load_state_dict(self.weights())
        return model.eval()

    # -- log ----------------------------------------------------------------------------------------------

    def log(self, line: dict[str, Any]) -> None:
        """Append a line to the log."""
        with self.log_path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()] if self.log_path.exists() else []

    def _truncate_log(self, n_lines: int) -> None:
        """Remove lines after the saved state, which will be written again; a killed process may leave half a line."""
        lines = self.log_path.read_text().splitlines(keepends=True) if self.log_path.exists() else []
        if len(lines) > n_lines:
            partial = self.log_path.with_suffix(".partial")
            partial.write_text("".join(lines[:n_lines]))
            partial.replace(self.log_path)
