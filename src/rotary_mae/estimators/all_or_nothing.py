"""A fit that fails leaves the estimator as it was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Estimator = TypeVar("Estimator")
Fit = Callable[Concatenate[Estimator, Parameters], Estimator]


def all_or_nothing(fit: Fit[Estimator, Parameters]) -> Fit[Estimator, Parameters]:
    """``fit`` that puts all attributes back if it fails or is interrupted: an old model must not meet new classes."""

    @functools.wraps(fit)
    def whole(self: Estimator, *args: Parameters.args, **options: Parameters.kwargs) -> Estimator:
        before: dict[str, Any] = dict(vars(self))
        try:
            return fit(self, *args, **options)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return whole
