"""
What ``api-simulator serve`` says while it runs, on standard error: a line for each event, as text or as JSON.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import sys
import time
from typing import Any

from api_simulator.hookspecs import hookimpl
from api_simulator.http import CapturedRequest


class Logs:
    """
    Lines on standard error, written by a thread of their own: a reader that is slow must not slow down the server.

    Args:
        as_json: Whether each line is a JSON object.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._logger = logging.Logger("api_simulator.serve")
        lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._logger.addHandler(logging.handlers.QueueHandler(lines))
        self._listener = logging.handlers.QueueListener(lines, logging.StreamHandler(sys.stderr))
        self._listener.start()

    def say(self, event: str, **facts: object) -> None:
        """Write a line."""
        if self._as_json:
            line = json.dumps({"at": round(time.time(), 3), "event": event, **facts})
        else:
            line = " ".join([event, *(f"{name}={fact}" for name, fact in facts.items())])
        self._logger.info("%s", line)

    @hookimpl
    def api_simulator_request_done(self, server: str, request: CapturedRequest) -> None:
        """Write a line for a request that is over; those of the admin API are not told."""
        if server == "admin":
            return
        end_ns = request.answered_ns or request.aborted_ns or request.received_ns
        self.say(
            "request",
            method=request.method,
            target=request.raw_target,
            status=request.status,
            ms=round((end_ns - request.received_ns) / 1e6, 1),
            bytes_in=len(request.raw_body),
            **({"matched": False} if request.route is None else {}),
            **({"aborted": True} if request.aborted else {}),
        )

    def close(self) -> None:
        """Write what is left."""
        self._listener.stop()
