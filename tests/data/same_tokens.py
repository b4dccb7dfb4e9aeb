"""Comparison of TokenSets, for the tests of this folder."""

import numpy as np

from rotary_mae.data.tokens import TokenSet


def assert_same(a: TokenSet, b: TokenSet) -> None:
    """Assert that all arrays and the schema are equal to the last bit."""
    assert a.schema == b.schema
    for name in ("lengths", "ids", "positions", "values"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("targets", "token_targets"):
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_array_equal(one, other, err_msg=name)


def by_id(tokens: TokenSet) -> TokenSet:
    """Return the samples in the order of their ids."""
    return tokens[np.argsort(tokens.ids, kind="stable")]
