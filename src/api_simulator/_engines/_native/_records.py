"""
Read the records of the library; their layout is that of ``crates/engine/src/log.rs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

from api_simulator._core.messages import CapturedRequest, percent_encode_surrogates

PLAIN, HANDED_OFF, ANSWERED, ABORTED, MALFORMED, PART_DONE, BODY, DROPPED = range(1, 9)
KEEP_ALIVE, HEAD_ONLY = 1, 2

_HEADER = Struct("<I4B3Q6IQ5q")


class Record(NamedTuple):
    """What happened: the fields of the library's record, by its names."""

    kind: int
    flags: int
    major: int
    minor: int
    sequence: int
    generation: int
    connection: int
    place: int
    entry: int
    answer: int
    method_bytes: int
    target_bytes: int
    accepted_ns: int
    head_ns: int
    received_ns: int
    answered_ns: int
    aborted_ns: int
    head: bytes
    body: bytes


def records(data: bytes) -> Iterator[Record]:
    """Yield the records in *data*."""
    start, end = 0, len(data)
    while start < end:
        _, *fields = _HEADER.unpack_from(data, start)
        # The two lengths are what the header is for; what they are the lengths of takes their place.
        body_bytes, head_bytes = fields.pop(13), fields.pop(12)
        head = start + _HEADER.size
        body = head + head_bytes
        start = body + body_bytes
        yield Record._make((*fields, data[head:body], data[body:start]))


def captured(record: Record, sync: Callable[[], None]) -> CapturedRequest:
    """Return the request that *record* is about; *sync* brings its later stamps."""
    head, method_end = record.head, record.method_bytes
    target = head[method_end + 1 : method_end + 1 + record.target_bytes]
    if target.isascii():
        raw_target = target.decode("ascii")
    else:
        raw_target = percent_encode_surrogates(target.decode("utf-8", "surrogateescape"))
    request = CapturedRequest(
        head[:method_end].decode("ascii").upper(),
        raw_target,
        raw_body=record.body,
        http_version=f"{record.major}.{record.minor}",
        keep_alive=bool(record.flags & KEEP_ALIVE),
        connection_id=record.connection,
        connection_index=record.place,
        generation=record.generation,
        raw_head=head,
        accepted_ns=record.accepted_ns,
        head_ns=record.head_ns,
        received_ns=record.received_ns,
        sync=sync,
    )
    request.answered_ns = record.answered_ns or None
    request.aborted_ns = record.aborted_ns or None
    return request
