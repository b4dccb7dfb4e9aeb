"""SeriesModel: transformer over the visible tokens of a view, with independent queries and a mixture for each."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rotary_mae._atomic import replacing_folder
from rotary_mae._settings import check_keys, check_types
from rotary_mae.batches.local_context import local_context, local_context_width
from rotary_mae.models.heads import Head
from rotary_mae.models.pretrained import FORMAT, find_folder, read_description, read_weights
from rotary_mae.nn.init import init_token_, init_weight_
from rotary_mae.nn.ragged import RaggedPlan
from rotary_mae.nn.rope import check_head_width, rope_angles, timescale_frequencies
from rotary_mae.nn.transformer import Angles, Stack
from rotary_mae.series_model.mixture import Mixture
from rotary_mae.series_model.query_context import CANDIDATES, LINEAR, N_FEATURES, compress, query_context
from rotary_mae.series_model.series_batch import SUMMARY_WIDTH, SeriesBatch

FILES = frozenset({"config.json", "model.safetensors"})
"""Files of a model in its folder. Other files belong to the user."""

TIMESCALES = (0.15, 300.0)
"""Shortest and longest timescale of rotary positions, in units of time."""

N_STILL_PAIRS = 2
"""Pairs of a head that do not rotate, so that scores may ignore time."""

MIN_STD = 3e-3
"""Smallest standard deviation of a component, in deviations of the channel. Without it a likelihood is unbounded."""

LOG_STD_RANGE = (-7.0, 7.0)
"""Range of the logarithm of a standard deviation relative to that of the Gaussian processes."""

MAX_ERROR = 10.0
"""Largest known error as an input, in deviations."""

NORM_EPS = 1e-6
"""Epsilon of RMSNorm."""

N_PROCESS_FEATURES = 3
"""Features of a query from the bank of Gaussian processes."""


@dataclass(frozen=True)
class SeriesModelConfig:
    """Configuration of a ``SeriesModel``.

    Parameters
    ----------
    width : int
        Width of the tokens. The hidden layers of the MLPs are four times as wide.
    heads : int
        Attention heads; their width must be even and at least 6.
    depth : int
        Layers over visible tokens.
    decoder_depth : int
        Layers over queries.
    context : int
        Neighbours on each side that a visible token is projected with; see ``local_context``.
    components : int
        Normal distributions of a mixture.

    Raises
    ------
    ValueError
        If a setting is not a whole number of at least 1, or the width does not divide into heads.
    """

    width: int = 192
    heads: int = 6
    depth: int = 4
    decoder_depth: int = 2
    context: int = 4
    components: int = 4

    def __post_init__(self) -> None:
        check_types(self)
        for name, number in asdict(self).items():
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        check_head_width(self.width, self.heads, 1)
        if self.width < 2 * (N_STILL_PAIRS + 1) * self.heads:
            raise ValueError(f"heads must be at least 6 wide, got width {self.width} with {self.heads} heads")

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        """Make a configuration from a dictionary of its fields; raise ValueError for an unknown one."""
        check_keys(cls, given)
        return cls(**given)


class SeriesModel(nn.Module):
    """Model of any irregular series: a predictive distribution for each query of a view.

    Visible tokens are projected with their local context and the features of the view, and attend to each other. A
    query attends to the visible tokens and to itself, so that it does not depend on other queries. Its distribution is
    a mixture of normal distributions around the mean of the bank of Gaussian processes, moved towards interpolations,
    neighbours and the mean of the channel. Shifts and standard deviations of the components are relative to the
    standard deviation of the bank. The initial model predicts about as the bank.

    Parameters
    ----------
    config : SeriesModelConfig
        Sizes of the model.

    Attributes
    ----------
    config : SeriesModelConfig
        As given.
    """

    def __init__(self, config: SeriesModelConfig) -> None:
        super().__init__()
        if not isinstance(config, SeriesModelConfig):
            raise TypeError(f"config must be a SeriesModelConfig, got {type(config).__name__}")
        self.config = config
        width, heads = config.width, config.heads
        self.projection = nn.Linear(4, width)
        self.other_channel = nn.Parameter(torch.empty(width))
        self.context = nn.Linear(local_context_width(config.context, 1), width, bias=False)
        self.summary = nn.Linear(SUMMARY_WIDTH, width, bias=False)
        self.relation = nn.Linear(2, width, bias=False)
        self.encoder = Stack(width, heads, 4 * width, config.depth, eps=NORM_EPS)
        self.bridge = nn.Linear(width, width)
        self.query_token = nn.Parameter(torch.empty(width))
        self.query_context = nn.Linear(N_FEATURES + N_PROCESS_FEATURES, width, bias=False)
        self.query_summary = nn.Linear(SUMMARY_WIDTH, width, bias=False)
        self.decoder = Stack(width, heads, 4 * width, config.decoder_depth, eps=NORM_EPS)
        self.head = Head(width, 3 * config.components, NORM_EPS)
        self.blend = Head(width, len(CANDIDATES), NORM_EPS)
        self._initialise()
        scales = np.geomspace(*TIMESCALES, max(width // heads // 2 - N_STILL_PAIRS, 1))
        self.register_buffer(
            "frequencies", timescale_frequencies(width // heads, scales.tolist())[None], persistent=False
        )
        self.frequencies: Tensor

    def _initialise(self) -> None:
        for name in ("projection", "context", "summary", "relation", "bridge", "query_context", "query_summary"):
            init_weight_(getattr(self, name).weight)
        for token in (self.projection.bias, self.other_channel, self.query_token):
            init_token_(token)
        nn.init.zeros_(self.bridge.bias)
        k = self.config.components
        with torch.no_grad():
            self.blend.linear.weight.zero_()
            # components of different widths around the prediction of the Gaussian processes
            self.head.linear.weight.mul_(0.1)
            self.head.linear.bias[2 * k :] = torch.linspace(math.log(0.5), math.log(1.5), k) if k > 1 else 0.0

    def n_parameters(self) -> int:
        """Return the number of learned numbers."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, batch: SeriesBatch) -> Mixture:
        """Predict the queries of a batch.

        Parameters
        ----------
        batch : SeriesBatch
            B views with M queries.

        Returns
        -------
        Mixture
            M mixtures in scaled units, float32. They are of values without their known errors.
        """
        memory = self.bridge(self._encode(batch))
        is_own = batch.positions[:, 1] == 0
        own = is_own.nonzero()[:, 0]
        around = query_context(
            batch.values[own],
            batch.positions[own, 0],
            batch.view_idx[own],
            batch.query_times,
            batch.query_view_idx,
        )
        mean, std = batch.process_mean[:, None], batch.process_std[:, None]
        linear = around.candidates[:, LINEAR, None]
        features = torch.cat((around.features, compress(mean), compress(mean - linear), std.log() / 2), 1)
        x = self.query_token + self.query_context(features) + self.query_summary(batch.summary)[batch.query_view_idx]
        angles, query_angles = self._angles(batch.positions[:, 0]), self._angles(batch.query_times)
        plan = RaggedPlan(
            batch.lengths,
            query_lengths=batch.query_lengths,
            device=x.device,
            n_uses=self.config.decoder_depth,
        )
        for block in self.decoder.blocks:
            x = block.forward_queries(memory, x, angles, query_angles, plan, batch.query_view_idx)
        # relative to the bank's uncertainty: an outlier of hundreds of deviations would else dominate all gradients
        unit = std.clamp(min=MIN_STD)
        towards = self.blend(x) * compress((around.candidates - mean) / unit)
        base = mean + unit * towards.sum(1, keepdim=True)
        logits, shift, log_std = self.head(x).chunk(3, 1)
        component_std = log_std.clamp(*LOG_STD_RANGE).exp() * std + MIN_STD
        return Mixture(logits.log_softmax(1), base + shift * unit, component_std)

    def _encode(self, batch: SeriesBatch) -> Tensor:
        """States of the visible tokens, (T, W)."""
        value, error = compress(batch.values), batch.errors
        inputs = (value, error.clamp(max=MAX_ERROR), (error > 0).to(value.dtype), (error + 0.01).log() / 3)
        is_other = (batch.positions[:, 1] > 0).to(value.dtype)
        x = self.projection(torch.stack(inputs, 1)) + is_other[:, None] * self.other_channel
        x = x + self.context(local_context(value[:, None], batch.positions, batch.view_idx, self.config.context))
        x = x + self.summary(batch.summary)[batch.view_idx]
        x = x + self.relation(torch.stack((batch.relation, batch.relation * value), 1))
        plan = RaggedPlan(batch.lengths, device=x.device, n_uses=self.config.depth)
        return self.encoder(x, self._angles(batch.positions[:, 0]), plan, batch.view_idx)

    def _angles(self, times: Tensor) -> Angles:
        return Angles(*rope_angles(times[:, None], self.frequencies))

    # -- files --------------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the model to a folder, with weights in float16.

        A model in the folder is replaced, but only when the new one is complete. Other files stay.

        Parameters
        ----------
        folder : path
            Made if it does not exist.

        Raises
        ------
        FileExistsError
            If ``folder`` is a file.
        ValueError
            If a weight is not finite in float16.
        """
        weights = {name: w.detach().to("cpu", torch.float16).contiguous() for name, w in self.state_dict().items()}
        if bad := [name for name, weight in weights.items() if not weight.isfinite().all()]:
            raise ValueError(f"weights must be finite in float16 to be saved, and {bad[0]} is not")
        description = {"format": FORMAT, "model": type(self).__name__, "config": asdict(self.config)}
        with replacing_folder(Path(folder), FILES) as partial:
            (partial / "config.json").write_text(json.dumps(description, indent=1) + "\n")
            save_file(weights, partial / "model.safetensors")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a saved model.

        Parameters
        ----------
        folder : path
            Folder of a saved model.

        Returns
        -------
        SeriesModel
            In evaluation mode, with float32 weights that equal the saved ones.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ValueError
            If the folder holds no model, one of another class, or one that cannot be read.
        """
        path = find_folder(folder)
        description = read_description(path)
        if description["model"] != cls.__name__:
            raise ValueError(f"{folder} holds a {description['model']}, not a {cls.__name__}; load it by its own class")
        model = cls(SeriesModelConfig.from_dict(description["config"]))
        model.load_state_dict(read_weights(path))
        return model.eval()
