"""The fake Messages API on the wire: what it refuses and how, what a stream looks like, scripts, pace, limits."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pytest

from api_simulator.errors import OptionError
from api_simulator.services.anthropic._content import Message, Text, ToolUse
from api_simulator.services.anthropic._limits import Limits
from api_simulator.services.anthropic._pace import grouped
from api_simulator.services.anthropic._tokens import count, pieces
from tests.libraries import either as httpx
from tests.libraries import needs_either

FIELDS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
GOOD: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def service(fake_service):
    return fake_service("anthropic")


def post(service, body, path="/v1/messages", **fields):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{service.url}{path}", content=content, headers={**FIELDS, **fields}, timeout=30)


def user(*blocks):
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def image(**source):
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk=", **source}}


USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}

REFUSED = [
    (b"", "not valid JSON"),
    (b"\xff\xfe{}", "not valid JSON"),
    (b"[]", "Input should be a valid dictionary"),
    ({"model": None}, "model: Input should be a valid string"),
    ({"max_tokens": ...}, "max_tokens: Field required"),
    ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    ({"max_tokens": 10**6}, "max_tokens: 1000000 > 128000, which is the maximum"),
    ({"messages": ...}, "messages: Field required"),
    ({"messages": {}}, "messages: Input should be a valid list"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"messages": ["hi"]}, "messages.0: Input should be a valid dictionary"),
    ({"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages.0: user messages must have non-empty content"),
    (user({"type": "text", "text": ""}), "text content blocks must be non-empty"),
    (user({"text": "x"}), "messages.0.content.0.type: Field required"),
    (user({"type": "video"}), "messages.0.content.0: Input tag 'video' found using 'type' does not match"),
    (user(image(media_type="image/bmp")), "messages.0.content.0.image.source.base64.media_type: Input should be"),
    (user(image(data="%%%")), "messages.0.content.0.image.source.base64.data: Invalid base64 data"),
    (user({"type": "tool_result", "tool_use_id": "toolu_9"}), "unexpected `tool_use_id` found"),
    (
        {"messages": [*GOOD["messages"], {"role": "assistant", "content": [USE]}, {"role": "user", "content": "?"}]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
    ),
    ({"temperature": 2}, "temperature: range: 0..1"),
    ({"temperature": "hot"}, "temperature: Input should be a valid number"),
    ({"stream": "yes"}, "stream: Input should be a valid boolean"),
    ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
    ({"system": 5}, "system: Input should be a valid list"),
    ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
    ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found in provided tools"),
    ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "`max_tokens` must be greater than"),
    ({"temprature": 1}, "temprature: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message[:50] for _, message in REFUSED])
def test_bad_input_gets_the_apis_error(service, change, message):
    body = change
    if isinstance(change, dict):
        body = {key: value for key, value in {**GOOD, **change}.items() if value is not ...}

    answer = post(service, body)

    assert answer.status_code == 400
    error = answer.json()
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert message in error["error"]["message"]
    assert error["request_id"] == answer.headers["request-id"]


def test_a_beta_may_bring_fields_that_are_not_known(service):
    assert post(service, {**GOOD, "brand_new": 1}, **{"anthropic-beta": "brand-new-2026"}).status_code == 200


@pytest.mark.parametrize(
    ("missing", "status", "message"),
    [("x-api-key", 401, "x-api-key header is required"), ("anthropic-version", 400, "anthropic-version: header")],
)
def test_the_fields_that_every_request_needs(service, missing, status, message):
    fields = {name: value for name, value in FIELDS.items() if name != missing}

    answer = httpx.post(f"{service.url}/v1/messages", json=GOOD, headers=fields)

    assert (answer.status_code, message in answer.json()["error"]["message"]) == (status, True)


def test_too_long_a_prompt_and_too_large_a_body(fake_service):
    service = fake_service("anthropic", context_tokens=100)

    too_long = post(service, {**GOOD, "messages": [{"role": "user", "content": "word " * 200}]})
    too_large = post(service, b"x" * (32 * 1024 * 1024 + 1))

    assert re.fullmatch(r"prompt is too long: \d+ tokens > 100 maximum", too_long.json()["error"]["message"])
    assert (too_large.status_code, too_large.json()["error"]["type"]) == (413, "request_too_large")


# Streams


def test_a_stream_on_the_wire(service):
    service.on_prompt("hi").text("Hello, you.")

    answer = post(service, {**GOOD, "stream": True})

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = [event.split("\n") for event in answer.text.strip().split("\n\n")]
    names = [name.removeprefix("event: ") for name, _ in events]
    data = [json.loads(line.removeprefix("data: ")) for _, line in events]
    assert names == [each["type"] for each in data]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    deltas = [each["delta"]["text"] for each in data if each["type"] == "content_block_delta"]
    assert "".join(deltas) == "Hello, you."
    assert data[-2]["usage"]["output_tokens"] == len(deltas)


def test_each_piece_but_the_first_begins_with_a_token():
    """So that a stream moves one token at a time, and what is no token does not wait."""
    message = Message("msg_1", "m", [Text("one two"), ToolUse("f", {"a": 1}, "toolu_1")], "tool_use")

    made = list(grouped(message.events()))

    assert b"".join(made) == b"".join(grouped(message.events()))
    assert len(made) == message.output_tokens
    assert made[0].startswith(b"event: message_start")
    assert all(piece.startswith(b"event: content_block_delta") for piece in made[1:])
    assert made[-1].endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize("text", ["", " ", "Plain words, here.", "  two  spaces ", "naïve 日本語 🙂!", "a\n\nb\t"])
def test_tokens_joined_are_the_text(text):
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) == count(text)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_an_answer_takes_as_long_as_its_tokens(fake_service, stream):
    """Never shorter than the time to the first token and one gap for each further token."""
    service = fake_service("anthropic", ttft_ms=50, tokens_per_s=100)
    service.on_prompt("hi").text("word " * 20)

    begin = time.monotonic()
    post(service, {**GOOD, "stream": stream})
    took_s = time.monotonic() - begin

    assert took_s >= 0.05 + 19 * 0.01


def test_the_first_token_comes_before_the_last_is_due(fake_service):
    """A stream is a stream: its first piece is there while the rest is far away."""
    service = fake_service("anthropic", tokens_per_s=0.01)
    service.on_prompt("hi").text("one two three")

    with httpx.stream(
        "POST", f"{service.url}/v1/messages", json={**GOOD, "stream": True}, headers=FIELDS, timeout=30
    ) as answer:
        first = next(answer.iter_raw())

    assert b"text_delta" in first
    assert b"message_stop" not in first


# Scripts


def test_the_script_begun_last_wins(service):
    service.on_prompt("hi").text("one")
    service.on_prompt(re.compile("^h.$")).text("two")

    assert post(service, GOOD).json()["content"][0]["text"] == "two"


def test_a_retry_gets_the_same_turn(service):
    """The turn follows from the conversation and not from a count, so a client that asks again loses nothing."""
    service.on_prompt("hi").text("first").then_text("second")

    answers = [post(service, GOOD).json()["content"][0]["text"] for _ in range(2)]

    assert answers == ["first", "first"]


def test_the_last_turn_repeats(service):
    service.on_prompt("hi").tool("f").then_tool("g")
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
    messages = [*GOOD["messages"]]
    for _ in range(3):
        messages += [{"role": "assistant", "content": [USE]}, {"role": "user", "content": [result]}]

    assert post(service, {**GOOD, "messages": messages}).json()["content"][0]["name"] == "g"


@needs_either
def test_conversations_at_the_same_time_do_not_disturb_each_other(service):
    service.answer_with(lambda request: f"to {request.prompt}")
    answers = {}

    def ask(number):
        body = {**GOOD, "messages": [{"role": "user", "content": f"person {number}"}]}
        answers[number] = post(service, body).json()["content"][0]["text"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers == {number: f"to person {number}" for number in range(20)}
    assert sorted(service.prompts) == sorted(f"person {number}" for number in range(20))


@pytest.mark.parametrize(
    ("say", "complaint"),
    [
        (lambda service: service.on_prompt(5), "on_prompt: expected text"),
        (lambda service: service.on_prompt("x").text(""), "text: expected text that is not empty"),
        (lambda service: service.on_prompt("x").tool("f", [1]), r"the input of 'f' is a dict, got \[1\]"),
        (lambda service: service.on_prompt("x").then(), "this turn says nothing yet"),
        (lambda service: service.on_prompt("x").stop("done"), "expected one of end_turn"),
        (lambda service: service.on_prompt("x").error("overlaoded"), "did you mean 'overloaded'"),
        (lambda service: service.on_prompt("x").error(418), "there is no 418"),
        (lambda service: service.on_prompt("x").error(429, times=0), "times is a whole number, 1 or more"),
        (lambda service: service.on_prompt("x").text("a").reply(len), "has its answer already"),
        (lambda service: service.on_prompt("x").reply("text"), "expected a function"),
        (lambda service: service.on_prompt("x").cut(-1), "after_events is a whole number, 0 or more"),
        (lambda service: service.on_prompt("x").block({"text": "x"}), "expected a dict of the API with a type"),
        (lambda service: service.fail_next("rate_limit", retry_after_s=1.5), "retry_after_s: expected whole seconds"),
    ],
)
def test_a_script_that_cannot_work_is_refused_where_it_is_written(service, say, complaint):
    with pytest.raises(OptionError, match=complaint):
        say(service)


# Limits


def test_limits_count_requests_and_tokens_and_refill():
    limits = Limits(requests=60, input_tokens=1000, output_tokens=100)

    first = limits.admit(0.0, 900)
    beyond = limits.admit(0.0, 200)
    after = limits.admit(float(beyond.retry_after_s), 200)
    limits.spend_output(500)
    spent = limits.admit(20.0, 1)

    assert (first.beyond, beyond.beyond, after.beyond, spent.beyond) == (None, "input-tokens", None, "output-tokens")
    assert beyond.retry_after_s == 6
    fields = dict(first.headers)
    assert fields["anthropic-ratelimit-requests-remaining"] == "59"
    assert fields["anthropic-ratelimit-input-tokens-remaining"] == "100"
    assert fields["anthropic-ratelimit-requests-reset"] == "1970-01-01T00:00:01Z"
    assert spent.retry_after_s == 227, "(500 - 100 + 1) tokens at 100 a minute, 14 seconds of which have passed"


def test_limits_are_counted_apart_for_each_key(fake_service):
    service = fake_service("anthropic", requests_per_minute=1)

    statuses = [post(service, GOOD, **{"x-api-key": key}).status_code for key in ("a", "a", "b")]

    assert statuses == [200, 429, 200]
