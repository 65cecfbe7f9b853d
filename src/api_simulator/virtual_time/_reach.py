"""
What the clock reaches: the names that it is put in the place of, and gives back.

Each replacement asks for the running clock, so that one which somebody has bound meanwhile goes back
to the machine's time when the clock stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from api_simulator.virtual_time._clock import VirtualClock


class _Replaced(NamedTuple):
    owner: Any
    name: str
    original: Any
    replacement: Any


_replaced: list[_Replaced] = []
#: Stands for an attribute that a class has from its bases: giving it back is taking ours away.
_INHERITED: Any = object()
_running: list[VirtualClock] = []


def running() -> VirtualClock | None:
    """Return the clock that runs, if this thread reads it."""
    return _running[0] if _running and _running[0].covers() else None


def owned() -> VirtualClock | None:
    """Return the clock that runs for this thread, if one does."""
    return _running[0] if _running and _running[0].is_owner() else None


def replace(owner: Any, name: str, replacement: Any) -> None:
    """Put something in the place of an attribute until :func:`restore`."""
    if any(known.owner is owner and known.name == name for known in _replaced):
        # The test has put something of its own in the place of ours, and that stays.
        return
    # From the class's own dictionary: a class method is to come back as one.
    original = vars(owner).get(name, _INHERITED)
    setattr(owner, name, replacement)
    _replaced.append(_Replaced(owner, name, original, replacement))


def put_in(clock: VirtualClock) -> None:
    """Let *clock* be the time of its thread."""
    from api_simulator.virtual_time import _asyncio, _names, _trio

    _running.append(clock)
    _names.put_in()
    _asyncio.put_in()
    _trio.put_in()


def restore() -> None:
    """Give back every name; twice changes nothing."""
    _running.clear()
    for known in _replaced:
        if vars(known.owner).get(known.name) is not known.replacement:
            continue
        if known.original is _INHERITED:
            delattr(known.owner, known.name)
        else:
            setattr(known.owner, known.name, known.original)
    # What a test has put there itself is the test's to take away; then ours may come back, to be looked for again.
    _replaced[:] = [known for known in _replaced if vars(known.owner).get(known.name, _INHERITED) is not known.original]
