"""
A mock HTTP server on a real port: routes, sequences, captured requests, failures that explain themselves.

Everything public of the HTTP side is an attribute of this module. Importing it starts nothing and
imports no third-party package; an engine is loaded when a server starts.
"""

from __future__ import annotations

from api_simulator._core.messages import CapturedRequest, Headers, MalformedRequest, Query
from api_simulator._core.patterns import Condition
from api_simulator._core.routes import MountedRoute, Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.verify import Expectation, NearMiss, Problem, VerificationReport
from api_simulator.http._conditions import header, json_body, query, where
from api_simulator.http._server import MockHttpServer, ServerUrl

#: The name in use; ``ResponseSpec`` is the same class.
MockResponseSpec = ResponseSpec

__all__ = [
    "CapturedRequest",
    "Condition",
    "Expectation",
    "Headers",
    "MalformedRequest",
    "MockHttpServer",
    "MockResponseSpec",
    "MountedRoute",
    "NearMiss",
    "Problem",
    "Query",
    "ResponseSpec",
    "Route",
    "ServerUrl",
    "VerificationReport",
    "header",
    "json_body",
    "query",
    "where",
]
