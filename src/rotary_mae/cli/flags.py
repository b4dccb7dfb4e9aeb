"""Flags that several commands share: the columns of a table, and the settings of a training."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Names = str | list[str]
"""Names of columns joined by commas, see ``split_names``, or a list of them as a configuration file may give it."""


@dataclass(frozen=True)
class ColumnFlags:
    """Columns of DATA, if it is a table. Default for a trained run: the columns of its training.

    Attributes
    ----------
    id : str, optional
        name of the series (object, patient, recording) that a row belongs to; default: "id".
    time : str, optional
        time of the measurement, as a number or time stamp; default: "time".
    channel : str, optional
        channel of the measurement (band, sensor, variable), if each measurement has its own row; default: the column
        "channel", if there is one.
    value : str or list of str, optional
        measured value; if each channel has its own column, all of them, joined by commas, or in several --value. A
        name that contains a comma is put in double quotes within the single ones of the shell: --value '"a, b",c'.
        Empty cells are not observed. Default: "value".
    error : str or list of str, optional
        standard deviation of the measurement, one column for each of --value, written like these; default: the column
        "error", if there is one.
    static : str or list of str, optional
        values that are constant within a series (redshift, age), written like --value.
    duplicates : {"warn", "keep", "mean", "error"}, optional
        several values of one series at the same time and channel: "keep" all, take the "mean", or raise an "error";
        default: keep all and print a warning.
    """

    id: str | None = None
    time: str | None = None
    channel: str | None = None
    value: Names | None = None
    error: Names | None = None
    static: Names | None = None
    duplicates: Literal["warn", "keep", "mean", "error"] | None = None

    def resolve(self, trained: Mapping[str, Any] | None = None, known: Collection[str] = ()) -> dict[str, Any]:
        """Return the column arguments of ``from_frame``.

        Parameters
        ----------
        trained : mapping, optional
            Columns that a run was trained with, by argument. They replace the defaults, and flags replace both.
        known : collection of str
            Names of the columns of the table, if it was opened; see ``split_names``.

        Returns
        -------
        dict
            Names of columns by argument: ``{"id": "id", "time": "time", "value": ["hr", "sbp"]}``.
        """
        is_single = ("id", "time", "channel", "duplicates")
        given = {
            name: value if name in is_single else split_names(value, known) for name, value in asdict(self).items()
        }
        defaults = {"id": "id", "time": "time", "value": ["value"]}
        return {**defaults, **(trained or {}), **{k: v for k, v in given.items() if v is not None}}


@dataclass(frozen=True)
class TrainingFlags:
    """Model and training. A setting without a default is chosen from the data.

    Attributes
    ----------
    init : str, optional
        initial weights: run folder, checkpoint folder or Hugging Face model ("owner/name"); default: random.
    size : str, optional
        tiny-shallow, tiny, small, base or large; default: the size of --init, else "tiny" on a GPU and "tiny-shallow"
        on a CPU.
    layout : {"auto", "measurements", "steps"}
        "measurements" makes one token per measurement, "steps" one token per time step with all its channels; "auto"
        takes steps if at least half of their cells are observed.
    epochs : int, optional
        number of epochs.
    learning_rate : float, optional
        highest learning rate; the schedule rises to it and then falls to 0.
    batch_size : int, optional
        samples per update of the weights.
    dropout : float, optional
        dropout probability during training.
    context : int, optional
        number of neighbours on each side that are projected together with a token (local context); 0 is the paper's
        model.
    unit : float or "auto"
        time difference that counts as 1, in the unit of --time; "auto" takes the typical gap within a channel.
    validation_fraction : float
        fraction of the samples in the validation set, which selects the best checkpoint.
    early_stopping : bool
        stop when the validation metric has not improved for many epochs.
    max_minutes : float, optional
        approximate limit of the training time; the speed is measured first and the schedule shortened if necessary.
    compile : bool
        compile the model first; this takes minutes and makes each update faster.
    precision : {"fp32", "bf16"}
        number format of the computation; "bf16" is faster on GPUs that support it.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    seed : int
        seed of all random numbers; on a CPU the same seed gives the same run.
    verbose : bool
        show progress.
    model : dict, optional
        any other setting of the model, as --model.NAME VALUE: n_predicted, width, heads, depth, hidden, cls, pooling,
        positions, rope_base, rope_fraction, timescales, queries, distribution, normalize_targets, compress, window,
        window_axis, drop_path, norm_eps, and decoder.width, decoder.heads, decoder.depth, decoder.hidden.
    training : dict, optional
        any other setting of training, as --training.NAME VALUE: max_steps, max_seconds, max_tokens, accumulate,
        optimizer, warmup_fraction, warmup_steps, betas, momentum, weight_decay, clip, average, keep, hiding.strategy,
        hiding.fraction, hiding.least_fraction, augmentation.scale (noise, shift, stretch, thinning), label_smoothing,
        evaluate_every, monitor, patience, save_seconds, num_workers, trackers.
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
        """Raise ValueError for an unknown name or wrong value in ``model`` or ``training``, before any work."""
        from rotary_mae._settings import check_keys
        from rotary_mae.models.config import DecoderConfig, RoMAEConfig
        from rotary_mae.training.config import TrainingConfig

        check_keys(RoMAEConfig, self.model or {})
        check_keys(DecoderConfig, (self.model or {}).get("decoder", {}))
        TrainingConfig.from_dict(self.training or {})

    def estimator_parameters(self, is_shown: bool) -> dict[str, Any]:
        """Return the arguments of an estimator.

        Parameters
        ----------
        is_shown : bool
            False in all processes but the one that shows progress.
        """
        renamed = {"seed": "random_state"}
        parameters = {renamed.get(name, name): value for name, value in vars(self).items()}
        return {**parameters, "verbose": int(self.verbose and is_shown)}


_CELL = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?:,|$)|([^,]*)(?:,|$)')
"""A name in double quotes, or one without a comma, up to the next comma."""


def split_names(names: Names | None, known: Collection[str] = ()) -> list[str] | None:
    """Return ``"hr,sbp"`` as a list; a list or None is returned unchanged.

    Parameters
    ----------
    names : str, list of str or None
        Names joined by commas, or by newlines where a flag was repeated. Names in double quotes may contain commas.
        Spaces around a name are removed.
    known : collection of str
        Names of columns. Such a name is taken as it is written, with its spaces and commas.
    """
    if names is None or isinstance(names, list):
        return names
    found = []
    for line in names.split("\n"):
        if line in known:
            found.append(line)
            continue
        cells = [(quoted.replace('""', '"'), plain) for quoted, plain in _CELL.findall(line)]
        found += [quoted or (plain if plain in known else plain.strip()) for quoted, plain in cells]
    return [name for name in found if name]


def flag_for_column(column: str, columns: Mapping[str, Any]) -> str:
    """Return the flag that names a column, such as ``--value``.

    Parameters
    ----------
    column : str
        Name of a column.
    columns : mapping
        Names of columns by argument, as ``ColumnFlags.resolve`` returns them; may contain ``target``.
    """
    for flag, names in columns.items():
        if column in ([names] if isinstance(names, str) else names or ()):
            return "--label (or --target)" if flag == "target" else f"--{flag}"
    return "--value"
