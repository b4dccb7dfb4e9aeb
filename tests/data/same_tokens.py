"""When two TokenSets are the same, for the tests of this folder."""

import numpy as np

from rotary_mae.data.tokens import TokenSet


def assert_same(a: TokenSet, b: TokenSet) -> None:
    """Equal to the last bit: values, positions, lengths, ids, targets and schema."""
    assert a.schema == b.schema
    for name in ("lengths", "ids", "positions", "values"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.targets is None) == (b.targets is None)
    if a.targets is not None:
        np.testing.assert_array_equal(a.targets, b.targets)


def by_id(tokens: TokenSet) -> TokenSet:
    """The samples in the order of their ids."""
    return tokens[np.argsort(tokens.ids, kind="stable")]
