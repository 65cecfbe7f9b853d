"""
What is open in this process right now: servers and fake programs, in the order of their opening.

The pytest plugin reads it to know whose events belong in a failure report; it never imports the
packages that fill it. Entries are removed by whoever made them, when they close; a weak reference
stays for a while, because a test that fails after its ``with`` block still wants the events.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import Protocol, TypeVar

from api_simulator._core.timeline import TimelineSource


class Source(TimelineSource, Protocol):
    """A server or fake program: it has events, and can be closed."""

    def close(self) -> None:
        """Give back what it holds; closing twice changes nothing."""
        ...


_lock = threading.Lock()
_open: list[Source] = []
_recently_closed: deque[weakref.ref[Source]] = deque(maxlen=64)

SourceT = TypeVar("SourceT", bound=Source)


def opened(source: Source) -> None:
    """Add *source*; adding it twice changes nothing."""
    with _lock:
        if not any(known is source for known in _open):
            _open.append(source)
            for reference in [each for each in _recently_closed if each() is source]:
                _recently_closed.remove(reference)


def closed(source: Source) -> None:
    """Remove *source*; removing it twice changes nothing."""
    with _lock:
        if any(known is source for known in _open):
            _open[:] = [known for known in _open if known is not source]
            _recently_closed.append(weakref.ref(source))


def forget_closed() -> None:
    """Forget what is closed: from now on it is of no interest, whatever its stamps say."""
    with _lock:
        _recently_closed.clear()


def of_type(kind: type[SourceT]) -> list[SourceT]:
    """Return the open sources of one kind."""
    with _lock:
        return [source for source in _open if isinstance(source, kind)]


def everything() -> list[Source]:
    """Return all open sources, and those closed of late that somebody still refers to."""
    with _lock:
        closed_ones = [source for reference in _recently_closed if (source := reference()) is not None]
        return [*closed_ones, *_open]
