"""
Message threads: the service keeps a conversation, and the client sends only what is new (a beta).

``"thread": {"type": "create"}`` keeps it under the id of the answer; ``{"type": "continue",
"previous_message_id": …}`` goes on from there, once. The current SDK's tool runner works so.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from api_simulator.services._api_errors import ApiError
from api_simulator.services.anthropic._requests import RefusedError, refuse

#: Conversations beyond this many are forgotten, the oldest first: a server that runs for long must not grow.
MAX_THREADS = 1_000
#: What a continuation takes from the thread, and must not say again.
_KEPT = ("system", "tools")


@dataclass
class _Thread:
    fields: dict[str, Any]
    messages: list[dict[str, Any]]
    continued: bool = False


class Threads:
    """The conversations that are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: dict[str, _Thread] = {}

    def expanded(self, raw: dict[str, Any]) -> dict[str, Any]:
        """
        Return the body of a request with the conversation that it continues.

        Raises:
            RefusedError: If there is no such conversation, or it was continued already.
        """
        thread = raw.get("thread")
        if not isinstance(thread, dict) or thread.get("type") != "continue":
            return raw
        repeated = [name for name in _KEPT if name in raw]
        if repeated:
            raise refuse(f"{repeated[0]}: must not be sent when a thread is continued")
        with self._lock:
            found = self._threads.get(str(thread.get("previous_message_id")))
        if found is None:
            raise _refusal("not_found", "thread_not_found", "No usable Thread state was found")
        if found.continued:
            text = "The response that `previous_message_id` names has already been continued"
            raise _refusal("invalid_request", "thread_already_continued", text)
        messages = raw.get("messages")
        return {**found.fields, **raw, "messages": [*found.messages, *(messages if isinstance(messages, list) else ())]}

    def remember(self, raw: dict[str, Any], reply_id: str, content: list[dict[str, Any]]) -> None:
        """Keep the conversation of an (expanded) request and its answer, if it asked for that."""
        thread = raw.get("thread")
        if not isinstance(thread, dict):
            return
        fields = {name: raw[name] for name in _KEPT if name in raw}
        messages = [*raw["messages"], {"role": "assistant", "content": content}]
        with self._lock:
            before = self._threads.get(str(thread.get("previous_message_id")))
            if before is not None:
                before.continued = True
            self._threads[reply_id] = _Thread(fields, messages)
            while len(self._threads) > MAX_THREADS:
                del self._threads[next(iter(self._threads))]


def _refusal(kind: Any, code: str, message: str) -> RefusedError:
    return RefusedError(ApiError(kind, message, details={"error_code": code}))
