"""Scores of a run on development data, which is made once and cached."""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pretraining.baselines import baseline_crps
from pretraining.gaussian_process_draws import N_LAWS, N_SERIES, SIZES, draw_gaussian_processes
from pretraining.provenance import run_provenance
from pretraining.real_series import SETS, load_real_series
from pretraining.run_state import RunFolder
from pretraining.stream import ChunkSource
from pretraining.trainer import robust_log_prob
from rotary_mae._atomic import replacing_file
from rotary_mae.data.tokens import TokenSet
from rotary_mae.series_model.mixture import Mixture
from rotary_mae.series_model.model import SeriesModel
from rotary_mae.series_model.predict_series import predict_series, predict_views
from rotary_mae.series_model.series_scaling import scale_views
from rotary_mae.series_model.views import Floats, Views

PRIOR_SEED, PROCESS_SEED, REAL_SEED = 987_654_321, 5, 1
"""Seeds of the draws of the prior, of the Gaussian processes, and of the choice of real series."""

N_CHUNKS, CHUNK = 2, 1024
"""Chunks of the prior and their number of series."""

MAX_RELATIVE_CRPS = 5.0
"""Largest CRPS of a series, in its standard deviations. Channels that are nearly constant would else decide a set."""

SPEED_SHAPE = (256, 80, 50)
"""Series, visible values and queries of the measurement of speed."""

VERSION = 1
"""Version of the development data; part of the names of cached files."""


def evaluate_run(folder: RunFolder, *, with_real: bool = True, cache: Path | None = None) -> dict[str, Any]:
    """Return the scores of a run, with its settings and what computed them.

    Parameters
    ----------
    folder : RunFolder
        Run with a saved state; its averaged weights are evaluated.
    with_real : bool
        False to leave out the real series, which need ROMAE_DATA.
    cache : Path, optional
        Folder of the development data; beside the run if None.

    Returns
    -------
    dict
        ``scores`` and provenance.
    """
    started = time.perf_counter()
    data = DevelopmentData(cache or folder.path.parent / "pretraining-development")
    model = folder.model()
    scores: dict[str, Any] = {
        "gaussian_processes": {str(n): process_scores(model, data, n) for n in SIZES},
        "prior": prior_scores(model),
        "core_milliseconds_per_series": round(1000 * seconds_per_series(model), 2),
    }
    if with_real:
        scores["real"] = {name: real_scores(model, data, name) for name in SETS}
    seeds = {"prior": PRIOR_SEED, "gaussian_processes": PROCESS_SEED, "real": REAL_SEED}
    seconds = round(time.perf_counter() - started, 1)
    return {"scores": scores, **run_provenance(folder), "development_seeds": seeds, "seconds": seconds}


class DevelopmentData:
    """Development data with the scores of oracles and baselines, computed at first use.

    Parameters
    ----------
    folder : Path
        Folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def gaussian_processes(self, n_values: int) -> tuple[Views, dict[str, Floats]]:
        """Return series of Gaussian processes and log densities of better-informed predictors."""
        path = self.folder / f"gaussian-processes-{n_values}-of-{N_SERIES}-laws-{N_LAWS}-v{VERSION}.npz"
        if not path.exists():
            _save(path, *draw_gaussian_processes(n_values, PROCESS_SEED))
        return _load(path)

    def real(self, name: str) -> tuple[Views, dict[str, Floats]]:
        """Return real series and the CRPS of baselines."""
        path = self.folder / f"{''.join(c if c.isalnum() else '-' for c in name)}-v{VERSION}.npz"
        if not path.exists():
            views = load_real_series(name, np.random.default_rng((REAL_SEED, list(SETS).index(name))))
            _save(path, views, baseline_crps(views))
        return _load(path)


def _save(path: Path, views: Views, scores: dict[str, Floats]) -> None:
    arrays: dict[str, Any] = {f"views_{f.name}": getattr(views, f.name) for f in fields(Views)}
    arrays |= {f"scores_{name}": array for name, array in scores.items()}
    with replacing_file(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def _load(path: Path) -> tuple[Views, dict[str, Floats]]:
    with np.load(path) as arrays:
        views = Views(**{f.name: arrays[f"views_{f.name}"] for f in fields(Views)})
        prefix = "scores_"
        return views, {key.removeprefix(prefix): arrays[key] for key in arrays.files if key.startswith(prefix)}


def process_scores(model: SeriesModel, data: DevelopmentData, n_values: int) -> dict[str, float]:
    """Return the log score of draws of Gaussian processes, in nats above those of better-informed predictors.

    Parameters
    ----------
    model : SeriesModel
        The model.
    data : DevelopmentData
        Development data.
    n_values : int
        Visible values of a series.

    Returns
    -------
    dict of str to float
        ``above_oracle`` (kernel, length, noise, level and amplitude known), ``above_law`` (level, amplitude and the
        law of the others known), ``above_law_and_scale`` (the laws alone known), ``law_above_oracle``,
        ``law_and_scale_above_oracle`` and ``coverage_90``.
    """
    views, known = data.gaussian_processes(n_values)
    mixture, y = predict_views(model, views), torch.from_numpy(views.targets)
    log_prob = mixture.log_prob(y).numpy()
    above = {f"above_{name}": float((other - log_prob).mean()) for name, other in known.items()}
    for name in ("law", "law_and_scale"):
        above[f"{name}_above_oracle"] = float((known["oracle"] - known[name]).mean())
    return _rounded({**above, "coverage_90": _coverage(mixture, views)})


def prior_scores(model: SeriesModel) -> dict[str, float]:
    """Return scores on draws of the prior that training does not see.

    Parameters
    ----------
    model : SeriesModel
        The model.

    Returns
    -------
    dict of str to float
        ``nll`` (as in training: robust, in scaled units), ``crps`` in deviations and ``coverage_90``. Series count
        alike.
    """
    source = ChunkSource(PRIOR_SEED, CHUNK, CHUNK)
    views = Views.concatenate([batch for i in range(N_CHUNKS) for batch in source.draw(i)])
    mixture, scaled = predict_views(model, views).widened(torch.from_numpy(views.target_errors)), scale_views(views)
    level, deviation = (torch.from_numpy(a[views.query_view_idx]) for a in (scaled.level, scaled.deviation))
    in_units = mixture.rescaled(-level / deviation, 1.0 / deviation)
    y = torch.from_numpy(scaled.targets)
    nll, crps = -robust_log_prob(in_units, y).numpy(), in_units.crps(y).clamp(max=2 * MAX_RELATIVE_CRPS).numpy()
    means = {"nll": _by_view(nll, views).mean(), "crps": _by_view(crps, views).mean()}
    return _rounded({**means, "coverage_90": _coverage(mixture, views)})


def real_scores(model: SeriesModel, data: DevelopmentData, name: str) -> dict[str, float]:
    """Return the CRPS on real series in units of each series' standard deviation, and that of the baselines.

    Parameters
    ----------
    model : SeriesModel
        The model.
    data : DevelopmentData
        Development data.
    name : str
        Name of the set.

    Returns
    -------
    dict of str to float
        ``crps``, ``crps_gaussian_process``, ``crps_linear`` and ``coverage_90``.
    """
    views, baselines = data.real(name)
    errors = torch.from_numpy(views.target_errors)
    mixture = predict_views(model, views).widened(errors)
    crps = _by_view(mixture.crps(torch.from_numpy(views.targets)).numpy(), views)
    std = np.array([np.std(_own_values(views.take(np.array([i])))) for i in range(len(views))])
    scores = {"crps": crps, **{f"crps_{other}": of_views for other, of_views in baselines.items()}}
    relative = {key: float((array / std).clip(0.0, MAX_RELATIVE_CRPS).mean()) for key, array in scores.items()}
    return {**_rounded({**relative, "coverage_90": _coverage(mixture, views)}), "n_series": len(views)}


def seconds_per_series(model: SeriesModel) -> float:
    """Return the processor time of a prediction, from tokens to mixtures, for a series of 80 values."""
    n_series, n_values, n_queries = SPEED_SHAPE
    generator = np.random.default_rng(0)
    shape = (n_series * n_values, 1)
    tokens = TokenSet(generator.normal(size=shape), generator.random(shape), [n_values] * n_series)
    queries = list(generator.random((n_series, n_queries)))
    predict_series(model, tokens[:16], queries[:16])  # the first call prepares kernels
    started = time.process_time()
    predict_series(model, tokens, queries)
    return (time.process_time() - started) / n_series


def _own_values(view: Views) -> Floats:
    """Visible values and targets of the predicted channel."""
    return np.concatenate([view.values[view.channels == 0], view.targets])


def _by_view(numbers: Floats, views: Views) -> Floats:
    """Mean over the queries of each view that has queries."""
    count = views.query_lengths
    total = np.bincount(views.query_view_idx, numbers, len(views))
    return total[count > 0] / count[count > 0]


def _coverage(mixture: Mixture, views: Views) -> float:
    """Fraction of the targets in the central 90 % intervals."""
    probability = mixture.cdf(torch.from_numpy(views.targets)[:, None])[:, 0].numpy()
    return float(((probability > 0.05) & (probability < 0.95)).mean())


def _rounded(scores: dict[str, Any]) -> dict[str, float]:
    return {name: round(float(score), 4) for name, score in scores.items()}
