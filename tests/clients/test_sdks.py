"""SDKs of Anthropic and OpenAI, with clients of their own, are answered in the process: retries, streams, timeouts."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest

from api_simulator.http import MockHttpServer, ResponseSpec

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
COMPLETION = {
    "id": "c_1",
    "object": "chat.completion",
    "created": 0,
    "model": "gpt-x",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}
TURN: list[Any] = [{"role": "user", "content": "hi"}]
# The SDKs honour it in milliseconds, so that a retry costs a test none of its time.
AGAIN = [("retry-after-ms", "1")]


def test_anthropic_retries_and_is_answered(mock_http_server: MockHttpServer) -> None:
    route = mock_http_server.post("/v1/messages").sequence(
        ResponseSpec(529, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, AGAIN),
        ResponseSpec(200, MESSAGE),
    )

    with mock_http_server.intercept("https://api.anthropic.com"):
        client = anthropic.Anthropic(api_key="key")
        message = client.messages.create(model="claude-x", max_tokens=10, messages=TURN)

    assert message.content[0].text == "hello"  # type: ignore[union-attr]
    assert [request.json["max_tokens"] for request in route.requests] == [10, 10]


def test_anthropic_on_a_loop_runs_into_its_own_timeout(mock_http_server: MockHttpServer) -> None:
    mock_http_server.post("/v1/messages").delay(60_000).json(MESSAGE)

    async def ask() -> None:
        async with anthropic.AsyncAnthropic(api_key="key", max_retries=0, timeout=0.1) as client:
            await client.messages.create(model="claude-x", max_tokens=10, messages=TURN)

    with mock_http_server.intercept("https://api.anthropic.com"), pytest.raises(anthropic.APITimeoutError):
        asyncio.run(ask())


def test_openai_retries_after_a_reset_and_is_answered(mock_http_server: MockHttpServer) -> None:
    mock_http_server.post("/v1/chat/completions").json(COMPLETION).fault("CONNECTION_RESET_BY_PEER", on=1)

    with mock_http_server.intercept("https://api.openai.com"):
        client = openai.OpenAI(api_key="key")
        completion = client.chat.completions.create(model="gpt-x", messages=TURN)

    assert completion.choices[0].message.content == "hello"
    assert mock_http_server.request_count("POST", "/v1/chat/completions") == 2


def test_openai_streams(mock_http_server: MockHttpServer) -> None:
    pieces = [
        {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt-x", "choices": [choice]}
        for choice in (
            {"index": 0, "delta": {"content": "hel"}, "finish_reason": None},
            {"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"},
        )
    ]
    mock_http_server.post("/v1/chat/completions").sse(*({"data": piece} for piece in pieces), "[DONE]", every_ms=5)

    with mock_http_server.intercept("https://api.openai.com"):
        stream = openai.OpenAI(api_key="key").chat.completions.create(model="gpt-x", messages=TURN, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert text == "hello"
