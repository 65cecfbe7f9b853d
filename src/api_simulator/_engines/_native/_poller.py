"""
The one Python thread that native servers share: it waits, without the GIL, until one of them wants attention.

It starts with its first user and ends with its last; the pytest plugin holds it for a session.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from api_simulator._engines._native import _library
from api_simulator._engines._sharing import Users

_WAIT_MS = 60_000


class Attended(Protocol):
    """A server with something for Python."""

    def attend(self) -> None:
        """Take it in; never raises."""
        ...


class Poller:
    """A queue of the library and the thread that waits at it, while there are users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = Users()
        self._runtime: Any = None
        self._thread: threading.Thread | None = None
        self._served: dict[int, Attended] = {}
        self._last = 0

    def acquire(self) -> Any:
        """Return the running queue, starting its thread for its first user."""
        ffi, library = _library.load()
        with self._lock:
            if self._users.forget_parents():
                self._runtime = self._thread = None
                self._served = {}
            if self._runtime is None:
                runtime = library.asim_runtime_new()
                if runtime == ffi.NULL:
                    raise MemoryError("the native engine cannot make its queue")
                thread = threading.Thread(
                    target=self._run, args=(library, runtime), name="api-simulator-native", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    library.asim_runtime_free(runtime)
                    raise
                # Not before: the next one must not find a queue that nobody attends to.
                self._runtime, self._thread = runtime, thread
            self._users.add()
            return self._runtime

    def release(self) -> None:
        """Give up one use; the last one ends the thread."""
        with self._lock:
            if not self._users.remove():
                return
            runtime, thread = self._runtime, self._thread
            self._runtime = self._thread = None
        _, library = _library.load()
        library.asim_wake(runtime)
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        library.asim_runtime_free(runtime)

    def add(self, served: Attended) -> int:
        """Return the number by which the library calls *served*."""
        with self._lock:
            self._last += 1
            self._served[self._last] = served
            return self._last

    def remove(self, number: int) -> None:
        """Forget a server that has ended."""
        with self._lock:
            self._served.pop(number, None)

    def is_own_thread(self) -> bool:
        """Whether the caller runs on the poller's thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def _run(self, library: Any, runtime: Any) -> None:
        while (number := library.asim_wait(runtime, _WAIT_MS)) != 0:
            served = self._served.get(number)
            if served is not None:
                served.attend()


POLLER = Poller()
