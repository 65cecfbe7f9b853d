"""
The public HTTP API as a typed user writes it. Never run: mypy reads it, and ``test_typing.py`` asks mypy.

Right uses assert the type they have. Wrong ones carry the error they must get; mypy complains
about an ignore that is not needed, so that each of them is a claim too.
"""

from collections.abc import Callable, Mapping
from typing import Any, assert_type

from api_simulator.http import (
    CapturedRequest,
    Condition,
    Headers,
    MalformedRequest,
    MockHttpServer,
    MockResponseSpec,
    MountedRoute,
    Query,
    ResponseSpec,
    ServerUrl,
    VerificationReport,
    header,
    json_body,
    query,
    where,
)
from api_simulator.services import FakeServices
from api_simulator.services.anthropic import AnthropicService, PromptScript
from api_simulator.services.claude_quota import ClaudeQuotaService


def address(server: MockHttpServer) -> None:
    assert_type(server.url, ServerUrl)
    assert_type(server.url(), str)
    assert_type(server.url("/a"), str)
    as_text: str = server.url
    assert_type(as_text + "/a", str)
    assert_type(server.port, int)
    server.url = "http://elsewhere"  # type: ignore[misc, assignment]


def life() -> None:
    with MockHttpServer(port=0, strict=False, name="quota") as server:
        assert_type(server, MockHttpServer)
    assert_type(MockHttpServer().start(), MockHttpServer)
    MockHttpServer(port="80")  # type: ignore[arg-type]
    MockHttpServer("aiohttp", "127.0.0.1", 0, False)  # type: ignore[call-arg]


async def async_life() -> None:
    async with MockHttpServer() as server:
        assert_type(server, MockHttpServer)
        assert_type(await server.wait_for_requests_async(1), list[CapturedRequest])


def plain(request: CapturedRequest) -> ResponseSpec:
    return ResponseSpec(body=request.path_params["id"])


async def asynchronous(request: CapturedRequest) -> ResponseSpec:
    return ResponseSpec()


def registration(server: MockHttpServer) -> None:
    assert_type(server.register("GET", "/", MockResponseSpec(status=200, body={"a": [1]})), MountedRoute)
    assert_type(server.register("GET", "/", json={"a": 1}, status=201, delay_seconds=0.5, headers={}), MountedRoute)
    assert_type(server.register("GET", "/{id}", plain, when=header("x") & query({"a": "1"})), MountedRoute)
    assert_type(server.register("GET", "/", asynchronous).expect(at_least=1), MountedRoute)
    assert_type(server.register_sequence("GET", "/", [ResponseSpec(429), ResponseSpec()], then="cycle"), MountedRoute)
    assert_type(server.register_sequence("GET", "/", responses=[{"json": 1}, {"status": 500}]), MountedRoute)
    server.register(b"GET", "/", ResponseSpec())  # type: ignore[arg-type]
    server.register("GET", "/", 404)  # type: ignore[arg-type]
    server.register("GET", "/", ResponseSpec(), header("x"))  # type: ignore[call-arg]
    server.register("GET", "/", ResponseSpec(), when=lambda request: True)  # type: ignore[arg-type]
    server.register_sequence("GET", "/", [ResponseSpec()], then="stop")  # type: ignore[arg-type]


def specs() -> None:
    ResponseSpec(200, "text", {"X": "1", "Y": 2}, 5, reason="Fine")
    ResponseSpec(200, b"bytes", [("X", "1"), ("X", "2")])
    ResponseSpec("200")  # type: ignore[arg-type]
    ResponseSpec(delay_ms=0.5)  # type: ignore[arg-type]
    ResponseSpec(headers="X: 1")  # type: ignore[arg-type]
    ResponseSpec(200, None, None, 0, "Fine")  # type: ignore[call-arg]


def conditions() -> None:
    assert_type(query({"a": ["1", "2"]}, exact=True), Condition)
    assert_type(query([("a", "1")]), Condition)
    assert_type(json_body({"a": 1}, partial=True), Condition)
    assert_type(where(lambda request: request.json), Condition)
    query({"a": 1})  # type: ignore[arg-type]
    header("x", 1)  # type: ignore[arg-type]


def requests(server: MockHttpServer) -> None:
    requests = server.get_requests("GET", "/a")
    assert_type(requests, list[CapturedRequest])
    request = requests[0]
    as_mapping: Mapping[str, Any] = request
    assert_type(as_mapping["headers"], Any)
    assert_type(request.headers, Headers)
    assert_type(request.headers["authorization"], str)
    assert_type(request.headers.get("authorization"), str | None)
    assert_type(request.headers.getall("accept"), list[str])
    assert_type(request.query, Query)
    assert_type(request.body, bytes)
    assert_type(request.text, str)
    assert_type(request.json, Any)
    assert_type(request.method, str)
    assert_type(request.status, int | None)
    assert_type(request.received_at, float)
    assert_type(request.route, MountedRoute | None)
    assert_type(server.request_count(path="/a"), int)
    assert_type(server.wait_for_requests(2, timeout_s=1), list[CapturedRequest])
    assert_type(server.unmatched, list[CapturedRequest])
    assert_type(server.malformed, list[MalformedRequest])
    request["x"] = 1  # type: ignore[index]
    server.wait_for_requests(2, 1.0, "GET")  # type: ignore[call-arg]


def verdicts(server: MockHttpServer, mounted: MountedRoute) -> None:
    assert_type(server.verdict(), VerificationReport)
    assert_type(server.verdict().ok, bool)
    assert_type(mounted.call_count, int)
    assert_type(mounted.requests, list[CapturedRequest])
    mounted.expect("twice")  # type: ignore[arg-type]


def factory(mock_http_server_factory: Callable[..., MockHttpServer]) -> None:
    with mock_http_server_factory(port=0) as server:
        assert_type(server, MockHttpServer)


def services(fake_service: FakeServices) -> None:
    anthropic = fake_service("anthropic", tokens_per_s=50)
    assert_type(anthropic, AnthropicService)
    assert_type(anthropic.on_prompt("x").tool("f", {}).then_text("y"), PromptScript)
    assert_type(anthropic.requests, list[CapturedRequest])
    assert_type(fake_service("claude_quota"), ClaudeQuotaService)
    assert_type(fake_service("some_plugin"), Any)
    anthropic.fail_next("overlaoded")  # type: ignore[arg-type]
