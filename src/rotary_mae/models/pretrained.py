"""Saving, loading and compiling models.

A model is a folder with config.json, model.safetensors and, if it was trained on raw data, scaling.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rotary_mae._atomic import recover, replacing_folder, user_path
from rotary_mae._torch_state import standard_torch
from rotary_mae.data.scaling import Scaling
from rotary_mae.models.config import RoMAEConfig

FORMAT = 1
"""Version of the folder's format, in config.json."""

FILES = frozenset({"config.json", "model.safetensors", "scaling.json"})
"""Files of a model in its folder. Other files belong to the user."""


class Pretrained(nn.Module):
    """Base class of models, with saving, loading and compiling.

    Parameters
    ----------
    config : RoMAEConfig
        Configuration of the model.

    Attributes
    ----------
    config : RoMAEConfig
        As given.
    scaling : Scaling or None
        Scaling of raw data, if training fitted one. None for a model trained on data that was scaled before.
    """

    def __init__(self, config: RoMAEConfig) -> None:
        super().__init__()
        if not isinstance(config, RoMAEConfig):
            raise TypeError(f"config must be a RoMAEConfig, got {type(config).__name__}")
        self.config = config
        self.scaling: Scaling | None = None

    def n_parameters(self) -> int:
        """Return the number of parameters.

        Returns
        -------
        int
            Number of learned numbers.
        """
        return sum(p.numel() for p in self.parameters())

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the model to a folder.

        A model in the folder is replaced, but only when the new one is complete. Other files stay.

        Parameters
        ----------
        folder : path
            Made if it does not exist.

        Raises
        ------
        FileExistsError
            If ``folder`` is a file.
        """
        folder = user_path(folder)
        with replacing_folder(folder, FILES) as partial:
            self.write_files(partial)

    def write_files(self, folder: Path) -> None:
        """Write the files of the model to an existing folder.

        Parameters
        ----------
        folder : Path
            Folder for config.json, model.safetensors and, if the model has a scaling, scaling.json.
        """
        description = {"format": FORMAT, "model": type(self).__name__, "config": self.config.to_dict()}
        (folder / "config.json").write_text(json.dumps({**description, **self.arguments()}, indent=1))
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()},
            folder / "model.safetensors",
        )
        if self.scaling is not None:
            self.scaling.save(folder / "scaling.json")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a model of this class.

        Parameters
        ----------
        folder : path
            Checkpoint or run folder; if there is none of this name, a repository of the Hugging Face Hub
            ("owner/name").

        Returns
        -------
        model
            In evaluation mode, with its scaling if it has one.

        Raises
        ------
        FileNotFoundError
            If there is no such folder or repository.
        ValueError
            If the folder holds no model, one of another class, or one that cannot be read or is not finite.
        """
        path = find_folder(folder)
        description = read_description(path)
        if description["model"] != cls.__name__:
            raise ValueError(
                f"{folder} holds a {description['model']}, not a {cls.__name__}; load it by its own class and use "
                "rotary_mae.transfer(source, target) to initialise another model with its weights"
            )
        config = RoMAEConfig.from_dict(description.pop("config"))
        arguments = {k: v for k, v in description.items() if k not in ("format", "model")}
        with standard_torch():
            model = cls(config, **arguments)
            model.load_state_dict(check_finite(read_weights(path), path))
        if (path / "scaling.json").exists():
            model.scaling = Scaling.load(path / "scaling.json")
        return model.eval()

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the token-wise parts of the model in place, for dynamic lengths.

        Attention stays eager: it would be recompiled for every number of length groups.

        Parameters
        ----------
        *args, **kwargs
            See ``Raises``.

        Raises
        ------
        TypeError
            If arguments are given. The method replaces ``torch.nn.Module.compile`` and takes none.
        """
        if args or kwargs:
            raise TypeError("compile takes no arguments: it compiles the token-wise parts, with dynamic lengths")
        self.compile_parts()

    def compile_parts(self) -> None:
        """Compile the token-wise parts; implemented by each model."""
        raise NotImplementedError(f"{type(self).__name__} has no compile_parts")

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the constructor besides ``config``; config.json holds them.

        Returns
        -------
        dict
            Arguments by name.
        """
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
    path = user_path(folder)
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
    """Read config.json of a checkpoint.

    Parameters
    ----------
    folder : Path
        Checkpoint folder.

    Returns
    -------
    dict
        ``format``, ``model`` (name of the class), ``config``, and the other arguments of the constructor.

    Raises
    ------
    ValueError
        If the file is missing or is not a configuration of this library.
    """
    path = folder / "config.json"
    if not path.exists():
        raise ValueError(
            f"{folder} has model.safetensors but no config.json; use rotary_mae.from_official for official checkpoints"
        )
    try:
        description: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    keys = sorted(description) if isinstance(description, dict) else []
    if not {"format", "model", "config"} <= set(keys) or description["format"] != FORMAT:
        raise ValueError(f"{path} is not a configuration of this library (format {FORMAT}): keys {keys}")
    return description


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read model.safetensors of a checkpoint.

    Parameters
    ----------
    folder : Path
        Checkpoint folder.

    Returns
    -------
    dict of str to Tensor
        Weights by name, on the CPU.

    Raises
    ------
    ValueError
        If the file is missing or damaged.
    """
    path = folder / "model.safetensors"
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}); it is missing or truncated, copy it again") from error


def check_finite(weights: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Return the weights of the checkpoint in a folder; raise ValueError that names a weight that is not finite."""
    for name, weight in weights.items():
        if weight.is_floating_point() and (n_bad := int((~weight.isfinite()).sum())):
            raise ValueError(
                f"{folder / 'model.safetensors'} cannot be used: {n_bad} of the {weight.numel()} numbers of the weight "
                f"{name!r} are NaN or infinite. The file is damaged, or its training diverged; copy it again, or train "
                "again with a lower learning rate"
            )
    return weights
