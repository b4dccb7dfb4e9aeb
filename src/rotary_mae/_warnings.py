"""Warnings that point to the line of the user's code.

``warnings.warn`` has ``skip_file_prefixes`` for this from Python 3.12 on.
"""

from __future__ import annotations

import sys
import warnings

# scikit-learn wraps methods of estimators, such as ``transform``, so its frames lie between the user and this package
_SKIPPED_PACKAGES = ("rotary_mae", "sklearn")


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn with the file and line of the first caller outside of this package and scikit-learn.

    Parameters
    ----------
    message : str
        Text of the warning.
    category : type, default=UserWarning
        Class of the warning.
    """
    # stacklevel 1 is this function, 2 its caller
    stacklevel, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_skipped(frame.f_globals.get("__name__", "")):
        stacklevel, frame = stacklevel + 1, frame.f_back
    warnings.warn(message, category, stacklevel=stacklevel)


def _is_skipped(module: str) -> bool:
    return module.partition(".")[0] in _SKIPPED_PACKAGES
