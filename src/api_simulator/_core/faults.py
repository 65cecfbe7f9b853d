"""
Answers that are wrong on purpose: what a broken server, proxy or network does to a client.

The first four have WireMock's names, because people search for them. Each is a plain value; what it
looks like on the wire is written in ``wire.py``, so that it is the same bytes on every engine.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from api_simulator._core.values import dataclass
from api_simulator.errors import SpecError


class Fault(Enum):
    """A fault that needs no number."""

    CONNECTION_RESET_BY_PEER = "reset the connection (RST) instead of answering"
    EMPTY_RESPONSE = "close the connection (FIN) without a byte"
    MALFORMED_RESPONSE_CHUNK = "send a good head, then bytes that are no chunk, and close"
    RANDOM_DATA_THEN_CLOSE = "send random bytes, and close"
    BAD_GZIP = "say Content-Encoding: gzip and send bytes that are not"
    INVALID_JSON = "say application/json and send JSON that breaks off"
    INVALID_UTF8 = "say charset=utf-8 and send bytes that are not"
    DUPLICATE_CONTENT_LENGTH = "send two Content-Length fields that differ"
    OVERSIZED_HEADER = "send a header field of 256 KiB"
    GARBAGE_STATUS_LINE = "send a status line that is none, and close"
    HALF_CLOSE = "answer, then close the sending side only: the client may still send, nobody answers"
    SILENT_CLOSE = "answer, then close a connection that the client believes to be kept alive"
    HANG = "answer nothing, ever; the connection stays open until the server closes"


@dataclass(frozen=True, slots=True)
class Truncated:
    """Promise the whole body, send only its first *after* bytes, and close (or reset)."""

    after: int
    reset: bool = False

    def __post_init__(self) -> None:
        _check_count("truncated: after", self.after)


@dataclass(frozen=True, slots=True)
class WrongLength:
    """Send the whole body under a Content-Length that is *by* bytes too large, or too small if negative."""

    by: int

    def __post_init__(self) -> None:
        if isinstance(self.by, bool) or not isinstance(self.by, int) or self.by == 0:
            raise SpecError(f"wrong_length: by is a whole number of bytes other than 0, got {self.by!r}")


@dataclass(frozen=True, slots=True)
class Stalled:
    """Send the head and the first *after* bytes of the body, then nothing, with the connection open."""

    after: int = 0

    def __post_init__(self) -> None:
        _check_count("stalled: after", self.after)


#: With these no status reaches the client.
FAULTS_WITHOUT_STATUS = frozenset(
    {
        Fault.CONNECTION_RESET_BY_PEER,
        Fault.EMPTY_RESPONSE,
        Fault.RANDOM_DATA_THEN_CLOSE,
        Fault.GARBAGE_STATUS_LINE,
        Fault.HANG,
    }
)

AnyFault: TypeAlias = Fault | Truncated | WrongLength | Stalled


def checked_fault(fault: object) -> AnyFault | None:
    """Return *fault* if it is one (a name will do), or raise :class:`SpecError` listing the names there are."""
    if fault is None or isinstance(fault, Fault | Truncated | WrongLength | Stalled):
        return fault
    names = ", ".join(Fault.__members__)
    if isinstance(fault, str) and fault in Fault.__members__:
        return Fault[fault]
    raise SpecError(f"fault: expected one of {names}, or truncated(), wrong_length(), stalled(); got {fault!r}")


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SpecError(f"{name} is a whole number of bytes, 0 or more; got {value!r}")
