"""
Prompt caching: which part of a request was seen before, as its usage tells.

Source of the rules: https://docs.claude.com/en/docs/build-with-claude/prompt-caching. A prefix is kept for five
minutes (or an hour) after its last use, for the model and key that wrote it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from api_simulator.services.anthropic._requests import MessagesRequest

_LIFE_S = {"5m": 300.0, "1h": 3600.0}
#: Entries beyond this many are dropped, the oldest first: a server that runs for long must not grow.
MAX_ENTRIES = 1_000


class PromptCache:
    """
    The prefixes that were written.

    Args:
        min_tokens: Shorter prefixes are not cached.
    """

    def __init__(self, min_tokens: int) -> None:
        self._min_tokens = min_tokens
        # Prefix → when it is forgotten, and its life.
        self._ends_s: dict[str, tuple[float, float]] = {}

    def usage(self, request: MessagesRequest, now_s: float) -> dict[str, Any]:
        """Return the input side of the usage of *request*, and keep its prefixes."""
        marks, total = self._marks(request)
        known = [mark for mark in marks if self._ends_s.get(mark[0], (0.0, 0.0))[0] > now_s]
        read = known[-1][1] if known else 0
        written = dict.fromkeys(_LIFE_S, 0)
        before = read
        for key, tokens, life in marks:
            if tokens > read:
                written[life] += tokens - before
                before = tokens
            self._ends_s.pop(key, None)
            self._ends_s[key] = (now_s + _LIFE_S[life], _LIFE_S[life])
        while len(self._ends_s) > MAX_ENTRIES:
            del self._ends_s[next(iter(self._ends_s))]
        return {
            "input_tokens": total - read - sum(written.values()),
            "cache_creation_input_tokens": sum(written.values()),
            "cache_read_input_tokens": read,
            "cache_creation": {f"ephemeral_{life}_input_tokens": number for life, number in written.items()},
            "service_tier": "standard",
        }

    def _marks(self, request: MessagesRequest) -> tuple[list[tuple[str, int, str]], int]:
        """Return the prefixes that end at a ``cache_control``, with their tokens and lives, and all tokens."""
        # The field of the whole request marks its last part.
        whole = request.raw.get("cache_control")
        parts = list(request.parts())
        if whole is None and not any(control for _, _, control in parts):
            return [], request.input_tokens
        digest = hashlib.sha256(f"{request.key}\n{request.model}".encode())
        marks, total = [], 0
        for place, (content, tokens, control) in enumerate(parts):
            digest.update(json.dumps(content, sort_keys=True).encode())
            total += tokens
            control = control or (whole if place == len(parts) - 1 else None)
            if control is not None and total >= self._min_tokens:
                life = control.get("ttl", "5m") if isinstance(control, dict) else "5m"
                marks.append((digest.copy().hexdigest(), total, life if life in _LIFE_S else "5m"))
        return marks, total
