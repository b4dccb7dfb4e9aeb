"""Write log_mel.npz: log-mel spectrograms by torchaudio, as SSAST and AST compute them.

Run it in an environment of its own, because torchaudio is no dependency:
    pip install torch torchaudio && python tests/data/golden/make_log_mel.py
"""

from pathlib import Path

import numpy as np
import torch
import torchaudio
from torchaudio.compliance import kaldi

SECONDS = 0.25
RATE = 16_000


def waves() -> dict[str, np.ndarray]:
    """Return short waves of 16 kHz between -1 and 1: a rising tone, noise with an offset, clicks, faint noise."""
    time = np.arange(int(SECONDS * RATE)) / RATE
    rng = np.random.default_rng(0)
    clicks = np.zeros(len(time))
    clicks[::1111] = 0.9
    return {
        "chirp": 0.5 * np.sin(2 * np.pi * (50 + 7000 * time) * time),
        "noise": 0.2 + 0.1 * rng.normal(size=len(time)),
        "clicks": clicks,
        "faint": 1e-5 * rng.normal(size=len(time)),
    }


if __name__ == "__main__":
    found = {}
    for name, wave in waves().items():
        # waves in float32, as in files; computed in float64, so that only the formulas can differ
        found[f"{name}_wave"] = wave.astype(np.float32)
        tensor = torch.from_numpy(found[f"{name}_wave"].astype(np.float64))[None]
        found[name] = (
            kaldi.fbank(
                tensor,
                sample_frequency=RATE,
                frame_length=25,
                frame_shift=10,
                num_mel_bins=128,
                window_type="hamming",
                use_energy=False,
                htk_compat=True,
                dither=0.0,
            )
            .float()
            .numpy()
        )
    versions = f"torchaudio {torchaudio.__version__}, torch {torch.__version__}"
    np.savez_compressed(Path(__file__).parent / "log_mel.npz", versions=np.array(versions), **found)
    print(versions, {name: array.shape for name, array in found.items()})
