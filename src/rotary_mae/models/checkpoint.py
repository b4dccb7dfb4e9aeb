"""A model as a folder: config.json, model.safetensors and, if it was fitted on raw data, scaling.json."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

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
        with replacing(folder, FILES) as partial:
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


class replacing:
    """Write a folder beside ``folder`` and put it in its place at the end, or leave everything as it was.

    own: names of what it replaces; anything else in ``folder`` is the user's, and stays. None: it replaces all.
    """

    def __init__(self, folder: Path, own: Collection[str] | None = None) -> None:
        self.folder, self.own = folder, own
        self.partial, self.old = _hidden(folder, "partial"), _hidden(folder, "replaced")

    def __enter__(self) -> Path:
        if self.folder.is_file():
            raise FileExistsError(f"{self.folder} is a file, and this is saved as a folder; choose another name")
        recover(self.folder)
        self._keep_others()  # of a replacement that was killed before it did
        # what a killed replacement left behind would stand in the way of the renames
        shutil.rmtree(self.partial, ignore_errors=True)
        shutil.rmtree(self.old, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self.partial

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed is not None:
            shutil.rmtree(self.partial, ignore_errors=True)
            return
        if self.folder.exists():
            self.folder.rename(self.old)
        self.partial.rename(self.folder)
        self._keep_others()
        shutil.rmtree(self.old, ignore_errors=True)

    def _keep_others(self) -> None:
        if self.own is None or not self.old.exists():
            return
        for other in [path for path in self.old.iterdir() if path.name not in self.own]:
            if not (self.folder / other.name).exists():
                other.rename(self.folder / other.name)


def _hidden(folder: Path, state: str) -> Path:
    # "model.old" would be a name that people give to what they want to keep
    return folder.with_name(f".{folder.name}.{state}")


def recover(folder: Path) -> None:
    """Undo a replacement that was killed between its two renames."""
    old = _hidden(folder, "replaced")
    if not folder.exists() and old.exists():
        old.rename(folder)


def find_folder(folder: str | Path) -> Path:
    """A local checkpoint folder (of a run: its best, else its last checkpoint), or one from the Hub."""
    path = Path(folder)
    recover(path)
    if path.is_dir():
        for inside in (path, path / "best", path / "last"):
            if inside != path:
                recover(inside)
            if (inside / "model.safetensors").exists():
                return inside
        raise ValueError(
            f"{folder} holds no model: expected config.json and model.safetensors in it, or in best/ or "
            f"last/; it has {sorted(p.name for p in path.iterdir())[:10]}"
        )
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


@dataclass(frozen=True)
class TransferReport:
    """Names of weights: copied into the target, new in the target, and left behind in the source.

    note: what else a person should know, or "".
    """

    copied: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]
    note: str = ""

    def __str__(self) -> str:
        return (
            f"copied {len(self.copied)} weights ({_roots(self.copied)}), made {len(self.new)} new "
            f"({_roots(self.new)}), left {len(self.left)} ({_roots(self.left)})"
            + (f"; {self.note}" if self.note else "")
        )


def _roots(names: tuple[str, ...]) -> str:
    return ", ".join(sorted({".".join(n.split(".")[:2]) for n in names})) or "none"


def transfer(source: Pretrained, target: Pretrained) -> TransferReport:
    """Copy every weight of ``source`` that ``target`` has under the same name into it.

    The head of another model, or with other outputs, answers another question and is never shared. Raises
    ValueError where a shared weight has another shape, or where settings that give the weights their meaning
    differ. Only ``context`` may be switched on (its weights are new) or off (they are left behind); the report says so.
    """
    for what, model in (("source", source), ("target", target)):
        if not isinstance(model, Pretrained):
            raise TypeError(
                f"the {what} must be a RoMAEForPreTraining or RoMAEForPrediction (model_ of an estimator, or rm.load), "
                f"got {type(model).__name__}"
            )
    for name in (
        "n_values",
        "n_axes",
        "width",
        "heads",
        "depth",
        "positions",
        "rope_base",
        "rope_fraction",
        "timescales",
        "cls",
        "compress",
    ):
        mine, theirs = getattr(target.config, name), getattr(source.config, name)
        if mine != theirs:
            raise ValueError(f"cannot transfer weights: {name} is {theirs} in the source and {mine} in the target")
    note = _about_context(source.config.context, target.config.context)
    theirs, mine = source.state_dict(), target.state_dict()
    is_same_task = (
        type(source) is type(target)
        and source._arguments() == target._arguments()
        and source.config.distribution == target.config.distribution
    )
    shared = [k for k in mine if k in theirs and (is_same_task or not k.startswith("head."))]
    for name in shared:
        if mine[name].shape != theirs[name].shape:
            raise ValueError(
                f"cannot transfer {name}: shape {tuple(theirs[name].shape)} in the source, "
                f"{tuple(mine[name].shape)} in the target"
            )
    target.load_state_dict({**mine, **{name: theirs[name] for name in shared}})
    copied = set(shared)
    return TransferReport(
        tuple(shared), tuple(k for k in mine if k not in copied), tuple(k for k in theirs if k not in copied), note
    )


def _about_context(theirs: int, mine: int) -> str:
    """What becomes of local context of ``theirs`` neighbours in the source, ``mine`` in the target."""
    if theirs == mine:
        return ""
    if not theirs:
        return f"the source knows no local context: the weights of its {mine} neighbours begin anew"
    if not mine:
        return f"the target has no local context: what the source learned of {theirs} neighbours is left behind"
    raise ValueError(
        f"cannot transfer weights: context is {theirs} in the source and {mine} in the target; give context={theirs}, "
        "or 0 to do without"
    )
