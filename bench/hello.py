"""The application that uvicorn serves as a peer: one answer, whatever is asked."""

from __future__ import annotations

import json
from typing import Any

from bench.serve import BODY

_ANSWER = json.dumps(BODY).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer as ASGI wants it."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _ANSWER})
