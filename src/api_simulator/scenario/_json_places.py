"""
Where in a JSON text a value stands: so that an error about ``step_sequence[2].args`` can name the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from json import JSONDecodeError, JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]  # there since Python 2.6, and documented nowhere

_SPACE = re.compile(r"[\s,:]*")
_DECODE = JSONDecoder().raw_decode


def line_of(text: str, place: Sequence[str | int]) -> int:
    """
    Return the line, from 1, of the value at *place*; of the nearest one around it if it is missing.

    Args:
        text: Valid JSON.

        place: Keys and indexes from the outermost value inwards.
    """
    at = _skip(text, 0)
    for part in place:
        inner = _inside(text, at, part)
        if inner is None:
            break
        at = inner
    return text.count("\n", 0, at) + 1


def _inside(text: str, at: int, part: str | int) -> int | None:
    opening, at, index = text[at : at + 1], _skip(text, at + 1), 0
    if opening not in ("{", "["):
        return None
    while text[at : at + 1] not in ("}", "]", ""):
        key: str | int = index
        if opening == "{":
            key, at = scanstring(text, at + 1)
            at = _skip(text, at)
        if key == part:
            return at
        try:
            _, at = _DECODE(text, at)
        except JSONDecodeError:
            return None
        at, index = _skip(text, at), index + 1
    return None


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def dotted(place: Sequence[str | int]) -> str:
    """Return a place as one writes it: ``step_sequence[2].args[0]``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in place]
    return "".join(parts).removeprefix(".")
