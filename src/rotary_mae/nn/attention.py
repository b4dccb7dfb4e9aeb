"""Attention over flat tokens of samples of different lengths. Only this file chooses an attention kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rotary_mae.nn.linear import MKL_IS_SLOW, onednn_product
from rotary_mae.nn.ragged import PackedMap, PaddingMap, RaggedPlan
from rotary_mae.nn.window import WindowedPlan

varlen_attn: Any

try:
    from torch.nn.attention import varlen
except ImportError:  # torch before 2.10
    varlen_attn = None
else:
    varlen_attn = varlen.varlen_attn

AttentionPlan = RaggedPlan | WindowedPlan
"""Full attention within each sample, or attention within a window of positions."""


class _Pad(torch.autograd.Function):
    """Copy flat tokens to the padded buffer.

    Padding is masked in attention, so its gradient is zero and the backward pass is a plain gather.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad_idx: Tensor, unpad_idx: Tensor, has_absent: bool) -> Tensor:
        ctx.save_for_backward(unpad_idx)
        ctx.has_absent = has_absent
        return x.index_select(0, pad_idx)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (unpad_idx,) = ctx.saved_tensors
        if ctx.has_absent:
            # tokens that no query attends to point to a last row of zeros
            grad = torch.cat((grad, grad.new_zeros(1, *grad.shape[1:])))
        return grad.index_select(0, unpad_idx), None, None, None


class _PadRepeated(torch.autograd.Function):
    """Copy flat tokens to a padded buffer that holds some of them several times; backward sums their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad_idx: Tensor, places: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(places, starts)
        return x.index_select(0, pad_idx)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        places, starts = ctx.saved_tensors
        total = F.embedding_bag(places, grad.flatten(1), starts, mode="sum")
        return total.view(-1, *grad.shape[1:]), None, None, None


class _Unpad(torch.autograd.Function):
    """Copy the padded buffer back to flat tokens; the gradient of padding is zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, unpad_idx: Tensor) -> Tensor:
        ctx.save_for_backward(unpad_idx)
        ctx.n_padded = len(x)
        return x.index_select(0, unpad_idx)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (unpad_idx,) = ctx.saved_tensors
        padded = grad.new_zeros(ctx.n_padded, *grad.shape[1:])
        return padded.index_copy_(0, unpad_idx, grad.contiguous()), None


def pad(x: Tensor, padding: PaddingMap) -> Tensor:
    """Copy flat tokens (T, ...) to the padded buffer (padded, ...) of their groups."""
    if padding.pad_idx is None:
        return x
    if padding.repeats is not None:
        return _PadRepeated.apply(x, padding.pad_idx, padding.repeats.places, padding.repeats.starts)
    return _Pad.apply(x, padding.pad_idx, padding.unpad_idx, padding.has_absent)


def unpad(x: Tensor, padding: PaddingMap) -> Tensor:
    """Copy the padded buffer (padded, ...) back to flat tokens (T, ...)."""
    if padding.unpad_idx is None:
        return x
    return _Unpad.apply(x, padding.unpad_idx)


def split_groups(x: Tensor, padding: PaddingMap) -> list[Tensor]:
    """Split the padded buffer (padded, ...) into one view (samples, length, ...) for each group."""
    # split, not slices: the gradient of each slice would be a buffer of its own, mostly zeros
    groups = x.split([n * length for n, length in padding.shapes])
    return [group.unflatten(0, shape) for group, shape in zip(groups, padding.shapes, strict=True)]


def attend(q: Tensor, k: Tensor, v: Tensor, plan: AttentionPlan, dropout: float = 0.0) -> Tensor:
    """Softmax attention of every query to the keys of its own sample.

    Parameters
    ----------
    q : Tensor
        Rotated queries, (Tq, heads, head width).
    k, v : Tensor
        Rotated keys, and values, (Tk, heads, head width).
    plan : AttentionPlan
        With a ``WindowedPlan``, a query attends only to the keys in its window.
    dropout : float
        Rate on the attention weights.

    Returns
    -------
    Tensor
        (Tq, heads * head width), in the order of the queries.
    """
    if isinstance(plan, RaggedPlan) and uses_varlen_kernel(q, dropout):
        return _attend_packed(q, k, v, plan)
    q, k, v = pad(q, plan.queries), pad(k, plan.keys), pad(v, plan.keys)
    q_groups, k_groups, v_groups = split_groups(q, plan.queries), split_groups(k, plan.keys), split_groups(v, plan.keys)
    outputs = []
    for group, group_q, group_k, group_v in zip(plan.groups, q_groups, k_groups, v_groups, strict=True):
        by_head = (group_q.transpose(1, 2), group_k.transpose(1, 2), group_v.transpose(1, 2))
        output = attend_group(*by_head, group.bias, dropout, plan.n_uses, is_only=len(plan.groups) == 1)
        outputs.append(output.transpose(1, 2).flatten(0, 1).flatten(1))
    if not outputs:
        return q.flatten(1)
    padded = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return unpad(padded, plan.queries)


# oneDNN prepares a kernel for every new size of a matrix product, and caches it for later products of that size.

MAX_BF16_SCORES = 2**25
"""Largest number of attention scores of one group and layer that bf16 products store for the backward pass.

A limit on memory, not tuned.
"""

MIN_MATMUL_WORK = 40_000_000
"""Multiplications of a product, summed over layers, below which preparing a new size costs more than it saves.

From timed training steps on light curves (about 80 tokens) and ICU stays (about 400 tokens).
"""

MIN_MATMUL_WORK_PER_HEAD = 1_200_000
"""Multiplications of one head of one sample below which a product of its own costs more than it saves.

From the same timings; with heads of width 60 it is reached at about 140 tokens.
"""

MAX_MATMUL_SCORES_PER_HEAD = 2**22
"""Largest number of attention scores of one head of one sample that are in memory at once. Not tuned."""


def attend_group(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, dropout: float, n_uses: int = 1, is_only: bool = False
) -> Tensor:
    """Attention within the padded samples of one group.

    Parameters
    ----------
    q : Tensor
        (n, heads, queries, head width).
    k, v : Tensor
        (n, heads, keys, head width).
    bias : Tensor or None
        Broadcasts to (n, 1, queries, keys); added to the scores.
    dropout : float
        Rate on the attention weights.
    n_uses : int
        Number of layers that compute products of these sizes.
    is_only : bool
        True if the batch has no other group, as with samples of equal length. The next batch then probably has the
        same size, so preparing its products is worth it.

    Returns
    -------
    Tensor
        (n, heads, queries, head width).
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        n_scores = q.shape[:-1].numel() * k.shape[-2]
        is_large = n_scores * q.shape[-1] * n_uses >= MIN_MATMUL_WORK
        # relative to float32, bf16 takes up to three times as long in the CPU's fused kernel, and half in products
        if n_scores <= MAX_BF16_SCORES and (is_only or is_large):
            scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
            weights = torch.softmax(scores if bias is None else scores + bias.to(q.dtype), dim=-1)
            return F.dropout(weights, dropout) @ v
        # autocast would cast the inputs back to bf16
        with torch.autocast("cpu", enabled=False):
            return attend_group(q.float(), k.float(), v.float(), bias, dropout).to(q.dtype)
    if dropout == 0.0 and uses_onednn_matmul(q, k, n_uses):
        return _MatmulAttention.apply(q, k, v, bias)
    mask = None if bias is None else bias.to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)


def uses_onednn_matmul(q: Tensor, k: Tensor, n_uses: int) -> bool:
    """Return True if one oneDNN product for each sample and head is faster than the CPU's fused kernel."""
    if not MKL_IS_SLOW or q.device.type != "cpu" or q.dtype != torch.float32 or torch.compiler.is_exporting():
        return False
    n_scores = q.shape[-2] * k.shape[-2]
    work = n_scores * q.shape[-1]
    is_large = q.shape[0] * q.shape[1] * work * n_uses >= MIN_MATMUL_WORK
    return is_large and work >= MIN_MATMUL_WORK_PER_HEAD and n_scores <= MAX_MATMUL_SCORES_PER_HEAD


class _MatmulAttention(torch.autograd.Function):
    """Attention made of oneDNN products; the fused kernel calls MKL instead.

    The backward pass recomputes the attention weights, so that only q, k and v are stored.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        q = q * q.shape[-1] ** -0.5
        # oneDNN has no fast product for interleaved heads
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        ctx.save_for_backward(q, k, v, bias)
        output = _empty_by_token(q)
        for at in np.ndindex(*q.shape[:2]):
            output[at] = onednn_product(_attention_weights(q, k, bias, at), v[at].t())
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, bias = ctx.saved_tensors
        q_grad, k_grad, v_grad = _empty_by_token(q), _empty_by_token(k), _empty_by_token(v)
        for at in np.ndindex(*q.shape[:2]):
            weights, output_grad = _attention_weights(q, k, bias, at), grad[at].contiguous()
            weights_grad = onednn_product(output_grad, v[at])
            scores_grad = torch._softmax_backward_data(weights_grad, weights, -1, weights.dtype)
            q_grad[at] = onednn_product(scores_grad, k[at].t())
            # the smaller factor comes first, because oneDNN copies that one
            k_grad[at] = onednn_product(q[at].t(), scores_grad.t()).t()
            v_grad[at] = onednn_product(output_grad.t(), weights.t()).t()
        return q_grad.mul_(q.shape[-1] ** -0.5), k_grad, v_grad, None


def _empty_by_token(x: Tensor) -> Tensor:
    """Return an uninitialised (n, heads, length, head width) whose memory holds the heads of a token side by side."""
    n, heads, length, width = x.shape
    return x.new_empty(n, length, heads, width).transpose(1, 2)


def _attention_weights(q: Tensor, k: Tensor, bias: Tensor | None, at: tuple[int, ...]) -> Tensor:
    """Return the attention weights (queries, keys) of one sample and head."""
    scores = onednn_product(q[at], k[at])
    return torch.softmax(scores if bias is None else scores.add_(bias[at[0], 0]), dim=-1)


def uses_varlen_kernel(q: Tensor, dropout: float) -> bool:
    """Return True if torch's variable-length flash attention can be used.

    It requires torch 2.10, a GPU of compute capability 8.0, bf16 or fp16, heads of at most 256 and no dropout.
    """
    if varlen_attn is None or q.device.type != "cuda" or dropout > 0.0 or q.shape[-1] > 256:
        return False
    return q.dtype in (torch.bfloat16, torch.float16) and torch.cuda.get_device_capability(q.device) >= (8, 0)


def _attend_packed(q: Tensor, k: Tensor, v: Tensor, plan: RaggedPlan) -> Tensor:
    width, queries, keys = q.shape[-1], plan.packed_queries, plan.packed_keys
    inputs = [_pack(_pad_heads(x), packing) for x, packing in ((q, queries), (k, keys), (v, keys))]
    output: Tensor = varlen_attn(
        *inputs, queries.bounds, keys.bounds, queries.max_length, keys.max_length, scale=width**-0.5
    )
    if queries.order is not None and queries.place is not None:
        output = _Pad.apply(output, queries.place, queries.order, False)
    return output[..., :width].flatten(1)


def _pack(x: Tensor, packing: PackedMap) -> Tensor:
    """Reorder flat tokens (T, ...) so that samples lie end to end."""
    return x if packing.order is None else _Pad.apply(x, packing.order, packing.place, False)


def _pad_heads(x: Tensor) -> Tensor:
    """Pad the width of heads with zeros to a multiple of 8, which flash attention requires; scores do not change."""
    return F.pad(x, (0, -x.shape[-1] % 8))


def attend_with_self(
    q: Tensor, k: Tensor, v: Tensor, k_self: Tensor, v_self: Tensor, plan: AttentionPlan, dropout: float = 0.0
) -> Tensor:
    """Attention of every query to the keys of its own sample and to itself, but to no other query.

    The output of a query does not depend on the other queries.

    Parameters
    ----------
    q, k_self, v_self : Tensor
        Rotated queries, and the rotated keys and the values of the same tokens, (Tq, heads, head width).
    k, v : Tensor
        Rotated keys, and values, (Tk, heads, head width).
    plan : AttentionPlan
        With a ``WindowedPlan``, a query attends only to the keys in its window and to itself.
    dropout : float
        Rate on the attention weights.

    Returns
    -------
    Tensor
        (Tq, heads * head width), in the order of the queries.
    """
    scale = q.shape[-1] ** -0.5
    q = q * scale
    self_score = pad((q * k_self).sum(-1, keepdim=True), plan.queries)
    q, v_self = pad(q, plan.queries), pad(v_self, plan.queries)
    k, v = pad(k, plan.keys), pad(v, plan.keys)
    outputs = []
    q_groups, self_groups, v_self_groups = (split_groups(x, plan.queries) for x in (q, self_score, v_self))
    k_groups, v_groups = split_groups(k, plan.keys), split_groups(v, plan.keys)
    for i, group in enumerate(plan.groups):
        scores = q_groups[i].transpose(1, 2) @ k_groups[i].permute(0, 2, 3, 1)
        if group.bias is not None:
            scores = scores + group.bias.to(scores.dtype)
        scores = torch.cat((scores, self_groups[i].transpose(1, 2)), dim=-1)
        softmax_dtype = torch.promote_types(scores.dtype, torch.float32)
        weights = torch.softmax(scores, dim=-1, dtype=softmax_dtype).to(v.dtype)
        weights = F.dropout(weights, dropout)
        output = weights[..., :-1] @ v_groups[i].transpose(1, 2)
        output = output + weights[..., -1:] * v_self_groups[i].transpose(1, 2)
        outputs.append(output.transpose(1, 2).flatten(0, 1).flatten(1))
    if not outputs:
        return q.flatten(1)
    padded = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return unpad(padded, plan.queries)
