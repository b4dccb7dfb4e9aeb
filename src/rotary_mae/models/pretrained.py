"""A model as a folder: config.json, model.safetensors and, if it was fitted on raw data, scaling.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rotary_mae._atomic import recover, replacing_folder
from rotary_mae.data.scaling import Scaling
from rotary_mae.models.config import RoMAEConfig

FORMAT = 1

FILES = frozenset({"config.json", "model.safetensors", "scaling.json"})


class Pretrained(nn.Module):
    """A model that can be saved, loaded and compiled.

    scaling: how raw data becomes what the model eats, if training fitted it; None if it was given scaled
    data.
    """

    def __init__(self, config: RoMAEConfig) -> None:
        super().__init__()
        if not isinstance(config, RoMAEConfig):
            raise TypeError(f"config must be a RoMAEConfig, got {type(config).__name__}")
        self.config = config
        self.scaling: Scaling | None = None

    def n_parameters(self) -> int:
        """How many numbers are learned."""
        return sum(p.numel() for p in self.parameters())

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the folder; a model that was there is replaced only when the new one is complete, other files stay."""
        folder = Path(folder)
        with replacing_folder(folder, FILES) as partial:
            self._write(partial)

    def _write(self, folder: Path) -> None:
        described = {"format": FORMAT, "model": type(self).__name__, "config": self.config.to_dict()}
        (folder / "config.json").write_text(json.dumps({**described, **self._arguments()}, indent=1))
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()},
            folder / "model.safetensors",
        )
        if self.scaling is not None:
            self.scaling.save(folder / "scaling.json")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load from a folder, or if there is none from a Hugging Face repository ("owner/name")."""
        path = find_folder(folder)
        described = read_description(path)
        if described["model"] != cls.__name__:
            raise ValueError(
                f"{folder} holds a {described['model']}, not a {cls.__name__}; load it as what it is and use "
                "rotary_mae.transfer(source, target) to start from its weights"
            )
        config = RoMAEConfig.from_dict(described.pop("config"))
        arguments = {k: v for k, v in described.items() if k not in ("format", "model")}
        model = cls(config, **arguments)
        model.load_state_dict(read_weights(path))
        if (path / "scaling.json").exists():
            model.scaling = Scaling.load(path / "scaling.json")
        return model.eval()

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the token-wise parts with dynamic lengths, in place; attention stays as it is."""
        if args or kwargs:
            raise TypeError("compile takes no arguments: it compiles what gains from it, with dynamic lengths")
        self._compile_parts()

    def _compile_parts(self) -> None:
        raise TypeError(f"{type(self).__name__} has nothing to compile")

    def _arguments(self) -> dict[str, Any]:
        return {}


def find_folder(folder: str | Path) -> Path:
    """Return the checkpoint folder in a folder: itself, or of a run its best, else its last checkpoint.

    Parameters
    ----------
    folder : path
        Checkpoint or run folder, or a repository of the Hugging Face Hub ("owner/name").

    Returns
    -------
    Path
        Local folder with config.json and model.safetensors.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or repository.
    ValueError
        If the folder holds no model.
    """
    path = local_folder(folder)
    for inside in (path, path / "best", path / "last"):
        if inside != path:
            recover(inside)
        if (inside / "model.safetensors").exists():
            return inside
    raise ValueError(
        f"{folder} holds no model: expected config.json and model.safetensors in it, or in best/ or "
        f"last/; it has {sorted(p.name for p in path.iterdir())[:10]}"
    )


def local_folder(folder: str | Path) -> Path:
    """Return a folder as it is, or the local copy of a repository of the Hugging Face Hub ("owner/name").

    Raises FileNotFoundError if there is neither.
    """
    path = Path(folder)
    recover(path)
    if path.is_dir():
        return path
    parts = str(folder).split("/")
    if len(parts) == 2 and all(parts):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            return Path(snapshot_download(str(folder), allow_patterns=["*.json", "*.safetensors"]))
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
            raise FileNotFoundError(f"{folder} is neither a folder here nor a model on the Hub: {error}") from error
    raise FileNotFoundError(f"there is no folder {folder}; give a checkpoint or run folder")


def read_description(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint, checked."""
    path = folder / "config.json"
    if not path.exists():
        raise ValueError(
            f"{folder} has model.safetensors but no config.json; use rotary_mae.from_official for official checkpoints"
        )
    try:
        described: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    keys = sorted(described) if isinstance(described, dict) else []
    if not {"format", "model", "config"} <= set(keys) or described["format"] != FORMAT:
        raise ValueError(f"{path} is not a configuration of this library (format {FORMAT}): keys {keys}")
    return described


def read_weights(folder: Path) -> dict[str, Tensor]:
    """model.safetensors of a checkpoint."""
    path = folder / "model.safetensors"
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}); it is missing or was cut short, copy it again") from error
