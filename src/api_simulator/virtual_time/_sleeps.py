"""
Who asked for which sleep.
"""

from __future__ import annotations

from types import FrameType
from typing import NamedTuple

#: What stands between a sleep and who asked for it, and is not worth naming.
_BETWEEN = ("anyio._core._eventloop", "anyio._backends._asyncio", "anyio._backends._trio")


class Sleep(NamedTuple):
    """
    A sleep that was asked for.

    Attributes:
        seconds: How long.

        at_s: When, in virtual seconds since the clock's start.

        by: The file and line that called the sleep function.
    """

    seconds: float
    at_s: float
    by: str


def caller(frame: FrameType | None) -> FrameType | None:
    """Return the frame that asked, *frame* or one around it."""
    while frame is not None and frame.f_globals.get("__name__") in _BETWEEN:
        frame = frame.f_back
    return frame


def place(frame: FrameType | None) -> str:
    """Return file and line of a frame."""
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
