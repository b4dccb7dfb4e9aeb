"""Random masks: number and choice of the masked tokens, which depend only on (seed, epoch, sample)."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import rotary_mae as rm
from rotary_mae.batches import masking
from rotary_mae.batches.masking import STRATEGIES, Masking, draw_mask, seed_from
from rotary_mae.training.config import TrainingConfig
from tests.builders import RAGGED, in_order, shuffled_within, some_measurements, some_tokens


def by_sample(tokens, array):
    return np.split(np.asarray(array), tokens.starts[1:])


def hidden_of(tokens, keys=None, **arguments):
    """(T,) mask of half of every sample, unless other arguments of ``hide`` are given."""
    return rm.TokenBatch.collate(tokens, keys=keys).hide(**{"fraction": 0.5, "seed": 3, **arguments}).is_hidden.numpy()


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    fraction=st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9, 1.0]),
    strategy=st.sampled_from(["uniform", "block", "future"]),
    seed=st.integers(0, 2**62),
)
def test_a_fraction_of_each_sample_is_masked_and_one_token_stays_visible(lengths, fraction, strategy, seed):
    tokens = some_tokens(lengths)
    batch = rm.TokenBatch.collate(tokens).hide(fraction, strategy=strategy, seed=seed)
    for n, hidden in zip(lengths, by_sample(tokens, batch.is_hidden), strict=True):
        # round, because 0.7 * 10 is larger than 7 in floating point
        assert hidden.sum() == min(math.ceil(round(fraction * n, 9)), n - 1)
    split = batch.split
    assert sorted([*split.visible_idx.tolist(), *split.hidden_idx.tolist()]) == list(range(sum(lengths)))
    assert (split.visible_lengths + split.hidden_lengths == lengths).all()
    assert (split.visible_lengths >= 1).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_single_token_stays_visible(strategy):
    assert not hidden_of(some_measurements([1, 1]), fraction=1.0, strategy=strategy).any()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("statics", [(), ("age", "sex")])
def test_a_sample_has_the_same_mask_in_any_batch_and_order(strategy, statics):
    tokens = some_measurements(statics=statics)
    keys = np.array([11, 5, 7, 2**40, 0, 3])
    together = by_sample(tokens, hidden_of(tokens, keys, strategy=strategy))
    order = [4, 2, 0]
    few = by_sample(tokens[order], hidden_of(tokens[order], keys[order], strategy=strategy))
    for place, i in enumerate(order):
        assert (few[place] == together[i]).all()
        assert (hidden_of(tokens[i], keys[[i]], strategy=strategy) == together[i]).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_masks_do_not_depend_on_the_order_of_tokens_even_at_equal_times(strategy):
    tokens = some_measurements([9, 12, 4])
    positions = tokens.positions.copy()
    # several channels at each time
    positions[:, 0] = np.repeat(np.arange(100.0), 3)[: tokens.n_tokens]
    positions[:, 1] = np.tile([0.0, 1.0, 2.0], 100)[: tokens.n_tokens]
    tokens = tokens.replace(positions=positions)
    order = shuffled_within(tokens)
    shuffled = hidden_of(in_order(tokens, order), strategy=strategy)
    assert (shuffled == hidden_of(tokens, strategy=strategy)[order]).all()


@pytest.mark.parametrize("strategy", ["uniform", "block", "channel", "times"])
def test_masks_differ_between_epochs_seeds_and_samples(strategy):
    tokens = some_measurements([40] * 8)
    one = hidden_of(tokens, strategy=strategy)
    assert (one == hidden_of(tokens, strategy=strategy)).all()
    assert (one != hidden_of(tokens, strategy=strategy, epoch=1)).any()
    assert (one != hidden_of(tokens, strategy=strategy, seed=4)).any()
    same = rm.TokenSet.concatenate([tokens[0]] * 8)
    assert len({hidden.tobytes() for hidden in by_sample(same, hidden_of(same, strategy=strategy))}) > 1


def test_uniform_masks_are_uniform_over_tokens_and_pairs():
    n, n_samples = 10, 4000
    hidden = draw_mask(
        Masking("uniform", 0.3),
        np.full(n_samples, n),
        np.tile(np.arange(n, dtype=float), n_samples),
        None,
        None,
        np.arange(n_samples),
        seed=0,
    ).reshape(n_samples, n)
    assert chisquare(hidden.sum(0)).pvalue > 1e-3
    # both tokens of a pair: 3/10 * 2/9 of the masks
    both = (hidden[:, :, None] & hidden[:, None, :]).mean(0)[~np.eye(n, dtype=bool)]
    assert np.abs(both - 0.3 * 2 / 9).max() < 0.02
    assert len(np.unique(hidden, axis=0)) == 120


def test_block_masks_consecutive_times_from_a_random_start():
    tokens = some_tokens([12] * 300)
    time = tokens.positions[:, 0]
    firsts = []
    for hidden, times in zip(
        by_sample(tokens, hidden_of(tokens, strategy="block")), by_sample(tokens, time), strict=True
    ):
        run = np.flatnonzero(hidden[np.argsort(times)])
        assert len(run) == 6
        assert (np.diff(run) == 1).all()
        firsts.append(run[0])
    assert set(firsts) == set(range(7))
    assert chisquare(np.bincount(firsts)).pvalue > 1e-3


def test_future_masks_the_last_tokens_in_time():
    tokens = some_tokens()
    time = tokens.positions[:, 0]
    for hidden, times in zip(
        by_sample(tokens, hidden_of(tokens, strategy="future")), by_sample(tokens, time), strict=True
    ):
        if hidden.any():
            assert times[hidden].min() > times[~hidden].max()


@pytest.mark.parametrize(("strategy", "axis"), [("channel", 1), ("times", 0)])
def test_whole_channels_or_whole_times_are_masked(strategy, axis):
    tokens = some_measurements([30, 20, 8])
    positions = tokens.positions.copy()
    positions[:, 0] = positions[:, 0].round(-1)
    tokens = tokens.replace(positions=positions)
    hidden = hidden_of(tokens, strategy=strategy, fraction=0.4)
    for is_hidden, unit in zip(by_sample(tokens, hidden), by_sample(tokens, positions[:, axis]), strict=True):
        units, masked = np.unique(unit), np.unique(unit[is_hidden])
        assert not np.isin(unit[~is_hidden], masked).any()
        assert len(masked) == min(math.ceil(0.4 * len(units)), len(units) - 1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_static_tokens_stay_visible_and_are_not_counted(strategy):
    tokens = some_measurements(RAGGED, statics=("age", "sex", "height"))
    hidden = hidden_of(tokens, strategy=strategy, fraction=1.0)
    assert not hidden[tokens.is_static].any()
    if strategy == "uniform":
        assert [of_sample.sum() for of_sample in by_sample(tokens, hidden)] == [n - 1 for n in RAGGED]
    plain = tokens.select_tokens(~tokens.is_static)
    assert (hidden[~tokens.is_static] == hidden_of(plain, strategy=strategy, fraction=1.0)).all()


def test_the_masks_of_a_batch_are_one_draw(monkeypatch):
    """The official code draws the masks of the samples in a Python loop."""
    calls = []
    draw = masking.keyed_uniform
    monkeypatch.setattr(masking, "keyed_uniform", lambda *keys: calls.append(1) or draw(*keys))
    hidden_of(some_tokens([5] * 64))
    assert len(calls) == 1


def test_processes_with_the_same_seed_have_different_masks():
    """In the official code all processes have the same masks. Here masks depend on the keys of the samples."""
    tokens = rm.TokenSet.concatenate([some_tokens([40])] * 2)
    first, second = hidden_of(tokens[0], [0]), hidden_of(tokens[1], [1])
    assert (first != second).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either fraction= or is_hidden=, got neither"),
        ({"fraction": 0.5, "is_hidden": np.zeros(34, bool)}, "either fraction= or is_hidden=, got both"),
        ({"fraction": 1.5}, r"must be in \[0, 1\], got 1.5"),
        ({"fraction": float("nan")}, r"must be in \[0, 1\], got nan"),
        ({"fraction": 0.5, "strategy": "random"}, "strategy must be one of .*got 'random'"),
        ({"fraction": 0.5, "strategy": "channel"}, "needs a channel axis"),
        ({"is_hidden": np.zeros(33, bool)}, r"must be \(34,\) bool, True = masked, got \(33,\) bool"),
        ({"is_hidden": np.zeros(34)}, r"must be \(34,\) bool, True = masked, got \(34,\) float64"),
        ({"is_hidden": np.arange(34) == 7}, "sample 1 of the batch has no visible token"),
        ({"fraction": 0.5, "seed": 0, "generator": torch.Generator()}, "got both"),
    ],
)
def test_wrong_arguments_of_hide_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        rm.TokenBatch.collate(some_tokens()).hide(**arguments)


def test_is_hidden_may_be_a_tensor_an_array_or_a_list():
    batch = rm.TokenBatch.collate(some_tokens([3, 2]))
    mask = [True, False, True, False, True]
    for is_hidden in (mask, np.array(mask), torch.tensor(mask)):
        masked = batch.hide(is_hidden=is_hidden)
        assert masked.is_hidden.tolist() == mask
        assert masked.split.hidden_lengths.tolist() == [2, 1]


def test_hide_copies_the_mask_and_does_not_change_the_batch():
    batch = rm.TokenBatch.collate(some_tokens())
    mask = np.zeros(34, bool)
    masked = batch.hide(is_hidden=mask)
    mask[0] = True
    assert batch.is_hidden is None
    assert not masked.is_hidden.any()


@pytest.mark.parametrize("make", [lambda s: torch.Generator().manual_seed(s), np.random.default_rng])
def test_equal_generators_give_equal_masks(make):
    batch = rm.TokenBatch.collate(some_tokens([50]))
    one, again, other = (batch.hide(0.5, generator=make(seed)).is_hidden for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    generator = make(0)
    assert seed_from(generator) != seed_from(generator)


def test_a_generator_of_another_type_is_an_error():
    with pytest.raises(TypeError, match=r"torch.Generator or numpy Generator, got int"):
        rm.TokenBatch.collate(some_tokens()).hide(0.5, generator=3)


def test_the_second_mask_is_drawn_among_tokens_that_the_first_leaves_visible():
    tokens = some_measurements([75, 20])
    first = Masking("future", 0.5)
    both = Masking("future", 0.5, then=Masking("uniform", 0.18))
    for n, after_first, after_both in zip(
        (75, 20),
        by_sample(tokens, rm.TokenBatch.collate(tokens).hide(first, seed=1).is_hidden),
        by_sample(tokens, rm.TokenBatch.collate(tokens).hide(both, seed=1).is_hidden),
        strict=True,
    ):
        n_future = math.ceil(n / 2)
        assert after_first.sum() == n_future
        assert after_both[-n_future:].all()
        assert after_both.sum() == n_future + math.ceil(round(0.18 * (n - n_future), 9))
    assert TrainingConfig.from_dict({"hiding": dataclasses.asdict(both)}).hiding == both


def test_each_sample_draws_its_fraction():
    tokens = some_tokens([50] * 400)
    batch = rm.TokenBatch.collate(tokens).hide(Masking("uniform", 0.94, least_fraction=0.8), seed=2)
    n_samples = np.bincount(batch.split.visible_lengths, minlength=12)
    assert set(np.flatnonzero(n_samples)) <= set(range(3, 11))
    assert (n_samples[3:10] > 20).all()
    again = rm.TokenBatch.collate(tokens[[7]], keys=[7]).hide(Masking("uniform", 0.94, least_fraction=0.8), seed=2)
    assert again.split.visible_lengths[0] == batch.split.visible_lengths[7]
    with pytest.raises(ValueError, match="least_fraction must be between"):
        Masking("uniform", 0.5, least_fraction=0.6)


def test_time_need_not_be_the_first_axis():
    tokens = some_measurements(seed=3)
    swapped = rm.TokenSet(
        tokens.values,
        tokens.positions[:, ::-1],
        tokens.lengths,
        schema=dataclasses.replace(tokens.schema, axes=tokens.schema.axes[::-1], anchored=()),
    )
    assert swapped.schema.time_axis == 1
    for strategy in ("future", "block", "times", "channel"):
        one, other = (rm.TokenBatch.collate(t).hide(0.5, strategy=strategy, seed=1) for t in (tokens, swapped))
        assert torch.equal(one.is_hidden, other.is_hidden)


# -- alternatives -------------------------------------------------------------------------------------------


def test_each_sample_draws_one_of_the_alternatives_with_equal_probability():
    mixed = Masking("uniform", 0.5, alternatives=(Masking("block", 0.5), Masking("future", 0.25)))
    tokens = some_measurements([24] * 900)
    masked = by_sample(tokens, hidden_of(tokens, fraction=mixed))
    each = [
        by_sample(tokens, hidden_of(tokens, fraction=masking))
        for masking in (Masking("uniform", 0.5), Masking("block", 0.5), Masking("future", 0.25))
    ]
    counts = np.zeros(3, int)
    for i, mask in enumerate(masked):
        # a sample is masked as by the alternative alone
        own = [k for k in range(3) if (mask == each[k][i]).all()]
        assert own
        counts[own[0]] += 1
    assert chisquare(counts).pvalue > 1e-3
    again = hidden_of(tokens[[7]], keys=[7], fraction=mixed)
    assert (again == masked[7]).all()


def test_a_masking_without_alternatives_has_the_masks_of_its_strategy():
    tokens = some_measurements()
    for strategy in STRATEGIES:
        assert (hidden_of(tokens, fraction=Masking(strategy, 0.5)) == hidden_of(tokens, strategy=strategy)).all()


def test_random_cuts_are_uniform_over_the_horizons():
    n = 40
    cut = Masking("future", 0.5, least_fraction=0.0)
    tokens = some_tokens([n] * 2_000)
    masked = by_sample(tokens, hidden_of(tokens, fraction=cut))
    n_masked = np.array([mask.sum() for mask in masked])
    assert set(n_masked) == set(range(1, 21))
    assert chisquare(np.bincount(n_masked)[1:]).pvalue > 1e-3


def test_maskings_are_restored_from_a_dictionary_and_checked():
    mixed = Masking("uniform", 0.5, alternatives=[Masking("times", 0.5, then=Masking("block", 0.1))])
    assert TrainingConfig.from_dict({"hiding": dataclasses.asdict(mixed)}).hiding == mixed
    assert mixed.strategies == {"uniform", "times", "block"}
    hash(mixed)
    with pytest.raises(ValueError, match="alternatives must be a list of maskings, got 'times'"):
        Masking("uniform", 0.5, alternatives="times")
    with pytest.raises(ValueError, match="alternatives must be a Masking or a dictionary of its settings, got 3"):
        Masking("uniform", 0.5, alternatives=[3])


# -- single values of time steps ----------------------------------------------------------------------------


def steps_with_gaps(n=40, times=9, channels=3, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, channels, times)) + 10.0
    X[np.random.default_rng(seed + 1).random(X.shape) < 0.2] = np.nan
    return rm.from_arrays(X, layout="steps")


def test_cells_mask_a_fraction_of_the_observed_values_of_steps():
    tokens = steps_with_gaps()
    batch = rm.TokenBatch.collate(tokens)
    masked = batch.hide(0.3, strategy="cells", seed=0)
    flags, hidden = tokens.schema.columns("observed"), masked.is_hidden.numpy()
    observed = masked.values[:, flags].numpy() > 0
    sample = masked.sample_idx.numpy()
    before = np.bincount(tokens.sample_idx, weights=(tokens.values[:, flags] > 0).sum(1))
    visible = np.bincount(sample, weights=observed.sum(1) * ~hidden)
    targets = np.bincount(sample, weights=observed.sum(1) * hidden)
    assert (visible + targets == before).all()
    assert (targets == np.ceil(np.round(0.3 * before, 9))).all()
    # every observed value is in one part, with its number; the other part has 0 there
    values = np.zeros(tokens.values.shape)
    np.add.at(values, masked.token_idx.numpy(), masked.values.numpy())
    np.testing.assert_array_equal(values.astype(np.float32), tokens.values)
    assert (masked.values.numpy()[:, : tokens.schema.n_predicted][~observed] == 0).all()
    assert (masked.positions.numpy() == batch.positions.numpy()[masked.token_idx]).all()


def test_cells_are_masked_alike_in_any_batch():
    tokens = steps_with_gaps(6)
    together = rm.TokenBatch.collate(tokens).hide(0.5, strategy="cells", seed=4)
    ends = np.cumsum(together.lengths.numpy())[:-1]
    alone = rm.TokenBatch.collate(tokens[[3]], keys=[3]).hide(0.5, strategy="cells", seed=4)
    assert torch.equal(torch.from_numpy(np.split(together.values.numpy(), ends)[3]), alone.values)
    assert (np.split(together.is_hidden.numpy(), ends)[3] == alone.is_hidden.numpy()).all()


def test_cells_are_single_tokens_where_there_are_no_flags():
    tokens = some_measurements()
    assert (hidden_of(tokens, strategy="cells") == hidden_of(tokens, strategy="uniform")).all()
    assert rm.TokenBatch.collate(tokens).hide(0.5, strategy="cells", seed=1).token_idx is None
