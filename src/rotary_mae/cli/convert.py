"""The command that brings over a checkpoint of the paper's code."""

from __future__ import annotations

import sys
from pathlib import Path


def convert(checkpoint: Path, *, out: Path) -> None:
    """A checkpoint of the paper's code as a folder that --init takes.

    The weights are the same. That code leaves the scaling of values and times to its user, so training that
    starts from it fits one to the new data (see --unit).

    Args:
        checkpoint: folder with model_config.json and model.safetensors.
        out: folder to write.
    """
    from rotary_mae.models.official import from_official

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not empty; choose another folder")
    model = from_official(checkpoint)
    model.save_pretrained(out)
    print(f"{out}: {type(model).__name__}, {model.n_parameters()} parameters", file=sys.stderr)
