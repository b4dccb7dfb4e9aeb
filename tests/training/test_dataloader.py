"""Batches are the same in whatever process, batch and order they are read."""

import numpy as np
import torch

import rotary_mae as rm
from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.batches.masking import Masking
from rotary_mae.training.dataloader import BatchReader, load_batches
from tests.training.runs import waves


def test_batches_do_not_depend_on_num_workers():
    tokens = waves()
    reader = BatchReader(
        tokens, rm.Scaling.fit(tokens), Masking("block", 0.5), Augmentation(noise=0.1, thinning=0.3), seed=3, epoch=2
    )
    items = [(np.arange(i, min(i + 4, len(tokens))), i != 8) for i in range(0, len(tokens), 4)]
    here, in_workers = list(load_batches(reader, items, 0)), list(load_batches(reader, items, 2))
    assert len(here) == len(in_workers) == len(items)
    for one, other in zip(here, in_workers, strict=True):
        for name in ("values", "positions", "lengths", "targets", "keys", "is_hidden"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert (one.weights is None) == (other.weights is None)


def test_reading_draws_nothing_from_torchs_randomness():
    reader = BatchReader(waves(), None, Masking(), None, seed=3, epoch=2)
    before = torch.get_rng_state()
    list(load_batches(reader, [(np.arange(4), True)], 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_masks_do_not_depend_on_batch_composition():
    reader = BatchReader(waves(), None, Masking(), None, seed=3, epoch=2)
    together, alone = reader[(np.arange(6), True)], reader[(np.array([4]), True)]
    start = int(waves().lengths[:4].sum())
    assert torch.equal(together.is_hidden[start : start + 9], alone.is_hidden)


def test_another_epoch_has_other_masks():
    reader = BatchReader(waves(), None, Masking(), None, seed=3, epoch=2)
    item = (np.arange(6), True)
    assert not torch.equal(reader[item].is_hidden, reader.at_epoch(3)[item].is_hidden)
    assert torch.equal(reader[item].is_hidden, reader.at_epoch(3).at_epoch(2)[item].is_hidden)


def test_weights_are_those_of_the_samples_and_0_where_the_batch_does_not_count():
    weights = np.arange(len(waves()), dtype=np.float32)
    reader = BatchReader(waves(), None, None, None, seed=0, epoch=0, weights=weights)
    assert reader[(np.array([5, 2]), True)].weights.tolist() == [5.0, 2.0]
    assert reader[(np.array([5, 2]), False)].weights.tolist() == [0.0, 0.0]
