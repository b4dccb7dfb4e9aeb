"""Attention over ragged tokens; the only file that chooses a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rotary_mae.nn.linear import mkl_is_slow, onednn_product
from rotary_mae.nn.ragged import Packed, PaddingMap, Ragged
from rotary_mae.nn.window import Windowed

varlen_attn: Any

try:
    from torch.nn.attention import varlen
except ImportError:  # torch before 2.10
    varlen_attn = None
else:
    varlen_attn = varlen.varlen_attn

AttentionPlan = Ragged | Windowed


class _Pad(torch.autograd.Function):
    """Flat tokens -> padded buffer. Padding is masked, its gradient zero: backward is a plain gather."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad_idx: Tensor, unpad_idx: Tensor, has_absent: bool) -> Tensor:
        ctx.save_for_backward(unpad_idx)
        ctx.has_absent = has_absent
        return x.index_select(0, pad_idx)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (unpad_idx,) = ctx.saved_tensors
        if ctx.has_absent:
            # tokens that nobody asks point to a last row of zeros
            grad = torch.cat((grad, grad.new_zeros(1, *grad.shape[1:])))
        return grad.index_select(0, unpad_idx), None, None, None


class _Repeat(torch.autograd.Function):
    """Flat tokens -> padded buffer that holds some more than once: backward adds up what each got."""

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
    """Padded buffer -> flat tokens; padding gets a gradient of zero."""

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


def pad(x: Tensor, side: PaddingMap) -> Tensor:
    """(T, ...) flat tokens into the padded buffer of their groups."""
    if side.pad_idx is None:
        return x
    if side.spread is not None:
        return _Repeat.apply(x, side.pad_idx, side.spread.places, side.spread.starts)
    return _Pad.apply(x, side.pad_idx, side.unpad_idx, side.has_absent)


def unpad(x: Tensor, side: PaddingMap) -> Tensor:
    """The padded buffer back to (T, ...) flat tokens."""
    if side.unpad_idx is None:
        return x
    return _Unpad.apply(x, side.unpad_idx)


def rectangles(x: Tensor, side: PaddingMap) -> list[Tensor]:
    """The padded buffer (padded, ...) as one (n, length, ...) a group."""
    # split, not slices: the gradient of each slice would be a buffer of its own, mostly zeros
    parts = x.split([n * length for n, length in side.shapes])
    return [part.unflatten(0, shape) for part, shape in zip(parts, side.shapes, strict=True)]


def attend(q: Tensor, k: Tensor, v: Tensor, ragged: AttentionPlan, dropout: float = 0.0) -> Tensor:
    """Softmax attention of every query to the keys of its own sample.

    q: (Tq, heads, head width), already rotated; k, v: (Tk, heads, head width). Returns (Tq, heads * head
    width). In a ``Windowed`` layout it is the keys in the query's window.
    """
    if isinstance(ragged, Ragged) and takes_packed(q, dropout):
        return _attend_packed(q, k, v, ragged)
    q, k, v = pad(q, ragged.queries), pad(k, ragged.keys), pad(v, ragged.keys)
    q_parts, k_parts, v_parts = rectangles(q, ragged.queries), rectangles(k, ragged.keys), rectangles(v, ragged.keys)
    answers = []
    for group, part_q, part_k, part_v in zip(ragged.groups, q_parts, k_parts, v_parts, strict=True):
        by_head = (part_q.transpose(1, 2), part_k.transpose(1, 2), part_v.transpose(1, 2))
        answer = _attend_rectangle(*by_head, group.bias, dropout, ragged.n_uses, is_only=len(ragged.groups) == 1)
        answers.append(answer.transpose(1, 2).flatten(0, 1).flatten(1))
    if not answers:
        return q.flatten(1)
    padded = answers[0] if len(answers) == 1 else torch.cat(answers)
    return unpad(padded, ragged.queries)


MOST_SCORES = 2**25
"""Of one group in one layer, that are held for the backward pass where attention is made of plain products."""

LEAST_WORK = 40_000_000
"""Multiplications a product, in all layers, below which it takes longer to prepare products of a new size than they
gain."""

LEAST_WORK_OF_ONE = 1_200_000
"""Of one head of one sample, where each is a product of its own: below, calls take longer than they gain."""

MOST_SCORES_OF_ONE = 2**22
"""Of one head of one sample, which are held at once where each is a product of its own."""


def _attend_rectangle(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, dropout: float, n_uses: int = 1, is_only: bool = False
) -> Tensor:
    """(n, heads, queries, head width) answers from (n, heads, keys, head width) keys and values.

    n_uses: the layers that make products of these sizes.
    is_only: there is no other group, as where all samples are equally long: the next batch may well be of this size.
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        n_scores = q.shape[:-1].numel() * k.shape[-2]
        is_much = n_scores * q.shape[-1] * n_uses >= LEAST_WORK
        # the CPU's fused kernel takes up to three times as long in bf16, where plain products take half as long
        if n_scores <= MOST_SCORES and (is_only or is_much):
            scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
            weights = torch.softmax(scores if bias is None else scores + bias.to(q.dtype), dim=-1)
            return F.dropout(weights, dropout) @ v
        # autocast would take it back to bf16
        with torch.autocast("cpu", enabled=False):
            return _attend_rectangle(q.float(), k.float(), v.float(), bias, dropout).to(q.dtype)
    if dropout == 0.0 and _takes_products(q, k, n_uses):
        return _MatmulAttention.apply(q, k, v, bias)
    mask = None if bias is None else bias.to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)


def _takes_products(q: Tensor, k: Tensor, n_uses: int) -> bool:
    """Whether products by oneDNN, one sample and head after the other, are faster than the CPU's fused kernel."""
    if not mkl_is_slow or q.device.type != "cpu" or q.dtype != torch.float32 or torch.compiler.is_exporting():
        return False
    n_scores = q.shape[-2] * k.shape[-2]
    work = n_scores * q.shape[-1]
    is_much = q.shape[0] * q.shape[1] * work * n_uses >= LEAST_WORK
    return is_much and work >= LEAST_WORK_OF_ONE and n_scores <= MOST_SCORES_OF_ONE


class _MatmulAttention(torch.autograd.Function):
    """Attention as oneDNN's products; the fused kernel asks MKL for its own. Scores are made again for the backward."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        q = q * q.shape[-1] ** -0.5
        # oneDNN has no fast product of heads that lie between each other
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        ctx.save_for_backward(q, k, v, bias)
        answer = _by_token(q)
        for at in np.ndindex(*q.shape[:2]):
            answer[at] = onednn_product(_weights(q, k, bias, at), v[at].t())
        return answer

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, bias = ctx.saved_tensors
        of_q, of_k, of_v = _by_token(q), _by_token(k), _by_token(v)
        for at in np.ndindex(*q.shape[:2]):
            weights, of_answer = _weights(q, k, bias, at), grad[at].contiguous()
            of_weights = onednn_product(of_answer, v[at])
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            of_q[at] = onednn_product(of_scores, k[at].t())
            # the short ones first, as oneDNN copies those
            of_k[at] = onednn_product(q[at].t(), of_scores.t()).t()
            of_v[at] = onednn_product(of_answer.t(), weights.t()).t()
        return of_q.mul_(q.shape[-1] ** -0.5), of_k, of_v, None


def _by_token(x: Tensor) -> Tensor:
    """Room for (n, heads, length, head width), laid so that the heads of a token are side by side."""
    n, heads, length, width = x.shape
    return x.new_empty(n, length, heads, width).transpose(1, 2)


def _weights(q: Tensor, k: Tensor, bias: Tensor | None, at: tuple[int, ...]) -> Tensor:
    """(queries, keys) attention of one sample and head."""
    scores = onednn_product(q[at], k[at])
    return torch.softmax(scores if bias is None else scores.add_(bias[at[0], 0]), dim=-1)


def takes_packed(q: Tensor, dropout: float) -> bool:
    """Whether flash attention over samples laid end to end can do this: on a GPU, in bf16 or fp16, without dropout."""
    if varlen_attn is None or q.device.type != "cuda" or dropout > 0.0 or q.shape[-1] > 256:
        return False
    return q.dtype in (torch.bfloat16, torch.float16) and torch.cuda.get_device_capability(q.device) >= (8, 0)


def _attend_packed(q: Tensor, k: Tensor, v: Tensor, ragged: Ragged) -> Tensor:
    width, (asked, held) = q.shape[-1], (ragged.packed_queries, ragged.packed_keys)
    parts = [_laid(_wide(x), side) for x, side in ((q, asked), (k, held), (v, held))]
    answer: Tensor = varlen_attn(*parts, asked.bounds, held.bounds, asked.longest, held.longest, scale=width**-0.5)
    if asked.order is not None and asked.place is not None:
        answer = _Pad.apply(answer, asked.place, asked.order, False)
    return answer[..., :width].flatten(1)


def _laid(x: Tensor, side: Packed) -> Tensor:
    """(T, ...) flat tokens, sample after sample."""
    return x if side.order is None else _Pad.apply(x, side.order, side.place, False)


def _wide(x: Tensor) -> Tensor:
    """Heads whose width is a multiple of 8, as flash attention wants them; zeros change no score."""
    return F.pad(x, (0, -x.shape[-1] % 8))


def attend_with_self(
    q: Tensor, k: Tensor, v: Tensor, k_self: Tensor, v_self: Tensor, ragged: AttentionPlan, dropout: float = 0.0
) -> Tensor:
    """Attention of every query to the keys of its own sample and to itself, but to no other query.

    q, k_self, v_self: (Tq, heads, head width); k, v: (Tk, heads, head width). Returns (Tq, heads * head
    width). What one query gets does not depend on which others are asked.
    """
    scale = q.shape[-1] ** -0.5
    q = q * scale
    own_score = pad((q * k_self).sum(-1, keepdim=True), ragged.queries)
    q, v_self = pad(q, ragged.queries), pad(v_self, ragged.queries)
    k, v = pad(k, ragged.keys), pad(v, ragged.keys)
    answers = []
    q_parts, own_parts, v_self_parts = (rectangles(x, ragged.queries) for x in (q, own_score, v_self))
    k_parts, v_parts = rectangles(k, ragged.keys), rectangles(v, ragged.keys)
    for i, group in enumerate(ragged.groups):
        scores = q_parts[i].transpose(1, 2) @ k_parts[i].permute(0, 2, 3, 1)
        if group.bias is not None:
            scores = scores + group.bias.to(scores.dtype)
        own = own_parts[i].transpose(1, 2)
        scores = torch.cat((scores, own), dim=-1)
        exact = torch.promote_types(scores.dtype, torch.float32)
        weights = torch.softmax(scores, dim=-1, dtype=exact).to(v.dtype)
        weights = F.dropout(weights, dropout)
        answer = weights[..., :-1] @ v_parts[i].transpose(1, 2)
        answer = answer + weights[..., -1:] * v_self_parts[i].transpose(1, 2)
        answers.append(answer.transpose(1, 2).flatten(0, 1).flatten(1))
    if not answers:
        return q.flatten(1)
    padded = answers[0] if len(answers) == 1 else torch.cat(answers)
    return unpad(padded, ragged.queries)
