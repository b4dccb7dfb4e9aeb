"""From a fitted embedder to a picture of what it makes of hidden patches, in one line."""

from __future__ import annotations

from typing import Any, Protocol

from matplotlib.figure import Figure

from rotary_mae.report.figures import reconstruction_figure


class Reconstructs(Protocol):
    """What a picture asks of an embedder (see ``RoMAEEmbedder``)."""

    def reconstruct(self, X: Any, fraction: float | None = None, seed: int = 0) -> Any: ...


def plot_reconstruction(embedder: Reconstructs, X: Any, *, fraction: float | None = None, seed: int = 0) -> Figure:
    """A picture of images or spectrograms with patches hidden: a row a sample, as it is, as seen, as filled in.

    Args:
        embedder: a fitted RoMAEEmbedder.
        X: samples, all of which are drawn: tokens of images or of sound.
        fraction: share of the patches to hide, in [0, 1]; None: as in training. seed: which they are.

    Returns:
        A matplotlib figure: ``.savefig("picture.png")`` writes it, a notebook shows it.

    Raises ValueError for samples that are no patches, and for videos.
    """
    return reconstruction_figure(*embedder.reconstruct(X, fraction, seed).pictures())
