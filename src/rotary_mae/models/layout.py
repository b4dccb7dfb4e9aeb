"""The order of tokens where several parts of a sample lie in several places of a flat buffer."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def sample_major(*part_lengths: Ints) -> tuple[Ints, Ints]:
    """Lengths (B,) and order (T,) of samples whose parts lie one part after the other.

    Each part is itself sample after sample, with lengths (B,); e.g. all CLS tokens, then all visible tokens.
    order[i] is the flat index of the i-th token if the tokens lay sample after sample.
    """
    n_samples = len(part_lengths[0])
    sample = np.concatenate([np.repeat(np.arange(n_samples), lengths) for lengths in part_lengths])
    return np.sum(part_lengths, axis=0), np.argsort(sample, kind="stable")
