"""The page of the demo, and a picture of its interpolations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rotary_mae import __version__
from rotary_mae._atomic import replacing_file
from rotary_mae.data.tokens import TokenSet
from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.charts import score_chart
from rotary_mae.report.figures import Example, Line, interpolation_figure, png_bytes
from rotary_mae.report.page import Figure, Number, Page, Section, write_page
from rotary_mae.report.sections import class_sections, curve_section, hidden_sections, map_section

N_EXAMPLES = 4

Truth = Callable[[int, npt.NDArray[np.float64]], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Material:
    """What the demo runs on.

    tokens: all objects, with classes as targets. n_labelled: how many training objects have labels to learn from
    (None: all). truth: the noise-free value of object i at positions (q, 2), where it is known. seeds: repetitions
    of split and fine-tuning.
    """

    name: str
    tokens: TokenSet
    n_labelled: int | None
    n_test: int
    seeds: tuple[int, ...]
    pretrain_epochs: int
    classify_epochs: int
    thinning: float
    pretrain_thinning: float
    value_name: str
    is_inverted: bool
    truth: Truth | None = None


@dataclass
class Story:
    """What came out: balanced accuracies by method (one a seed), metrics of interpolation, training curves."""

    scores: dict[str, list[float]] = field(default_factory=dict)
    interpolation: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def write_story(
    out: Path, material: Material, story: Story, filled: HeldOutPredictions, classified: HeldOutPredictions
) -> Path:
    """Write demo.html and interpolation.png; returns the page's path.

    filled, classified: what the interpolator and the fine-tuned classifier say of objects never seen.
    """
    filled = _with_truth(filled, material)
    picture = interpolation_figure(_examples(filled), material.value_name, "time", material.is_inverted)
    with replacing_file(out / "interpolation.png") as partial:
        partial.write_bytes(png_bytes(picture))
    tokens = material.tokens
    between, errors = hidden_sections(filled, material.value_name, material.is_inverted)
    of_classes, _ = class_sections(classified)
    map_of_objects = map_section(classified)
    ratio = (errors["the model"].value / errors["straight lines between neighbours"].value) ** 2
    numbers = [
        *(Number(f"{np.mean(values):.3f}", f"balanced accuracy, {name}") for name, values in story.scores.items()),
        Number(f"{ratio:.2f}", "of the squared error of straight lines, for hidden values"),
    ]
    page = Page(
        title=f"{material.name}: what RoMAE makes of them",
        lead=f"{len(tokens):,} objects, {tokens.n_tokens:,} observations in {', '.join(tokens.channels)}.",
        numbers=numbers,
        sections=[
            _score_section(material, story),
            *of_classes[1:],
            *between,
            *([] if map_of_objects is None else [map_of_objects]),
            curve_section(story.curves),
        ],
        footer=f"rotary-mae {__version__}, {story.seconds:.0f} s in all. This page is one file and needs no network.",
    )
    write_page(out / "demo.html", page)
    return out / "demo.html"


def _score_section(material: Material, story: Story) -> Section:
    n_seeds = len(material.seeds)
    seeds = f"mean over {n_seeds} splits" if n_seeds > 1 else "one split"
    text = (
        f"A masked autoencoder was pre-trained on {story.counts['pre-training']} objects without their labels, then "
        f"fine-tuned on {story.counts['labelled']} labelled ones and tried on {story.counts['test']} others ({seeds}). "
        "Beside it the same network without pre-training, and a random forest of 500 trees on scatter, range, skewness "
        "and median of each band, both learned from the same labels."
    )
    chance = 1.0 / len(np.unique(np.asarray(material.tokens.targets)))
    dots = " Dots are the splits." if n_seeds > 1 else ""
    caption = f"Balanced accuracy on objects never seen; the dashed line is guessing.{dots}"
    figure = Figure("scores", [score_chart(story.scores, "balanced accuracy", chance)], caption, is_wide=True)
    return Section("Which class is it?", [text], figures=[figure])


def _with_truth(evidence: HeldOutPredictions, material: Material) -> HeldOutPredictions:
    """With the values without noise beside the curves, where they are known."""
    if material.truth is None or evidence.curves is None:
        return evidence
    curves, tokens = evidence.curves, material.tokens
    place = {str(name): i for i, name in enumerate(tokens.ids.tolist())}
    ids = evidence.samples["id"].to_pylist()
    channel = np.array([tokens.channels.index(name) for name in curves["channel"].to_pylist()])
    positions = np.column_stack([curves["time"].to_numpy(), channel])
    sample, truth = curves["sample"].to_numpy(), np.zeros(len(curves))
    for i in np.unique(sample):
        truth[sample == i] = material.truth(place[ids[i]], positions[sample == i])[:, 0]
    return replace(evidence, curves=curves.append_column("truth", pa.array(truth)))


def _examples(evidence: HeldOutPredictions) -> list[Example]:
    """The first objects that can be drawn, for a picture."""
    seen, values, curves = evidence.visible, evidence.masked, evidence.curves
    assert seen is not None
    assert values is not None
    assert curves is not None
    ids, labels = evidence.samples["id"].to_pylist(), evidence.samples["label"].to_pylist()
    examples = []
    for i in curves["sample"].unique().to_pylist()[:N_EXAMPLES]:
        mine = [table.filter(pc.equal(table["sample"], i)) for table in (seen, values, curves)]
        channels = mine[2]["channel"].unique().to_pylist()
        lines = [_line(name, *(table.filter(pc.equal(table["channel"], name)) for table in mine)) for name in channels]
        examples.append(Example(f"{ids[i]} ({labels[i]})", lines))
    return examples


def _line(channel: str, seen: pa.Table, hidden: pa.Table, curve: pa.Table) -> Line:
    time, answer = curve["time"].to_numpy(), curve["answer"].to_numpy()
    known = _points(seen, "value")
    low, high = curve["low_90"].to_numpy(), curve["high_90"].to_numpy()
    order = np.argsort(known[:, 0])
    linear = np.interp(time, *known[order].T) if len(known) else np.full(len(time), np.nan)
    truth = curve["truth"].to_numpy() if "truth" in curve.column_names else None
    return Line(channel, known, _points(hidden, "truth"), time, answer, low, high, linear, truth)


def _points(table: pa.Table, column: str) -> npt.NDArray[np.float64]:
    return np.column_stack([table["time"].to_numpy(), table[column].to_numpy()])
