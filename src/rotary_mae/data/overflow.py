"""Scaled values and positions that are too large for the 32-bit numbers of models, and the text of the error."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import TokenSet

MAX_SCALED = 1e18
"""Largest scaled value or position. Models add squares, and the largest 32-bit number is 3.4e38."""

Array = npt.NDArray[Any]


def is_too_large(scaled: Array) -> bool:
    """Return True if a scaled number is NaN or beyond ``MAX_SCALED``."""
    # not(a <= b), because comparisons with NaN are False
    return bool(scaled.size) and not (-scaled.min() <= MAX_SCALED and scaled.max() <= MAX_SCALED)


def describe_too_large(tokens: TokenSet, values: Array, positions: Array) -> str:
    """Return the text of an error about the first number that is too large.

    Parameters
    ----------
    tokens : TokenSet
        T tokens in the user's units.
    values : array of float, shape (T, V)
        Their values in the model's units.
    positions : array of float, shape (T, D)
        Their positions in the model's units.
    """
    for given, scaled, kind in ((tokens.values, values, "value"), (tokens.positions, positions, "position")):
        # the negation finds NaN too
        too_large = ~(np.abs(scaled) <= MAX_SCALED)
        if not too_large.any():
            continue
        token, column = (int(i) for i in np.argwhere(too_large)[0])
        raw, result = float(given[token, column]), float(scaled[token, column])
        where = _column_name(tokens, token, column) if kind == "value" else f"on the axis {tokens.axes[column]!r}"
        n_samples = len(np.unique(tokens.sample_idx[too_large.any(axis=1)]))
        if np.isnan(result):
            return f"the {kind} {raw:g} {where} becomes NaN when it is scaled: the scaling of the model is damaged"
        advice = (
            "if it is a code for a missing value, replace it by NaN or leave it out"
            if kind == "value"
            else "correct it, or leave it out"
        )
        return (
            f"sample {sample_id(tokens, token)!r} has the {kind} {raw:g} {where}, which becomes {result:.3g} when it "
            f"is scaled; models compute with at most {MAX_SCALED:g} ({int(too_large.sum())} {kind}s of {n_samples} "
            f"samples are larger): {advice}"
        )
    raise ValueError("no number is too large")


def describe_extreme(tokens: TokenSet, values: Array) -> tuple[float, str]:
    """Return the largest distance of a value from its centre, in scales, and a text that names the value.

    Parameters
    ----------
    tokens : TokenSet
        T tokens in the user's units, at least one.
    values : array of float, shape (T, V)
        Their values in the model's units.
    """
    size = np.abs(values)
    token, column = (int(i) for i in np.unravel_index(int(np.argmax(size)), size.shape))
    text = (
        f"the value {float(tokens.values[token, column]):g} {_column_name(tokens, token, column)} of sample "
        f"{sample_id(tokens, token)!r} is {float(size[token, column]):.3g} scales from the centre of the data"
    )
    return float(size[token, column]), text


def describe_too_far(positions: Array, scaled: Array, ids: Array) -> str:
    """Return the text of an error about the first query that is too far away.

    Parameters
    ----------
    positions, scaled : array of float, shape (Q, D)
        Positions of the queries, in the user's units and in the model's units.
    ids : array, shape (Q,)
        Id of the sample of each query.
    """
    query, axis = (int(i) for i in np.argwhere(~(np.abs(scaled) <= MAX_SCALED))[0])
    return (
        f"the queries of sample {ids.tolist()[query]!r} have the position {positions[query, axis]:g}, which becomes "
        f"{scaled[query, axis]:.3g} when it is scaled; models compute with at most {MAX_SCALED:g}: correct it, or "
        "leave it out"
    )


def sample_id(tokens: TokenSet, token: int) -> Any:
    """Return the id of the sample that a token belongs to."""
    return tokens.ids.tolist()[int(tokens.sample_idx[token])]


def _column_name(tokens: TokenSet, token: int, column: int) -> str:
    """Return a text such as "in channel 'g'"."""
    schema = tokens.schema
    role = schema.roles[column]
    if schema.channel_axis is not None:
        channel = int(tokens.positions[token, schema.channel_axis])
        names = schema.channels + schema.statics
        text = (
            f"in channel {names[channel]!r}" if channel < len(schema.channels) else f"of covariate {names[channel]!r}"
        )
        return text if role == "value" else f"({role}) {text}"
    index = schema.columns(role).index(column)
    if role == "value" and schema.channels:
        return f"in channel {schema.channels[index]!r}"
    if role == "static" and index < len(schema.statics):
        return f"of covariate {schema.statics[index]!r}"
    return f"in column {column} ({role})"
