"""
What a failed test shows of a refusal: the line that asked for it, not the lines of this package that noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import pytest

from api_simulator.errors import ApiSimulatorError

_OWN = "api_simulator"
#: Between a ``with`` line and the generator behind it.
_BETWEEN = "contextlib"
_RUNNER = ("_pytest", "pluggy")


def end_at_the_caller(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """
    Leave out the frames of this package at the end of a traceback, if its error is one of :mod:`api_simulator.errors`.

    They stay if nobody but pytest is beneath them, and in any other exception: that one is a defect here.
    """
    if not isinstance(excinfo.value, ApiSimulatorError):
        return
    links = list(_links(excinfo.tb))
    packages = [str(link.tb_frame.f_globals.get("__name__", "")).partition(".")[0] for link in links]
    kept = len(links)
    while kept and packages[kept - 1] in (_OWN, _BETWEEN):
        kept -= 1
    if kept in (0, len(links)) or packages[kept - 1] in _RUNNER:
        return
    shortened = _copied(links[kept - 1], None)
    for link in reversed(links[: kept - 1]):
        shortened = _copied(link, shortened)
    # What pytest shows; the exception itself keeps all of it, for a debugger.
    excinfo.traceback = type(excinfo.traceback)(shortened)


def _copied(link: TracebackType, following: TracebackType | None) -> TracebackType:
    return TracebackType(following, link.tb_frame, link.tb_lasti, link.tb_lineno)


def _links(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
