"""Indexing: runs of samples up to a budget, and indices of the tokens of samples."""

from itertools import zip_longest

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotary_mae.data.indexing import budget_slices, sample_indices, token_indices


@given(
    sizes=st.lists(st.integers(0, 20), max_size=40),
    max_total=st.integers(1, 30),
    max_items=st.none() | st.integers(1, 5),
)
def test_budget_slices_cover_all_items_and_keep_the_budget(
    sizes: list[int], max_total: int, max_items: int | None
) -> None:
    items = np.array(sizes, np.int64)
    slices = budget_slices(items, max_total, max_items)
    chosen = [i for part in slices for i in range(len(items))[part]]
    assert chosen == list(range(len(items)))
    for part, after in zip_longest(slices, slices[1:]):
        n, total = part.stop - part.start, int(items[part].sum())
        assert n >= 1
        assert n == 1 or total <= max_total
        assert max_items is None or n <= max_items
        # no run could have taken the next item too
        assert after is None or n == max_items or total + items[after.start] > max_total


def test_tokens_of_samples_follow_each_other_in_the_given_order() -> None:
    lengths = np.array([2, 3, 1])
    starts = np.array([0, 2, 5])
    assert token_indices(starts[[2, 0]], lengths[[2, 0]]).tolist() == [5, 0, 1]
    assert token_indices(starts[:0], lengths[:0]).tolist() == []


def test_a_bool_series_is_read_by_id() -> None:
    ids = np.array(["c", "a", "b"])
    is_taken = pd.Series([True, False, False], index=["a", "b", "c"])
    assert sample_indices(is_taken, 3, ids).tolist() == [1]
    assert sample_indices(is_taken.to_numpy(), 3, ids).tolist() == [0]
    with pytest.raises(IndexError, match="no entry for 1 of 3 ids, first 'c'"):
        sample_indices(is_taken[:2], 3, ids)


def test_a_masked_index_is_an_error() -> None:
    with pytest.raises(IndexError, match="must not have masked entries"):
        sample_indices(np.ma.array([True, False], mask=[False, True]), 2)
