"""Limit on the kernels that oneDNN keeps, for programs that own their process. Imports no torch."""

from __future__ import annotations

import os

CACHE_VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Environment variables read by oneDNN and by torch's interface to it."""

CACHE_CAPACITY = 256
"""Kernels to keep. A training step needs some dozens; the default of 1024 can hold hundreds of megabytes."""


def limit_kernel_caches() -> None:
    """Limit the memory that oneDNN uses for prepared kernels, unless the user has set the limit.

    oneDNN prepares and keeps a kernel for every new size of a matrix product. Batches of samples of different lengths
    have ever new sizes, so the cache fills up. This sets ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` and
    ``LRU_CACHE_CAPACITY`` to 256 in the environment of the current process. Results do not change.

    Both variables are read when the first product is computed, so this must be called before. The command ``romae``
    calls it. The library never does: a process that imports it keeps its own settings.
    """
    for variable in CACHE_VARIABLES:
        os.environ.setdefault(variable, str(CACHE_CAPACITY))
