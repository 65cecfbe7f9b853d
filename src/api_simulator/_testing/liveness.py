"""
Whether a server still answers one route while another is busy: the mistake of blocking an event loop, made visible.
"""

from __future__ import annotations

import http.client
import threading
import time
from types import TracebackType
from urllib.parse import urlsplit

from api_simulator.errors import LivenessError, OptionError, WaitTimeoutError

#: Between two questions: often enough to notice a short block, seldom enough to be no load.
_PAUSE_S = 0.01


class LivenessProbe:
    """
    Asks a cheap route again and again while the block lasts; leaving it raises if an answer took too long.

    Args:
        url: Of a route that does no work, such as a health endpoint.

        limit_s: An answer that takes longer is a failure.

    Raises:
        LivenessError: At the end of the block: an answer was late, or did not come; or nothing was asked.

    Example:
        with LivenessProbe(server.url("/health"), limit_s=1):
            run_the_slow_request()
    """

    def __init__(self, url: str, *, limit_s: float = 1.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise OptionError(f"LivenessProbe: expected an http:// URL, got {url!r}")
        if isinstance(limit_s, bool) or not isinstance(limit_s, int | float) or limit_s <= 0:
            raise OptionError(f"LivenessProbe: limit_s is a number of seconds above 0, got {limit_s!r}")
        self._url = url
        self._address = (parts.hostname, parts.port or 80)
        self._target = parts.path or "/"
        self._limit_s = limit_s
        self._changed = threading.Condition()
        self._stopping = False
        self._asked_at: float | None = None
        self._answers = 0
        self._worst_s = 0.0
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="api-simulator-liveness", daemon=True)

    @property
    def worst_s(self) -> float:
        """The longest time that an answer took so far, one that is still waited for included."""
        with self._changed:
            waiting = 0.0 if self._asked_at is None else time.monotonic() - self._asked_at
            return max(self._worst_s, waiting)

    def wait_for_answers(self, count: int, timeout_s: float = 30.0) -> None:
        """
        Block until *count* more answers have come.

        Raises:
            WaitTimeoutError: If they did not come in time.
        """
        with self._changed:
            goal = self._answers + count
            if not self._changed.wait_for(lambda: self._answers >= goal or self._failure is not None, timeout_s):
                raise WaitTimeoutError(f"waited {timeout_s:g} s for {count} answers of {self._url} in vain")

    def wait_until_late(self, timeout_s: float = 30.0) -> None:
        """
        Block until an answer has been waited for longer than the limit.

        Raises:
            WaitTimeoutError: If that did not happen in time.
        """
        end = time.monotonic() + timeout_s
        # By time: that nothing comes is announced by nobody.
        while self.worst_s <= self._limit_s:
            if time.monotonic() > end:
                raise WaitTimeoutError(f"waited {timeout_s:g} s for a late answer of {self._url} in vain")
            time.sleep(_PAUSE_S)

    def __enter__(self) -> LivenessProbe:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        worst_s = self.worst_s
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(self._limit_s + 1)
        if error is not None:
            return
        if self._failure is not None:
            raise LivenessError(f"{self._url}: {self._failure}")
        if worst_s > self._limit_s:
            raise LivenessError(
                f"{self._url}: an answer took {worst_s:.2f} s, more than {self._limit_s:g} s: something blocks the "
                "server's loop; do it in a thread"
            )
        if self._answers == 0:
            raise LivenessError(f"{self._url}: the block was over before anything was asked, which proves nothing")

    def _run(self) -> None:
        # Later than the limit, so that what is waited for is measured and not cut off.
        connection = http.client.HTTPConnection(*self._address, timeout=self._limit_s * 10 + 10)
        try:
            while not self._is_over():
                self._ask(connection)
        except OSError as error:
            with self._changed:
                if not self._stopping:
                    self._failure = f"no answer: {type(error).__name__}: {error}"
                    self._changed.notify_all()
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        with self._changed:
            self._asked_at = begin = time.monotonic()
        connection.request("GET", self._target)
        answer = connection.getresponse()
        answer.read()
        with self._changed:
            self._asked_at = None
            self._worst_s = max(self._worst_s, time.monotonic() - begin)
            self._answers += 1
            if answer.status >= 400:
                self._failure = f"answered {answer.status}"
            self._changed.notify_all()

    def _is_over(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping, _PAUSE_S)
