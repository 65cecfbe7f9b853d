"""
Whether a request that a client sends is seen by this engine: asked where a client may have a way of its own.
"""

from __future__ import annotations

from contextvars import ContextVar

#: While a client sends under an interception: the number of requests seen meanwhile, in a list of one.
_COUNT: ContextVar[list[int] | None] = ContextVar("api_simulator_seen", default=None)

begin = _COUNT.set
end = _COUNT.reset


def note() -> None:
    """Say that a request is seen."""
    count = _COUNT.get()
    if count is not None:
        count[0] += 1
