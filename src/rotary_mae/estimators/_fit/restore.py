"""Restoring an estimator whose fit failed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from rotary_mae._torch_state import standard_torch

Parameters = ParamSpec("Parameters")

Estimator = TypeVar("Estimator")

Fit = Callable[Concatenate[Estimator, Parameters], Estimator]


def restore_on_failure(fit: Fit[Estimator, Parameters]) -> Fit[Estimator, Parameters]:
    """Wrap ``fit`` so that all attributes are as before if it fails or is interrupted.

    Otherwise an old model could meet the classes of a new fit. The fit does not depend on torch's global settings.
    """

    @functools.wraps(fit)
    def fit_or_restore(self: Estimator, *args: Parameters.args, **options: Parameters.kwargs) -> Estimator:
        before: dict[str, Any] = dict(vars(self))
        try:
            with standard_torch():
                return fit(self, *args, **options)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return fit_or_restore
