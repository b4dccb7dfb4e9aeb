"""Export of a milestone: weights in float16, configuration, provenance and checksum."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pretraining.provenance import run_provenance
from pretraining.run_state import RunFolder

COMMAND = "python -m pretraining train"
"""Command that trained the weights."""


def export_run(folder: RunFolder, out: Path) -> dict[str, Any]:
    """Write the averaged weights of a run (after a decay of the rate, the last ones) as a model to load.

    Parameters
    ----------
    folder : RunFolder
        Run with a saved state.
    out : Path
        Folder for config.json, model.safetensors (float16) and provenance.json.

    Returns
    -------
    dict
        The content of provenance.json: command, settings, prior version, seed, series seen, core-hours, versions,
        commit, size in bytes and SHA-256 of model.safetensors.
    """
    model = folder.model()
    model.save_pretrained(out)
    weights = (out / "model.safetensors").read_bytes()
    settings, counters = folder.settings(), folder.counters()
    about = {
        "command": COMMAND,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
        "n_parameters": model.n_parameters(),
        "prior_version": settings.prior_version,
        "seed": settings.seed,
        "weights": "last" if counters.step == settings.last_step else "averaged",
        **run_provenance(folder),
    }
    (out / "provenance.json").write_text(json.dumps(about, indent=1) + "\n")
    return about
