"""Loading checkpoints of the official code. Outputs equal the official ones to 1e-5 (tested)."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rotary_mae._atomic import user_path
from rotary_mae._torch_state import standard_torch
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.config import DecoderConfig, RoMAEConfig
from rotary_mae.models.predictor import RoMAEForPrediction
from rotary_mae.models.pretrained import check_finite, read_weights

# Entries of a checkpoint that are constants, or weights that the official code does not use.
_NOT_WEIGHTS = re.compile(r"(attn_pos_embedding\.timescale|decoder_attn_pos_embedding\.timescale|zeros)$")

# Names of weights outside of the blocks: in the official code, and here.
_RENAMED = {
    "projection.weight": "encoder.projection.weight",
    "projection.bias": "encoder.projection.bias",
    "cls": "encoder.cls",
    "mask_token": "mask_token",
    "encoder_decoder_proj.weight": "bridge.weight",
    "encoder_decoder_proj.bias": "bridge.bias",
    "head.head.1.weight": "head.norm",
    "head.head.2.weight": "head.linear.weight",
    "head.head.2.bias": "head.linear.bias",
}

# The same within a block. Projections to queries, keys and values are one weight here, ``qkv``.
_IN_BLOCK = {
    "attention_norm.weight": "attention_norm",
    "attention.wo.weight": "out",
    "ffn_norm.weight": "mlp_norm",
    "feed_forward.w1.weight": "up",
    "feed_forward.w2.weight": "down",
}


def from_official(folder: str | Path) -> RoMAEForPreTraining | RoMAEForPrediction:
    """Load a checkpoint of the official code.

    Parameters
    ----------
    folder : path
        Checkpoint folder of the official trainer, with model_config.json and model.safetensors.

    Returns
    -------
    RoMAEForPreTraining or RoMAEForPrediction
        RoMAEForPreTraining if the checkpoint has a decoder, else RoMAEForPrediction. In evaluation mode, without a
        scaling.

    Raises
    ------
    FileNotFoundError
        If the folder has no model_config.json.
    ValueError
        If a file cannot be read, or the checkpoint has settings or weights that this library does not have.

    Warns
    -----
    UserWarning
        If a dropout rate that this library does not have (of the head, the positions or the attention projection) is
        not 0. It matters only in training.
    """
    folder = user_path(folder)
    path = folder / "model_config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} has no model_config.json; give a checkpoint folder of the official trainer, which has one"
        )
    try:
        official = json.loads(path.read_text())
        config = _config(official)
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(
            f"{path} cannot be read ({error!r}); give a checkpoint folder as the official trainer writes it"
        ) from error
    model: RoMAEForPreTraining | RoMAEForPrediction
    with standard_torch():
        if "decoder_config" in official:
            model = RoMAEForPreTraining(config)
        else:
            model = RoMAEForPrediction(config, outputs=official["dim_output"])
        model.load_state_dict(check_finite(_weights(read_weights(folder)), folder))
    return model.eval()


def _config(official: dict[str, Any]) -> RoMAEConfig:
    """Return the configuration of an official model_config.json."""
    encoder = official["encoder_config"]
    encodings = {"ropend": "rope", "absolute": "absolute"}
    if official["pos_encoding"] not in encodings:
        raise ValueError(f"pos_encoding must be one of {sorted(encodings)}, got {official['pos_encoding']!r}")
    for name, rate in {**encoder, **official}.items():
        if name in ("attn_proj_drop_rate", "pos_drop_rate", "head_drop_rate") and rate:
            warnings.warn(f"{name} = {rate} is ignored; it matters only in training", stacklevel=3)
    if encoder["attn_drop_rate"] != encoder["hidden_drop_rate"]:
        warnings.warn(
            f"attn_drop_rate {encoder['attn_drop_rate']} is replaced by hidden_drop_rate "
            f"{encoder['hidden_drop_rate']}: this library has one dropout rate for both",
            stacklevel=3,
        )
    frames, height, width = official["tubelet_size"]
    decoder: dict[str, Any] = {}
    if "decoder_config" in official:
        decoder = {"decoder": DecoderConfig(**_sizes(official["decoder_config"]))}
    return RoMAEConfig(
        n_values=frames * height * width * official["n_channels"],
        n_axes=official["n_pos_dims"],
        **_sizes(encoder),
        cls=official["use_cls"],
        positions=encodings[official["pos_encoding"]],  # type: ignore[arg-type]
        rope_fraction=official["p_rope_val"],
        normalize_targets=official.get("normalize_targets", False),
        dropout=encoder["hidden_drop_rate"],
        drop_path=encoder["drop_path_rate"],
        norm_eps=encoder["layer_norm_eps"],
        **decoder,
    )


def _sizes(stack: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a size from those of an official encoder or decoder."""
    hidden = stack["dim_feedforward"] or int(stack["mlp_ratio"] * stack["d_model"])
    return {"width": stack["d_model"], "heads": stack["nhead"], "depth": stack["depth"], "hidden": hidden}


def _weights(official: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return official weights under the names that this library uses."""
    weights: dict[str, Tensor] = {}
    for name, tensor in official.items():
        if _NOT_WEIGHTS.search(name):
            continue
        if name in _RENAMED:
            weights[_RENAMED[name]] = tensor.reshape(-1) if name == "mask_token" else tensor
            continue
        match = re.fullmatch(r"(encoder|decoder)\.layers\.(\d+)\.(.+)", name)
        if match is None:
            raise ValueError(_unknown_weight(name, tensor))
        stack, layer, part = match.groups()
        block = f"{'encoder.stack' if stack == 'encoder' else 'decoder'}.blocks.{layer}"
        if part in _IN_BLOCK:
            weights[f"{block}.{_IN_BLOCK[part]}"] = tensor
        elif part == "attention.wq.weight":
            key_and_value = [official[name.replace("wq", other)] for other in ("wk", "wv")]
            weights[f"{block}.qkv"] = torch.cat([tensor, *key_and_value])
        elif part not in ("attention.wk.weight", "attention.wv.weight"):
            raise ValueError(_unknown_weight(name, tensor))
    return weights


def _unknown_weight(name: str, tensor: Tensor) -> str:
    return (
        f"the official checkpoint has an unknown weight {name} {tuple(tensor.shape)}; give a checkpoint of the models "
        "in the paper's code"
    )
