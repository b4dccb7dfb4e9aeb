"""Keyed random numbers depend only on their keys, and are uniform and uncorrelated."""

import warnings

import numpy as np
from scipy.stats import kstest

from rotary_mae.batches.keyed_random import keyed_uniform


def test_a_number_depends_only_on_its_keys():
    keys, places = np.arange(50)[:, None], np.arange(9)
    table = keyed_uniform(7, 3, keys, places)
    assert table.shape == (50, 9)
    assert table[31, 4] == keyed_uniform(7, 3, 31, 4)
    order = np.random.default_rng(0).permutation(50)
    assert (keyed_uniform(7, 3, keys[order], places) == table[order]).all()


def test_numbers_are_uniform_and_uncorrelated():
    table = keyed_uniform(0, 0, np.arange(2000)[:, None], np.arange(8))
    assert table.min() >= 0
    assert table.max() < 1
    assert kstest(table.ravel(), "uniform").pvalue > 1e-3
    across = np.corrcoef(table.T) - np.eye(8)
    assert np.abs(across).max() < 0.1
    assert abs(np.corrcoef(table[:-1, 0], table[1:, 0])[0, 1]) < 0.1
    assert len(np.unique(table)) == table.size


def test_numbers_depend_on_every_key_and_on_their_order():
    draws = {
        float(keyed_uniform(*keys)) for keys in [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 1), (0, 1, 2, 0), (0, 1, -2)]
    }
    assert len(draws) == 6


def test_any_whole_number_can_be_a_key_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draws = [float(keyed_uniform(seed, 5, 6)) for seed in (0, -1, 2**62, 2**63 - 1, 2**63 + 5)]
    assert len(set(draws)) == 5
