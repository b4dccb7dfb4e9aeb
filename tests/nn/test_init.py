"""Initial weights."""

import torch

from rotary_mae.nn.init import GAIN, init_token_, init_weight_


def test_the_std_of_a_matrix_depends_on_its_fan_in_and_is_truncated():
    torch.manual_seed(0)
    for n_in in (16, 400):
        weight = torch.empty(2000, n_in)
        init_weight_(weight)
        # a normal distribution truncated at three standard deviations has 0.987 of its std
        assert abs(float(weight.std()) * n_in**0.5 / GAIN - 0.987) < 0.02
        assert float(weight.abs().max()) <= 3 * GAIN / n_in**0.5


def test_tokens_are_not_near_zero():
    """The official code initialises the mask token to 0, where the gradient of RMSNorm is 1 / eps."""
    torch.manual_seed(0)
    token = torch.empty(10_000)
    init_token_(token)
    assert abs(float(token.std()) / GAIN - 0.987) < 0.03
