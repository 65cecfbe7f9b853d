"""
The journal: every request a server received, bounded, countable, waitable.

Counts stay exact for ever; only the requests themselves are dropped, the oldest first. A query whose
answer would need a dropped request raises: a short list that looks complete is worse than an error.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from api_simulator._core import real_time
from api_simulator._core.messages import CapturedRequest, MalformedRequest, decode_path
from api_simulator._core.patterns import parse_method
from api_simulator.errors import JournalOverflowError, WaitTimeoutError

DEFAULT_ENTRIES = 10_000
DEFAULT_BODY_BYTES = 64 * 1024 * 1024
#: Counts by method and path are kept for this many different pairs: a crawler must not fill the memory.
MAX_COUNTED_PAIRS = 10_000
MAX_MALFORMED = 1_000


class Journal:
    """
    Captured requests of one server, safe to use from any thread.

    Args:
        max_entries: Keep at most so many requests.

        max_body_bytes: Keep at most so many bytes of bodies; the newest request is always kept.

        drain: Called before every query: an engine that records elsewhere hands over what it has.
    """

    def __init__(
        self,
        max_entries: int = DEFAULT_ENTRIES,
        max_body_bytes: int = DEFAULT_BODY_BYTES,
        *,
        drain: Callable[[], None] | None = None,
    ) -> None:
        self.max_entries = max_entries
        self.max_body_bytes = max_body_bytes
        self.malformed: deque[MalformedRequest] = deque(maxlen=MAX_MALFORMED)
        # Taken by itself where nobody waits: a condition takes it by two calls more, for every request.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.drain = drain if drain is not None else _nothing_to_drain
        #: How many requests the engine has that were not handed over, None if that can only be found by :attr:`drain`.
        self.undrained: Callable[[], int | None] = _unknown
        self._entries: deque[CapturedRequest] = deque()
        self._body_bytes = 0
        self._total = 0
        self._pairs: dict[tuple[str, str], int] = {}
        self._pairs_complete = True
        self._waiters = 0
        #: Told whether anybody waits: an engine that records elsewhere then hands everything over at once.
        self.attended: Callable[[bool], None] = _nobody_to_tell

    def record(self, request: CapturedRequest) -> None:
        """Add *request* and give it its number; called with :attr:`changed` held."""
        self._total += 1
        request.number = self._total
        self._entries.append(request)
        self._body_bytes += len(request.raw_body)
        if len(self._entries) > self.max_entries or self._body_bytes > self.max_body_bytes:
            self._drop()
        pair = (request.method, request.path)
        count = self._pairs.get(pair)
        if count is not None:
            self._pairs[pair] = count + 1
        elif len(self._pairs) < MAX_COUNTED_PAIRS:
            self._pairs[pair] = 1
        else:
            self._pairs_complete = False
        if self._waiters:
            self.changed.notify_all()

    def count_dropped(self, method: str, path: str, count: int) -> None:
        """Count requests that were dropped before they got here; called with :attr:`changed` held."""
        self._total += count
        pair = (method, path)
        if pair in self._pairs or len(self._pairs) < MAX_COUNTED_PAIRS:
            self._pairs[pair] = self._pairs.get(pair, 0) + count
        else:
            self._pairs_complete = False

    def add_body(self, request: CapturedRequest, body: bytes) -> None:
        """Give a recorded request the body that came after its answer; called with :attr:`changed` held."""
        request.raw_body = body
        request.forget_views()
        if any(entry is request for entry in self._entries):
            self._body_bytes += len(body)
            if self._body_bytes > self.max_body_bytes:
                self._drop()

    def _drop(self) -> None:
        entries = self._entries
        while len(entries) > 1 and (len(entries) > self.max_entries or self._body_bytes > self.max_body_bytes):
            self._body_bytes -= len(entries.popleft().raw_body)

    def record_malformed(self, malformed: MalformedRequest) -> None:
        """Add bytes that were no request."""
        with self.changed:
            self.malformed.append(malformed)
            self.wake_waiters()

    def clear(self) -> None:
        """Forget all requests and counts."""
        with self.changed:
            self._entries.clear()
            self.malformed.clear()
            self._pairs.clear()
            self._pairs_complete = True
            self._body_bytes = self._total = 0

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """
        Return how many requests arrived, exact even when some are dropped.

        Raises:
            JournalOverflowError: If more than :data:`MAX_COUNTED_PAIRS` pairs of method and path were seen,
                requests were dropped, and the filter asks for a pair that was not counted.
        """
        name, wanted, query = _filter(method, path)
        if name is None and wanted is None:
            # No need to look at a single one of them.
            with self.changed:
                undrained = self.undrained()
                if undrained is not None:
                    return self._total + undrained
        self.drain()
        with self.changed:
            if name is None and wanted is None:
                return self._total
            if query is None and (self._pairs_complete or (name, wanted) in self._pairs):
                return self._count_pairs(name, wanted)
            if self._dropped:
                raise self._overflow(_shown(method, path))
            accepts = _accepts(method, path)
            return sum(1 for request in self._entries if accepts(request))

    def _count_pairs(self, method: str | None, path: str | None) -> int:
        if method is not None and path is not None:
            return self._pairs.get((method, path), 0)
        return sum(
            count
            for (seen_method, seen_path), count in self._pairs.items()
            if method in (None, seen_method) and path in (None, seen_path)
        )

    def requests(self, method: str | None = None, path: str | None = None) -> list[CapturedRequest]:
        """
        Return the requests of that method and path, in the order of their arrival.

        Args:
            method: In any case; None or ``"*"`` for all.

            path: The decoded path; with ``?query`` only requests with exactly that query string.

        Raises:
            JournalOverflowError: If some of them were dropped.
        """
        self.drain()
        with self.changed:
            accepts = _accepts(method, path)
            found = [request for request in self._entries if accepts(request)]
            if self._dropped and self.count(method, path) != len(found):
                raise self._overflow(_shown(method, path))
            return found

    def select(self, accepts: Callable[[CapturedRequest], bool], expected: int, shown: str) -> list[CapturedRequest]:
        """Return the requests that *accepts* says yes to, of which there were *expected* in all."""
        self.drain()
        with self.changed:
            found = [request for request in self._entries if accepts(request)]
            if len(found) < expected and self._dropped:
                raise self._overflow(shown)
            return found

    def kept(self) -> list[CapturedRequest]:
        """Return what is still there, however much was dropped."""
        self.drain()
        with self.changed:
            return list(self._entries)

    @property
    def _dropped(self) -> int:
        return self._total - len(self._entries)

    @property
    def dropped(self) -> int:
        """How many requests are no longer there."""
        with self.changed:
            return self._dropped

    def _overflow(self, shown: str) -> JournalOverflowError:
        return JournalOverflowError(
            f"{shown}: {self._dropped} of {self._total} requests were dropped from the journal "
            f"(bounds: journal_entries={self.max_entries}, journal_body_bytes={self.max_body_bytes}); "
            "raise the bound when you create the server, or ask for request_count()"
        )

    def wait(
        self,
        count: int,
        *,
        timeout_s: float,
        method: str | None = None,
        path: str | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[CapturedRequest]:
        """
        Block until *count* requests of that method and path have arrived, and return all of them.

        Args:
            count: How many; those that came before the call count too.

            timeout_s: Seconds to wait at most.

            method: As for :meth:`requests`.

            path: As for :meth:`requests`.

            cancelled: Looked at after every :meth:`wake_waiters`; the wait ends early when it says True.

        Raises:
            WaitTimeoutError: If fewer arrived; the message has what did arrive.
        """

        def arrived() -> bool:
            return self.count(method, path) >= count or cancelled()

        if not self.wait_until(arrived, timeout_s=timeout_s):
            raise self._late(count, timeout_s, method, path)
        return self.requests(method, path)

    def wait_until(self, condition: Callable[[], object], *, timeout_s: float) -> bool:
        """
        Block until *condition* says yes, looking again after every request, answer, abort and malformed input.

        Returns:
            Whether it did, within *timeout_s* seconds.
        """
        deadline = real_time.monotonic_s() + timeout_s
        with self.changed:
            self._waiters += 1
            self.attended(True)
            try:
                while not self._holds(condition):
                    left = deadline - real_time.monotonic_s()
                    if left <= 0:
                        return False
                    self.changed.wait(left)
                return True
            finally:
                self._waiters -= 1
                self.attended(self._waiters > 0)

    def _holds(self, condition: Callable[[], object]) -> bool:
        self.drain()
        return bool(condition())

    def wake_waiters(self) -> None:
        """Make every waiting thread look again; costs nothing when none is waiting."""
        if self._waiters:
            with self.changed:
                self.changed.notify_all()

    def _late(self, count: int, timeout_s: float, method: str | None, path: str | None) -> WaitTimeoutError:
        arrived = [f"  #{request.number} {request.method} {request.raw_target}" for request in self.kept()[-10:]]
        others = "\n".join(["the last requests were:", *arrived]) if arrived else "no request arrived at all"
        return WaitTimeoutError(
            f"waited {timeout_s:g} s for {count} {_shown(method, path)}, {self.count(method, path)} arrived; {others}"
        )


def _nothing_to_drain() -> None:
    """Leave the journal as it is: the engine records into it directly."""


def _unknown() -> int | None:
    """Say that the engine must be asked for everything."""
    return None


def _nobody_to_tell(_waiting: bool) -> None:  # noqa: FBT001  # the form of a callback
    """Do nothing: the engine records into the journal directly."""


def _filter(method: str | None, path: str | None) -> tuple[str | None, str | None, str | None]:
    name = None if method in (None, "*") else parse_method(method)
    if path is None:
        return name, None, None
    raw_path, has_query, query = path.partition("?")
    return name, decode_path(raw_path), query if has_query else None


def _accepts(method: str | None, path: str | None) -> Callable[[CapturedRequest], bool]:
    name, wanted, query = _filter(method, path)
    return lambda request: (
        name in (None, request.method)
        and wanted in (None, request.path)
        and (query is None or query == request.query_string)
    )


def _shown(method: str | None, path: str | None) -> str:
    parts = [part for part in (method, path) if part is not None]
    return f"requests ({' '.join(parts)})" if parts else "requests"
