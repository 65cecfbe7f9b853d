"""
Write actions as the programs that the library carries out; the header of the C ABI describes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from api_simulator._core.actions import Action, Close, HalfClose, Hang, Reset, SendBytes, Wait
from api_simulator._core.plain import Form

_STEP = Struct("<BI")
_SEND, _WAIT = 1, 2
_OTHERS: dict[type, int] = {Close: 3, Reset: 4, HalfClose: 5, Hang: 6}
#: Read the body, then ask again: the answer to a request that was handed off by its head.
READ_ON = _STEP.pack(7, 0)
RESET = _STEP.pack(4, 0)
# An argument has four bytes: a longer wait is several.
_MAX_WAIT_MS = 2**31


def program(actions: Iterable[Action]) -> bytes:
    """Return *actions*, which must be finite, as a program."""
    pieces: list[bytes] = []
    for action in actions:
        if isinstance(action, SendBytes):
            pieces += (_STEP.pack(_SEND, len(action.data)), action.data)
        elif isinstance(action, Wait):
            left_ms = action.milliseconds
            while left_ms > 0:
                pieces.append(_STEP.pack(_WAIT, min(left_ms, _MAX_WAIT_MS)))
                left_ms -= _MAX_WAIT_MS
        else:
            pieces.append(_STEP.pack(_OTHERS[type(action)], 0))
    return b"".join(pieces)


def form_bits(form: Form) -> int:
    """Return *form* as the library numbers it."""
    return form.head_only | form.keep_alive << 1 | form.http_10 << 2
