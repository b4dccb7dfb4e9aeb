"""Predictions on held-out samples, in files of a run folder; reports are made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from rotary_mae._atomic import replacing_folder, user_path

FOLDER = "held_out"

# Attributes that are stored as tables, and the names of their files.
_TABLE_FILES = {"samples": "samples", "masked": "values", "visible": "seen", "curves": "curves"}


@dataclass(frozen=True)
class HeldOutPredictions:
    """Predictions of a fitted model on samples that it was not trained on.

    Times are in the user's unit; time stamps are in seconds since 1970-01-01 UTC, and ``about["times"]`` is their type.
    A table is None for a model without such predictions.

    Attributes
    ----------
    about : mapping of str to any
        Description of the samples and of the columns, as JSON can hold it.
    samples : pyarrow.Table
        One row a sample: id; label, if there is one; for classes p_0, p_1, ... in the order of ``about["classes"]``;
        for numbers truth_0, prediction_0, ... of ``about["targets"]``; and the embedding e0, e1, ...
    masked : pyarrow.Table or None
        One row a masked value: sample (its row in ``samples``), channel, time, truth, answer (the prediction), mean and
        scale (mean and standard deviation of the channel), line (linear interpolation between visible neighbours, with
        one axis in time), kind and distance (what is visible around the value, see ``query_groups``; the distance in
        the unit of the times), and for a model with a predictive distribution the quantiles q0, q1, ... of
        ``about["quantiles"]``.
    visible : pyarrow.Table or None
        One row a visible value of the samples that can be drawn: sample, channel, time, value.
    curves : pyarrow.Table or None
        Predictions at regular times over the same samples: sample, channel, time, answer (the median), low_90, low_50,
        high_50, high_90, and truth if it is known.
    """

    about: Mapping[str, Any]
    samples: pa.Table
    masked: pa.Table | None = None
    visible: pa.Table | None = None
    curves: pa.Table | None = None

    def save(self, run: str | Path) -> None:
        """Write the predictions into the folder of a run, completely or not at all.

        Parameters
        ----------
        run : str or Path
            Folder of the run; the files are in its sub-folder ``held_out``.
        """
        with replacing_folder(user_path(run) / FOLDER) as partial:
            (partial / "about.json").write_text(json.dumps(self.about, indent=1))
            for attribute, file in _TABLE_FILES.items():
                table = getattr(self, attribute)
                if table is not None:
                    pa_parquet.write_table(table, partial / f"{file}.parquet")

    @staticmethod
    def load(run: str | Path) -> HeldOutPredictions | None:
        """Return the predictions in the folder of a run.

        Parameters
        ----------
        run : str or Path
            Folder of the run.

        Returns
        -------
        HeldOutPredictions or None
            None if the run has none.
        """
        folder = user_path(run) / FOLDER
        if not (folder / "about.json").is_file():
            return None
        tables = {
            attribute: pa_parquet.read_table(folder / f"{file}.parquet")
            for attribute, file in _TABLE_FILES.items()
            if (folder / f"{file}.parquet").is_file()
        }
        return HeldOutPredictions(json.loads((folder / "about.json").read_text()), **tables)
