"""
A mock HTTP server on a real port: routes, sequences, streams, faults, captured requests, verification.

Everything public of the HTTP side is an attribute of this module. Importing it starts nothing and
imports no third-party package; an engine is loaded when a server starts, a library of an extra when
the condition that needs it is made. What many tests never use is loaded when it is: conditions on
requests and ports that fail were a fifth of the time to the first server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from api_simulator._core.conditions import Condition
from api_simulator._core.connections import ConnectionStats
from api_simulator._core.delays import Delay, LogNormal, Normal, Uniform
from api_simulator._core.faults import Fault, Stalled, Truncated, WrongLength
from api_simulator._core.gates import Gate
from api_simulator._core.messages import CapturedRequest, Cookies, Headers, MalformedRequest, Query
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.routes import Route
from api_simulator._core.specs import Pace, ResponseSpec
from api_simulator._core.streams import ServerSentEvent, chunks, file, ndjson, sse, stream
from api_simulator._core.verify import Expectation, NearMiss, Problem, VerificationReport
from api_simulator.http._builder import PendingRoute
from api_simulator.http._server import MockHttpServer, ServerUrl

if TYPE_CHECKING:
    from api_simulator._engines.connect_faults import ConnectFault, RefusedPort, SilentPort, UnansweredPort
    from api_simulator.http._conditions import (
        ABSENT,
        basic_auth,
        bearer,
        body,
        contains,
        cookie,
        form,
        glob,
        header,
        json_body,
        json_path,
        json_schema,
        multipart,
        path_regex,
        query,
        regex,
        where,
    )
    from api_simulator.http._soft import soft_checks

_CONDITIONS = "api_simulator.http._conditions"
_CONNECT_FAULTS = "api_simulator._engines.connect_faults"
_HOMES = {
    "ABSENT": _CONDITIONS,
    "basic_auth": _CONDITIONS,
    "bearer": _CONDITIONS,
    "body": _CONDITIONS,
    "contains": _CONDITIONS,
    "cookie": _CONDITIONS,
    "form": _CONDITIONS,
    "glob": _CONDITIONS,
    "header": _CONDITIONS,
    "json_body": _CONDITIONS,
    "json_path": _CONDITIONS,
    "json_schema": _CONDITIONS,
    "multipart": _CONDITIONS,
    "path_regex": _CONDITIONS,
    "query": _CONDITIONS,
    "regex": _CONDITIONS,
    "where": _CONDITIONS,
    "ConnectFault": _CONNECT_FAULTS,
    "RefusedPort": _CONNECT_FAULTS,
    "SilentPort": _CONNECT_FAULTS,
    "UnansweredPort": _CONNECT_FAULTS,
    "soft_checks": "api_simulator.http._soft",
}

#: The name in use; ``ResponseSpec`` is the same class.
MockResponseSpec = ResponseSpec

# Values that read as words where they are used: delay_ms=uniform(50, 100), fault=truncated(10).
uniform, normal, log_normal = Uniform, Normal, LogNormal
truncated, wrong_length, stalled = Truncated, WrongLength, Stalled

__all__ = [
    "ABSENT",
    "CapturedRequest",
    "Condition",
    "ConnectFault",
    "ConnectionStats",
    "Cookies",
    "Delay",
    "Expectation",
    "Fault",
    "Gate",
    "Headers",
    "MalformedRequest",
    "MockHttpServer",
    "MockResponseSpec",
    "MountedRoute",
    "NearMiss",
    "Pace",
    "PendingRoute",
    "Problem",
    "Query",
    "RefusedPort",
    "ResponseSpec",
    "Route",
    "ServerSentEvent",
    "ServerUrl",
    "SilentPort",
    "UnansweredPort",
    "VerificationReport",
    "basic_auth",
    "bearer",
    "body",
    "chunks",
    "contains",
    "cookie",
    "file",
    "form",
    "glob",
    "header",
    "json_body",
    "json_path",
    "json_schema",
    "log_normal",
    "multipart",
    "ndjson",
    "normal",
    "path_regex",
    "query",
    "regex",
    "soft_checks",
    "sse",
    "stalled",
    "stream",
    "truncated",
    "uniform",
    "where",
    "wrong_length",
]


def __getattr__(name: str) -> Any:
    """Import the module that has *name*, and keep it here."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'api_simulator.http' has no attribute {name!r}")
    globals()[name] = found = getattr(importlib.import_module(home), name)
    return found


def __dir__() -> list[str]:
    """List the public names too that are not loaded yet."""
    return sorted({*globals(), *__all__})
