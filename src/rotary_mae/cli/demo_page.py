"""The HTML page of the demo, and a picture of its interpolations."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rotary_mae._atomic import replacing_file
from rotary_mae.cli.demo_data import DemoData, DemoResults
from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.bootstrap import METHOD_NAMES
from rotary_mae.report.charts import score_chart
from rotary_mae.report.figures import ChannelSeries, Example, interpolation_figure, png_bytes
from rotary_mae.report.page import Figure, HeadlineNumber, Page, Section, write_page
from rotary_mae.report.sections import (
    classification_sections,
    embedding_section,
    learning_curve_section,
    reconstruction_sections,
)

N_EXAMPLES = 4
"""Objects in the picture. Not tuned."""


def write_demo_page(
    out: Path, data: DemoData, results: DemoResults, interpolated: HeldOutPredictions, classified: HeldOutPredictions
) -> Path:
    """Write demo.html and interpolation.png.

    Parameters
    ----------
    out : Path
        Folder to write to.
    data : DemoData
        Data of the demo.
    results : DemoResults
        Measurements of the demo.
    interpolated, classified : HeldOutPredictions
        Predictions of the interpolator and of the fine-tuned classifier on the test set.

    Returns
    -------
    Path
        Path of the page.
    """
    interpolated = _with_truth(interpolated, data)
    picture = interpolation_figure(_examples(interpolated), data.value_name, "time", data.is_inverted)
    with replacing_file(out / "interpolation.png") as partial:
        partial.write_bytes(png_bytes(picture))
    tokens = data.tokens
    reconstruction, errors = reconstruction_sections(interpolated, data.value_name, data.is_inverted)
    (_, confusion), _ = classification_sections(classified)
    embeddings = embedding_section(classified)
    ratio = (errors[METHOD_NAMES["answer"]].value / errors[METHOD_NAMES["line"]].value) ** 2
    page = Page(
        title=f"{data.name}: the RoMAE demo",
        lead=f"{len(tokens):,} objects, {tokens.n_tokens:,} observations in {', '.join(tokens.channels)}.",
        numbers=[
            *(
                HeadlineNumber(f"{np.mean(scores):.3f}", f"balanced accuracy, {name}")
                for name, scores in results.scores.items()
            ),
            HeadlineNumber(f"{ratio:.2f}", "squared error on masked values, relative to linear interpolation"),
        ],
        sections=[
            _score_section(data, results),
            confusion,
            *reconstruction,
            *([] if embeddings is None else [embeddings]),
            learning_curve_section(results.curves),
        ],
        footer=(
            f"rotary-mae {version('rotary-mae')}, {results.seconds:.0f} s in total. This page is one file and needs no "
            "network."
        ),
    )
    write_page(out / "demo.html", page)
    return out / "demo.html"


def _score_section(data: DemoData, results: DemoResults) -> Section:
    n_seeds, counts = len(data.seeds), results.counts
    repetitions = f"mean over {n_seeds} splits" if n_seeds > 1 else "one split"
    text = (
        f"A masked autoencoder was pre-trained on {counts['pre-training']} objects without labels, fine-tuned on "
        f"{counts['labelled']} labelled objects and evaluated on a test set of {counts['test']} objects "
        f"({repetitions}). The baselines use the same labels: the same network without pre-training, and a random "
        "forest of 500 trees on the standard deviation, range, skewness and median of each band."
    )
    chance_level = 1.0 / len(np.unique(np.asarray(data.tokens.targets)))
    dots = " Each dot is one split." if n_seeds > 1 else ""
    caption = f"Balanced accuracy on the test set; the dashed line is random guessing.{dots}"
    chart = score_chart(results.scores, "balanced accuracy", chance_level)
    return Section("Classification", [text], figures=[Figure("scores", [chart], caption, is_wide=True)])


def _with_truth(predictions: HeldOutPredictions, data: DemoData) -> HeldOutPredictions:
    """Add the values without noise to the curves, if they are known."""
    if data.truth is None or predictions.curves is None:
        return predictions
    curves, tokens = predictions.curves, data.tokens
    index_of = {str(name): i for i, name in enumerate(tokens.ids.tolist())}
    ids = predictions.samples["id"].to_pylist()
    channel = np.array([tokens.channels.index(name) for name in curves["channel"].to_pylist()])
    positions = np.column_stack([curves["time"].to_numpy(), channel])
    sample, truth = curves["sample"].to_numpy(), np.zeros(len(curves))
    for i in np.unique(sample):
        truth[sample == i] = data.truth(index_of[ids[i]], positions[sample == i])[:, 0]
    return replace(predictions, curves=curves.append_column("truth", pa.array(truth)))


def _examples(predictions: HeldOutPredictions) -> list[Example]:
    """Return the first objects that can be drawn."""
    visible, masked, curves = predictions.visible, predictions.masked, predictions.curves
    assert visible is not None
    assert masked is not None
    assert curves is not None
    ids, labels = predictions.samples["id"].to_pylist(), predictions.samples["label"].to_pylist()
    examples = []
    for i in curves["sample"].unique().to_pylist()[:N_EXAMPLES]:
        tables = [table.filter(pc.equal(table["sample"], i)) for table in (visible, masked, curves)]
        channels = [
            _channel_series(name, *(table.filter(pc.equal(table["channel"], name)) for table in tables))
            for name in tables[2]["channel"].unique().to_pylist()
        ]
        examples.append(Example(f"{ids[i]} ({labels[i]})", channels))
    return examples


def _channel_series(channel: str, visible: pa.Table, masked: pa.Table, curve: pa.Table) -> ChannelSeries:
    time = curve["time"].to_numpy()
    points = _points(visible, "value")
    order = np.argsort(points[:, 0])
    linear = np.interp(time, *points[order].T) if len(points) else np.full(len(time), np.nan)
    return ChannelSeries(
        channel,
        visible=points,
        masked=_points(masked, "truth"),
        times=time,
        prediction=curve["answer"].to_numpy(),
        low=curve["low_90"].to_numpy(),
        high=curve["high_90"].to_numpy(),
        linear=linear,
        truth=curve["truth"].to_numpy() if "truth" in curve.column_names else None,
    )


def _points(table: pa.Table, column: str) -> npt.NDArray[np.float64]:
    """Return times and values (n, 2)."""
    return np.column_stack([table["time"].to_numpy(), table[column].to_numpy()])
