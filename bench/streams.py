"""
Load a fake Messages API with many event streams at once, and note when their tokens arrive.

One asyncio process on plain sockets: an HTTP library would cost more than what is measured.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

MARK = b"event: content_block_delta"
_END = b"event: message_stop"
_PATIENCE_S = 120.0


@dataclass(slots=True)
class StreamRun:
    """
    What came of streams that were asked for together.

    Attributes:
        arrivals_s: For each stream, when each of its tokens arrived, from the moment at which all were asked for.
    """

    took_s: float
    arrivals_s: list[list[float]] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(map(len, self.arrivals_s))

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.took_s

    def lateness_ms(self, gap_s: float) -> list[float]:
        """Return how far each token was from its place: the stream's first token and one gap for each one after it."""
        return [
            abs(arrived - (arrivals[0] + place * gap_s)) * 1000
            for arrivals in self.arrivals_s
            for place, arrived in enumerate(arrivals)
            if place
        ]


def stream_many(port: int, count: int, prompt: str) -> StreamRun:
    """Ask for *count* streams at once, read them to their ends, and return when tokens arrived."""
    return asyncio.run(_stream_many(port, count, request_bytes(prompt)))


def request_bytes(prompt: str, *, stream: bool = True) -> bytes:
    body = json.dumps(
        {
            "model": "claude-sonnet-5",
            "max_tokens": 60_000,
            "stream": stream,
            "messages": [{"role": "user", "content": prompt}],
        }
    )
    head = (
        "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nx-api-key: k\r\n"
        f"anthropic-version: 2023-06-01\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def _stream_many(port: int, count: int, request: bytes) -> StreamRun:
    # Connected first: what is measured is streaming.
    pairs = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(count)))
    begin = time.perf_counter()
    try:
        arrivals = await asyncio.gather(*(_read(reader, writer, request, begin) for reader, writer in pairs))
        return StreamRun(time.perf_counter() - begin, arrivals)
    finally:
        for _, writer in pairs:
            writer.close()


async def _read(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, begin: float
) -> list[float]:
    writer.write(request)
    arrivals: list[float] = []
    tail = b""
    while _END not in tail:
        piece = await asyncio.wait_for(reader.read(65536), _PATIENCE_S)
        if not piece:
            raise RuntimeError(f"the stream ended after {len(arrivals)} tokens: {tail[-200:]!r}")
        now = time.perf_counter() - begin
        # A mark may lie across two pieces: what was counted is cut off, the rest is kept.
        tail += piece
        found = tail.count(MARK)
        arrivals += [now] * found
        if found:
            tail = tail[tail.rindex(MARK) + len(MARK) :]
    return arrivals
