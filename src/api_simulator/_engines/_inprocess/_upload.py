"""
A request's body that is larger than what the wire takes by itself: sent as far as the server reads.

A client that gets rid of nothing for as long as its patience gives up, as on a socket whose buffers are full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: What Linux takes on the loopback while nobody reads; smaller bodies are sent at once, however slowly they are read.
WIRE_BYTES = 4 * 1024 * 1024
#: So much must be read until a client is told that it may go on: a socket that has room for less says nothing.
PROGRESS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """
    A body on its way.

    Attributes:
        ends_ns: When the wire has all of it; None is when the exchange is over, for one answered before it is read.

        fails_ns: When the client's patience ends, if it does before that.

        sent: Called when it is sent.

        broken_off: Called when its client leaves before.
    """

    ends_ns: int | None
    fails_ns: int | None
    sent: Callable[[], None]
    broken_off: Callable[[], None]


def times_of_upload(
    size: int, *, now_ns: int, reads_ns: int, bytes_per_s: int | None, patience_s: float | None
) -> tuple[int, int | None]:
    """
    Return when the wire has taken a body, and when a client gives up before that (None: it does not).

    Args:
        size: Of the body, more than :data:`WIRE_BYTES`.

        now_ns: When it is begun.

        reads_ns: When the server begins to read.

        bytes_per_s: How fast it reads; None is at once.

        patience_s: How long the client waits to get rid of something; None is for ever.
    """

    def passed_ns(count: int) -> int:
        return count * 1_000_000_000 // bytes_per_s if bytes_per_s else 0

    ends_ns = reads_ns + passed_ns(size - WIRE_BYTES)
    if patience_s is None:
        return ends_ns, None
    patience_ns = int(patience_s * 1e9)
    step_ns = passed_ns(min(PROGRESS_BYTES, size - WIRE_BYTES))
    first_ns = reads_ns + step_ns
    if first_ns - now_ns > patience_ns:
        return ends_ns, now_ns + patience_ns
    return ends_ns, first_ns + patience_ns if step_ns > patience_ns else None
