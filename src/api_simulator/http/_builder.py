"""
The short forms: ``server.get("/u/1").json({"id": 1})``.

``get``, ``post`` ... return a pending route; conditions and delays may be added; the verb that says
what is answered registers it. A pending route that is never answered fails the test, because the
line looks as if it did something.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api_simulator._core.conditions import Condition
from api_simulator._core.delays import DelayInput
from api_simulator._core.faults import AnyFault, Fault, Stalled, Truncated, WrongLength
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.routes import Answer, Responder, SequenceEnd
from api_simulator._core.specs import HeaderInput, Pace, ResponseSpec, checked_headers
from api_simulator._core.streams import ServerSentEvent, chunks, file, ndjson, sse, stream
from api_simulator.errors import RouteError

if TYPE_CHECKING:
    from api_simulator._core.paths import PathPattern


class PendingRoute:
    """
    A route whose answer is still to be said; the methods that return a ``MountedRoute`` say it.

    Args:
        register: Registers answers under the conditions collected, and returns the mounted route.

        text: What errors call it, for instance ``GET /u/1``.
    """

    def __init__(
        self,
        register: Callable[[PendingRoute, tuple[Answer, ...], SequenceEnd, Condition | None], MountedRoute],
        text: str,
    ) -> None:
        self._register = register
        self._text = text
        self._when: Condition | None = None
        self._status = 200
        self._headers: list[tuple[str, str]] = []
        self._delay: DelayInput = 0
        self._pace: Pace | None = None
        self._options: dict[str, Any] = {}
        self._mounted: MountedRoute | None = None

    # What may come before the answer

    def when(self, condition: Condition) -> PendingRoute:
        """Ask for a condition too; several calls ask for all."""
        if not isinstance(condition, Condition):
            raise RouteError(f"when: expected a condition such as json_body({{...}}), got {condition!r}")
        self._when = condition if self._when is None else self._when & condition
        return self

    def status(self, status: int) -> PendingRoute:
        """Answer with *status* instead of 200."""
        self._status = status
        return self

    def headers(self, headers: HeaderInput) -> PendingRoute:
        """Send these fields too."""
        self._headers += checked_headers(headers)
        return self

    def delay(self, milliseconds: DelayInput) -> PendingRoute:
        """Wait before the answer: whole milliseconds or a distribution."""
        self._delay = milliseconds
        return self

    def pace(
        self,
        *,
        head_delay_ms: DelayInput = 0,
        body_delay_ms: DelayInput = 0,
        trailers_delay_ms: DelayInput = 0,
        bytes_per_s: int | None = None,
        dribble: tuple[int, int] | None = None,
    ) -> PendingRoute:
        """Say how the answer moves along the wire once it has begun; see :class:`Pace`."""
        self._pace = Pace(body_delay_ms, trailers_delay_ms, bytes_per_s, dribble, head_delay_ms)
        return self

    def trailers(self, trailers: HeaderInput) -> PendingRoute:
        """Send these fields after the body."""
        self._options["trailers"] = trailers
        return self

    def informational(self, status: int, headers: HeaderInput | None = None) -> PendingRoute:
        """Send an interim answer first (100, 102, 103 ...)."""
        self._options.setdefault("informational", []).append((status, headers))
        return self

    def gzip(self) -> PendingRoute:
        """Compress the body for clients that accept it."""
        self._options["gzip"] = True
        return self

    def early(self) -> PendingRoute:
        """Answer before the body of the request is read."""
        self._options["early"] = True
        return self

    # What is answered

    def json(self, value: Any) -> MountedRoute:
        """Answer with a JSON value."""
        if value is None:
            return self._answer("null", content_type="application/json")
        return self._answer(value, content_type="application/json" if isinstance(value, str | bytes) else None)

    def text(self, text: str) -> MountedRoute:
        """Answer with text."""
        return self._answer(text)

    def content(self, content: bytes, *, content_type: str = "application/octet-stream") -> MountedRoute:
        """Answer with bytes."""
        return self._answer(content, content_type=content_type)

    def empty(self) -> MountedRoute:
        """Answer without a body."""
        return self._answer(None)

    def file(self, path: str | Path, *, content_type: str = "application/octet-stream") -> MountedRoute:
        """Answer with the bytes of a file."""
        return self._answer(file(path, content_type=content_type))

    def chunks(
        self, *pieces: bytes | str, every_ms: DelayInput = 0, content_type: str = "application/octet-stream"
    ) -> MountedRoute:
        """Answer in exactly these chunks."""
        return self._answer(chunks(*pieces, every_ms=every_ms, content_type=content_type))

    def stream(
        self, source: Any, *, every_ms: DelayInput = 0, content_type: str = "application/octet-stream"
    ) -> MountedRoute:
        """Answer with the pieces of an iterable, an async iterable, or a function that returns one."""
        return self._answer(stream(source, every_ms=every_ms, content_type=content_type))

    def ndjson(self, *items: Any, every_ms: DelayInput = 0) -> MountedRoute:
        """Answer with JSON values, one a line."""
        return self._answer(ndjson(items, every_ms=every_ms))

    def sse(
        self,
        *events: ServerSentEvent | str | dict[str, Any],
        every_ms: DelayInput = 0,
        cut_after: int | None = None,
        resume: bool = True,
    ) -> MountedRoute:
        """Answer with server-sent events; see :func:`api_simulator.http.sse`."""
        return self._answer(sse(*events, every_ms=every_ms, cut_after=cut_after, resume=resume))

    def redirect(self, location: str, *, status: int = 307) -> MountedRoute:
        """Answer with a redirection; 307 keeps method and body (RFC 9110, section 15.4)."""
        if status not in (301, 302, 303, 307, 308):
            raise RouteError(f"redirect: expected status 301, 302, 303, 307 or 308, got {status!r}")
        self._headers.append(("Location", location))
        self._status = status
        return self._answer(None)

    def respond(self, answer: ResponseSpec | Responder) -> MountedRoute:
        """Answer with a spec, or with what a function of the captured request returns."""
        return self._mount((self._whole(answer, "respond"),))

    def sequence(self, *answers: int | ResponseSpec | Responder, then: SequenceEnd = "repeat") -> MountedRoute:
        """
        Answer successive requests with successive answers.

        Args:
            answers: Statuses, specs or functions.

            then: What comes when they are used up: ``repeat`` the last, ``cycle``, or ``error``.
        """
        return self._mount(tuple(self._item(answer) for answer in answers), then)

    # What goes wrong

    def fault(self, fault: AnyFault | str) -> MountedRoute:
        """Answer with a fault, always."""
        return self._answer(None, fault=fault)

    def reset_connection(self) -> MountedRoute:
        """Reset the connection (RST) instead of answering."""
        return self._answer(None, fault=Fault.CONNECTION_RESET_BY_PEER)

    def close_connection(self) -> MountedRoute:
        """Close the connection (FIN) without a byte."""
        return self._answer(None, fault=Fault.EMPTY_RESPONSE)

    def hang(self) -> MountedRoute:
        """Answer nothing, ever."""
        return self._answer(None, fault=Fault.HANG)

    def truncate(self, after: int, body: Any = "x" * 1024, *, reset: bool = False) -> MountedRoute:
        """Promise the whole *body*, send its first *after* bytes, and close the connection."""
        return self._answer(body, fault=Truncated(after, reset))

    def stall(self, after: int = 0, body: Any = "x" * 1024) -> MountedRoute:
        """Promise the whole *body*, send its first *after* bytes, then nothing."""
        return self._answer(body, fault=Stalled(after))

    def wrong_length(self, by: int, body: Any = "x" * 1024) -> MountedRoute:
        """Send *body* under a Content-Length that is *by* bytes too large, or too small if negative."""
        return self._answer(body, fault=WrongLength(by))

    # How that is done

    def _answer(
        self, body: Any, *, content_type: str | None = None, fault: AnyFault | str | None = None
    ) -> MountedRoute:
        headers = list(self._headers)
        if content_type is not None and not any(name.lower() == "content-type" for name, _ in headers):
            headers.insert(0, ("Content-Type", content_type))
        spec = ResponseSpec(self._status, body, headers, self._delay, pace=self._pace, fault=fault, **self._options)
        return self._mount((spec,))

    def _item(self, answer: int | ResponseSpec | Responder) -> Answer:
        if isinstance(answer, int) and not isinstance(answer, bool):
            return ResponseSpec(answer, None, self._headers, self._delay, pace=self._pace, **self._options)
        return self._whole(answer, "sequence")

    def _whole(self, answer: object, word: str) -> Answer:
        if self._headers or self._delay or self._pace or self._options or self._status != 200:
            raise RouteError(
                f"{word}: a whole answer has its own status, headers and delay; say them there, not before"
            )
        if isinstance(answer, ResponseSpec) or callable(answer):
            return answer
        raise RouteError(f"{word}: {_expected(answer)}")

    def _mount(self, answers: tuple[Answer, ...], then: SequenceEnd = "repeat") -> MountedRoute:
        if self._mounted is not None:
            raise RouteError(f"{self._text} has its answer already; start a new route")
        self._mounted = self._register(self, answers, then, self._when)
        return self._mounted

    def __repr__(self) -> str:
        return f"<PendingRoute {self._text}{'' if self._mounted is None else ', registered'}>"


def _expected(answer: object) -> str:
    """Say what an answer may be, and how to write what was probably meant."""
    expected = f"expected a ResponseSpec or a function of the request (in a sequence also a status), got {answer!r}"
    if isinstance(answer, list | tuple):
        return f"{expected}; give the answers one by one, not as a list"
    if isinstance(answer, dict | str | bytes):
        return f"{expected}; write ResponseSpec(body=...)"
    return expected


class ShortForms(ABC):
    """``get``, ``post`` ... of a server, as pending routes."""

    @abstractmethod
    def route(self, method: str, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a route for *method* and *path*; an answering verb registers it."""

    def get(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a GET route."""
        return self.route("GET", path, priority=priority)

    def head(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a HEAD route."""
        return self.route("HEAD", path, priority=priority)

    def post(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a POST route."""
        return self.route("POST", path, priority=priority)

    def put(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a PUT route."""
        return self.route("PUT", path, priority=priority)

    def patch(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a PATCH route."""
        return self.route("PATCH", path, priority=priority)

    def delete(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a DELETE route."""
        return self.route("DELETE", path, priority=priority)

    def options(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin an OPTIONS route."""
        return self.route("OPTIONS", path, priority=priority)

    def any(self, path: str | PathPattern, *, priority: int = 0) -> PendingRoute:
        """Begin a route for every method."""
        return self.route("*", path, priority=priority)
