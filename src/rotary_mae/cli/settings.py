"""The flags that all training commands share."""

from __future__ import annotations

from dataclasses import dataclass
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
        from rotary_mae.models.config import DecoderConfig, RoMAEConfig
        from rotary_mae.settings import check_keys
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
