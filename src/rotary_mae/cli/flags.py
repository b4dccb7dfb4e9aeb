"""The flags that all training commands share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Fitting:
    """Model and training. What is not said is chosen by the data.

    Attributes:
        init: run, checkpoint folder or Hugging Face model ("owner/name") to start from; random weights if not said.
        size: tiny-shallow, tiny, small, base or large; if not said "tiny" on a GPU, "tiny-shallow" on a CPU. Given by
            --init, where there is one.
        layout: "measurements" makes a token of every measurement, "steps" of every time with all its channels,
            "auto" steps if at least half of their cells are observed.
        epochs: passes over the data.
        learning_rate: at its highest; it rises at first, and falls to 0 in the end.
        batch_size: samples that make one update of the weights.
        dropout: share of the connections that are switched off at random in training, against over-fitting.
        context: neighbours on each side that a measurement is looked at with; 0 is the paper's model.
        unit: what counts as a distance of 1 in time, in the unit of --time; "auto" takes the typical spacing.
        validation_fraction: share of the samples that are not trained on, and choose the best checkpoint.
        early_stopping: stop when the validation samples have not got better for long.
        max_minutes: shorten the schedule, if need be, so that all ends in about this time; the pace is measured first.
        compile: compile the model first: minutes at the start, quicker updates afterwards.
        precision: "bf16" is quicker on GPUs that know it.
        device: "auto", "cpu", "cuda" or "cuda:N".
        seed: of everything random: on a CPU the same seed gives the same run.
        verbose: show progress.
        model: any other setting of the model, as --model.NAME VALUE: n_predicted, width, heads, depth, hidden, cls,
            pooling, positions, rope_base, rope_fraction, timescales, queries, distribution, normalize_targets,
            compress, window, window_axis, drop_path, norm_eps, and decoder.width, decoder.heads, decoder.depth,
            decoder.hidden.
        training: any other setting of training, as --training.NAME VALUE: max_steps, max_seconds, max_tokens,
            accumulate, optimizer, warmup_fraction, warmup_steps, betas, momentum, weight_decay, clip, average, keep,
            hiding.strategy, hiding.fraction, hiding.least_fraction, augmentation.scale (noise, shift, stretch,
            thinning), label_smoothing, evaluate_every, monitor, patience, save_seconds, num_workers, trackers.
    """

    init: str | None = None
    size: str | None = None
    layout: Literal["auto", "measurements", "steps"] = "auto"
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    dropout: float | None = None
    context: int | None = None
    unit: float | Literal["auto"] = "auto"
    validation_fraction: float = 0.1
    early_stopping: bool = True
    max_minutes: float | None = None
    compile: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "auto"
    seed: int = 0
    verbose: bool = True
    model: dict[str, Any] | None = None
    training: dict[str, Any] | None = None

    def check(self) -> None:
        """Raise ValueError for a name or value that the model or the training does not know, before any work."""
        from rotary_mae._settings import check_keys
        from rotary_mae.models.config import DecoderConfig, RoMAEConfig
        from rotary_mae.training.config import TrainingConfig

        check_keys(RoMAEConfig, self.model or {})
        check_keys(DecoderConfig, (self.model or {}).get("decoder", {}))
        TrainingConfig.from_dict(self.training or {})

    def parameters(self, is_shown: bool) -> dict[str, Any]:
        """Arguments of an estimator; ``is_shown`` is False where another process shows the progress."""
        same = (
            "init size layout epochs learning_rate batch_size dropout context unit validation_fraction early_stopping "
            "max_minutes compile precision device"
        )
        return {
            **{name: getattr(self, name) for name in same.split()},
            "random_state": self.seed,
            "verbose": int(self.verbose and is_shown),
            "model": self.model,
            "training": self.training,
        }


Names = str | list[str]


@dataclass(frozen=True)
class Columns:
    """Columns of DATA. A run remembers those it was trained with.

    Not needed for files that hold samples already (TokenSet.to_parquet, write_cache).

    Attributes:
        id: names the series (object, patient, recording) that a row belongs to; "id" if not said.
        time: when it was measured, numbers or time stamps; "time" if not said.
        channel: what was measured (band, sensor, variable), where every measurement has a row of its own; a column
            called "channel" if not said.
        value: the measured value; where every variable has a column of its own all of these, joined by commas.
            Empty cells are taken as not observed. "value" if not said.
        error: the standard deviation of the measurement, one column for each of --value; a column called "error"
            if not said.
        static: what does not change within a series (redshift, age), joined by commas.
        duplicates: where a series has several values at one time and channel, "keep" all of them, take their "mean",
            or "error"; all are kept, with a warning, if not said.
    """

    id: str | None = None
    time: str | None = None
    channel: str | None = None
    value: Names | None = None
    error: Names | None = None
    static: Names | None = None
    duplicates: Literal["warn", "keep", "mean", "error"] | None = None

    def named(self, remembered: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Arguments of ``from_frame``: what was said here, else what a run remembers, else the defaults."""
        said = {k: v if k in ("id", "time", "channel", "duplicates") else split(v) for k, v in asdict(self).items()}
        defaults = {"id": "id", "time": "time", "value": ["value"]}
        return {**defaults, **(remembered or {}), **{k: v for k, v in said.items() if v is not None}}


def split(names: Names | None) -> list[str] | None:
    """``"hr,sbp"`` as a list; a list, as a configuration file may give it, as it is."""
    if names is None or isinstance(names, list):
        return names
    return [name.strip() for name in names.split(",") if name.strip()]


def flag_of(column: str, named: Mapping[str, Any]) -> str:
    """The flag that named a column: "--value"; the labels of a run by their own flags."""
    for flag, names in named.items():
        if column in ([names] if isinstance(names, str) else names or ()):
            return "--label (or --target)" if flag == "target" else f"--{flag}"
    return "--value"
