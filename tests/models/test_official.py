"""Official checkpoints give the official outputs and gradients, to 1e-5 and 1e-4."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import rotary_mae as rm
from rotary_mae.nn.rope import rope_angles, rope_frequencies, rotate

CASES = [
    "classify-cls-padded",
    "classify-mean-nocls",
    "pretrain-bands-2d-padded",
    "pretrain-image-2d-nocls-norm",
    "pretrain-series-1d",
    "pretrain-video-3d",
]


def patches(values, tubelet):
    """(B, T, C, H, W) to (B, N, p1 p2 p3 C)."""
    b, t, c, h, w = values.shape
    p1, p2, p3 = tubelet
    cut = values.reshape(b, t // p1, p1, c, h // p2, p2, w // p3, p3)
    return cut.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(b, -1, p1 * p2 * p3 * c)


@pytest.mark.parametrize("case", CASES)
def test_official_checkpoint_gives_official_logits_and_gradients(parity, case):
    io = dict(np.load(parity / case / "io.npz"))
    official = json.loads((parity / case / "model_config.json").read_text())
    model = rm.from_official(parity / case)
    raw = torch.tensor(io["values"], requires_grad=True)
    tokens, positions = patches(raw, official["tubelet_size"]), torch.tensor(io["positions"]).transpose(1, 2)
    real = ~torch.tensor(io.get("pad_mask", np.zeros(tokens.shape[:2], bool)))
    batch = rm.TokenBatch(
        tokens[real],
        positions[real],
        real.sum(1),
        rm.data.schema.Schema(tuple(f"a{i}" for i in range(positions.shape[2]))),
    )
    if "mask" not in io:
        logits, expected = model(batch).logits, torch.tensor(io["logits"])
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(io["label"]))
    else:
        hidden = torch.tensor(io["mask"])
        out = model(batch.hide(is_hidden=hidden[real]))
        logits, loss = out.prediction, out.loss
        # official logits: (B, hidden of each sample, padding included, V)
        expected = torch.tensor(io["logits"])[real[hidden].view(len(hidden), -1)]
    assert (logits - expected).abs().max() < 1e-5
    if real.all():
        assert abs(loss.item() - io["loss"]) < 1e-5
    logits.sum().backward()
    assert (raw.grad - torch.tensor(io["grad_values"])).abs().max() < 1e-4


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.75, 1.0])
def test_rotation_equals_the_official_one(parity, n_axes, fraction):
    io = np.load(parity / "rope.npz")
    x, positions, y = (torch.tensor(io[f"d{n_axes}_p{fraction}_{part}"]) for part in ("x", "pos", "y"))
    frequencies = rope_frequencies(x.shape[-1] // n_axes, fraction=fraction).repeat(n_axes, 1)
    cos, sin = rope_angles(positions.transpose(1, 2).flatten(0, 1), frequencies)
    assert (rotate(x.flatten(0, 1), cos, sin) - y.flatten(0, 1)).abs().max() < 1e-5
    if fraction == 0.0:
        assert torch.equal(x, y)


def test_official_weights_that_are_not_finite_are_an_error_that_names_the_weight(parity, tmp_path):
    shutil.copytree(parity / "pretrain-series-1d", tmp_path / "checkpoint")
    path = tmp_path / "checkpoint" / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("attention.wq.weight"))
    weights[name][0, 0] = float("nan")
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be used: 1 of .* weight 'decoder.*qkv'"):
        rm.from_official(tmp_path / "checkpoint")
