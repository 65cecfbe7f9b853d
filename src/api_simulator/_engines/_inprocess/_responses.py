"""
Response specs as responses of httpx2 and httpx, for code that is given a response and no server.
"""

from __future__ import annotations

import importlib
from random import Random
from typing import Any

from api_simulator._core.actions import Close, SendBytes
from api_simulator._core.decide import decision_for
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.specs import ResponseSpec
from api_simulator._engines._inprocess._answering import whole_response
from api_simulator.errors import SpecError


def response_of(spec: ResponseSpec, library: str) -> Any:
    """Return what a client of *library* gets for *spec* in answer to a GET."""
    request = CapturedRequest("GET", "/")
    actions = decision_for(spec, request, Random(0))[0].actions
    other = [type(action).__name__ for action in actions if not isinstance(action, SendBytes | Close)]
    data = b"".join(action.data for action in actions if isinstance(action, SendBytes))
    response = None if other else whole_response(importlib.import_module(library), data)
    if response is None:
        raise SpecError(
            f"{spec}: a delay, a pause, a fault or a source of pieces is something that happens, and no response "
            "holds it; give the client transport=server.transport() instead"
        )
    response.read()
    return response
