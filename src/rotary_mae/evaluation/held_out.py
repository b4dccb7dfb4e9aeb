"""What a trained model says of samples it was not trained on, in files of its run: what a report is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from rotary_mae._atomic import replacing_folder

FOLDER = "held_out"


@dataclass(frozen=True)
class HeldOutPredictions:
    """Answers on held-out samples; a table is None where the model gives no such answers.

    about: what the samples are and what the columns mean, as JSON can hold it.
    samples: a row a sample: id; label, if there is one; for classes p_0, p_1 ... (in the order of
        about["classes"]); for numbers truth_0, prediction_0 ... (of about["targets"]); e0, e1 ... its embedding.
    values: a row a hidden value: sample (its row in ``samples``), channel, time, truth, answer; mean (of the channel)
        and scale (a standard deviation of it); line (between visible neighbours, if there is a time), and for models
        that answer with a spread a column a quantile of about["quantiles"], q0, q1 ...
    seen: a row a visible value of the samples that can be drawn: sample, channel, time, value.
    curves: the answers between them: sample, channel, time, answer, low_90, low_50, high_50, high_90 (and truth, if
        it is known).

    Times are in the user's unit, of time stamps in seconds since 1970-01-01 UTC (about["times"] names their type).
    """

    about: Mapping[str, Any]
    samples: pa.Table
    values: pa.Table | None = None
    seen: pa.Table | None = None
    curves: pa.Table | None = None

    def save(self, run: str | Path) -> None:
        """Write into the folder of a run, whole or not at all."""
        with replacing_folder(Path(run) / FOLDER) as partial:
            (partial / "about.json").write_text(json.dumps(self.about, indent=1))
            for name in ("samples", "values", "seen", "curves"):
                table = getattr(self, name)
                if table is not None:
                    pa_parquet.write_table(table, partial / f"{name}.parquet")

    @staticmethod
    def load(run: str | Path) -> HeldOutPredictions | None:
        """What ``save`` wrote; None if there is nothing."""
        folder = Path(run) / FOLDER
        if not (folder / "about.json").is_file():
            return None
        tables = {
            name: pa_parquet.read_table(folder / f"{name}.parquet")
            for name in ("samples", "values", "seen", "curves")
            if (folder / f"{name}.parquet").is_file()
        }
        return HeldOutPredictions(json.loads((folder / "about.json").read_text()), **tables)
