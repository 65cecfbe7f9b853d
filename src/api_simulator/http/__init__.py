"""
A mock HTTP server on a real port: routes, sequences, streams, faults, captured requests, verification.

Everything public of the HTTP side is an attribute of this module. Importing it starts nothing and
imports no third-party package; an engine is loaded when a server starts, a library of an extra when
the condition that needs it is made.
"""

from __future__ import annotations

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
from api_simulator._engines.connect_faults import ConnectFault, RefusedPort, SilentPort, UnansweredPort
from api_simulator.http._builder import PendingRoute
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
from api_simulator.http._server import MockHttpServer, ServerUrl
from api_simulator.http._soft import soft_checks

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
