"""Hypothesis strategies that several properties of the core share."""

from __future__ import annotations

from hypothesis import strategies as st

#: Any text UTF-8 can hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts

#: Any value JSON can hold, as Python's ``json`` would load it.
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
