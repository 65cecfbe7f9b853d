"""Captured requests as an engine makes them, written the way a test reads best."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from api_simulator._core.messages import CapturedRequest


def captured(
    method: str = "GET",
    target: str = "/",
    body: Any = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    **more: Any,
) -> CapturedRequest:
    """Return a request as received; a *body* that is not bytes is sent as JSON."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return CapturedRequest(
        method,
        target,
        raw_headers=[(name.encode(), value.encode("latin-1")) for name, value in pairs],
        raw_body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        **more,
    )
