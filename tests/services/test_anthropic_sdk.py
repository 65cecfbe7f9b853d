"""
A tour of the ``anthropic`` SDK against the fake Messages API.

Runs with the SDK that is installed: the current line in the suite, the last 0.x line by ``make oldsdk``.
"""

from __future__ import annotations

import json

import pytest

anthropic = pytest.importorskip("anthropic", reason="the package anthropic is not installed")
from pydantic import BaseModel  # noqa: E402

from tests.libraries import either as httpx  # noqa: E402  # in both environments; the SDK itself may be on another library

MODEL = "claude-sonnet-5"
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def service(fake_service):
    return fake_service("anthropic", api_keys=("key-1",))


def sync_client(service, **options):
    # A generous deadline: what is measured is not time.
    return anthropic.Anthropic(base_url=service.url, api_key="key-1", **{"max_retries": 0, "timeout": 30, **options})


@pytest.fixture
def client(service):
    with sync_client(service) as client:
        yield client


def ask(client, text="Hello", **options):
    asked = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": text}]}
    return client.messages.create(**{**asked, **options})


# Answers


def test_an_unscripted_prompt_is_echoed(client):
    message = ask(client, "Say this back")

    assert [block.text for block in message.content] == ["Say this back"]
    assert (message.role, message.type, message.model, message.stop_reason) == (
        "assistant",
        "message",
        MODEL,
        "end_turn",
    )
    assert message.usage.input_tokens > 0
    assert message.id.startswith("msg_")


def test_a_tool_turn_and_the_answer_after_it(service, client):
    service.on_prompt("weather").tool("get_weather", {"city": "Oslo"}).then_text("It rains in Oslo.")
    messages: list[object] = [{"role": "user", "content": "How is the weather?"}]

    first = client.messages.create(model=MODEL, max_tokens=1000, tools=[WEATHER], messages=messages)
    use = first.content[0]
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "rain, 7 °C"}]},
    ]
    second = client.messages.create(model=MODEL, max_tokens=1000, tools=[WEATHER], messages=messages)

    assert (first.stop_reason, use.name, use.input) == ("tool_use", "get_weather", {"city": "Oslo"})
    assert (second.stop_reason, second.content[0].text) == ("end_turn", "It rains in Oslo.")


def test_a_function_makes_the_answer(service, client):
    service.answer_with(lambda request: f"{request.model} was asked: {request.prompt}")

    assert ask(client, "who?").content[0].text == f"{MODEL} was asked: who?"


def test_text_of_several_blocks_with_thinking_and_a_citation(service, client):
    citation = {
        "type": "char_location",
        "cited_text": "rain",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 4,
    }
    service.on_prompt("why").thinking("Let me see.", signature="c2ln").text("It rains.", citations=[citation])

    thinking, text = ask(client, "why?").content

    assert (thinking.thinking, thinking.signature) == ("Let me see.", "c2ln")
    assert text.citations[0].cited_text == "rain"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_answer_longer_than_max_tokens_is_cut(service, client, stream):
    service.on_prompt("long").text("word " * 100)
    asked = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "long"}]}

    if stream:
        with client.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**asked)

    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 10)
    assert message.content[0].text == " ".join(["word"] * 10)


def test_a_stop_sequence_ends_the_answer(service, client):
    service.on_prompt("count").text("one two STOP three")

    message = ask(client, "count", stop_sequences=["STOP"])

    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "STOP")
    assert message.content[0].text == "one two "


@pytest.mark.parametrize("reason", ["refusal", "pause_turn"])
def test_a_script_may_say_why_it_ends(service, client, reason):
    service.on_prompt("x").text("I cannot").stop(reason)

    assert ask(client, "x").stop_reason == reason


def test_an_image_goes_in_and_costs_tokens(client):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content = [image, {"type": "text", "text": "What is this?"}]

    message = ask(client, content)

    assert message.usage.input_tokens > 1_500
    assert message.content[0].text == "What is this?"


def test_structured_output_is_parsed(service, client):
    class Weather(BaseModel):
        city: str
        degrees: int

    service.on_prompt("weather").json({"city": "Oslo", "degrees": 7})

    parsed = client.messages.parse(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "weather"}], output_format=Weather
    )

    assert parsed.parsed_output == Weather(city="Oslo", degrees=7)
    assert "json_schema" in json.dumps(service.requests[0].json)


def test_the_tool_runner_runs_to_the_end(service, client):
    service.on_prompt("weather").tool("get_weather", {"city": "Oslo"}).then_text("Rain.")

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"rain in {city}"

    runner = client.beta.messages.tool_runner(
        model=MODEL, max_tokens=100, tools=[get_weather], messages=[{"role": "user", "content": "weather?"}]
    )

    assert runner.until_done().content[0].text == "Rain."
    assert "rain in Oslo" in json.dumps(service.requests[-1].json)


def test_a_thread_is_continued_once(service, client):
    """The tool runner of the current line keeps its conversation here; a second continuation is refused."""
    threads = {"anthropic-beta": "message-threads-2026-08-12"}
    service.on_prompt("one").text("first")
    service.on_prompt("two").reply(lambda request: f"{len(request.messages)} messages, system {request.raw['system']}")
    first = ask(client, "one", system="S", extra_body={"thread": {"type": "create"}}, extra_headers=threads)
    further = {"thread": {"type": "continue", "previous_message_id": first.id}}

    second = ask(client, "two", extra_body=further, extra_headers=threads)

    assert second.content[0].text == "3 messages, system S"
    with pytest.raises(anthropic.BadRequestError, match="thread_already_continued"):
        ask(client, "two", extra_body=further, extra_headers=threads)
    unknown = {"thread": {"type": "continue", "previous_message_id": "msg_none"}}
    with pytest.raises(anthropic.NotFoundError, match="thread_not_found"):
        ask(client, "two", extra_body=unknown, extra_headers=threads)


# Streams


def test_a_stream_has_every_kind_of_event(service, client):
    service.on_prompt("go").thinking("Hm.", signature="c2ln").text("On it.").tool("get_weather", {"city": "Oslo"})
    with client.messages.create(
        model=MODEL, max_tokens=100, stream=True, messages=[{"role": "user", "content": "go"}]
    ) as stream:
        events = list(stream)

    kinds = [event.type for event in events]
    deltas = {event.delta.type for event in events if event.type == "content_block_delta"}
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert set(kinds) >= {"content_block_start", "content_block_delta", "content_block_stop"}
    assert deltas == {"thinking_delta", "signature_delta", "text_delta", "input_json_delta"}


def test_the_stream_adds_up_to_the_whole_message(service, client):
    """Blocks, stop reason and token counts are the same whether the answer is streamed or not."""
    service.on_prompt("go").thinking("Hm.", signature="c2ln").text("On it, at once.").tool("f", {"a": [1, "zwei"]})
    asked = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "go"}]}

    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as events:
        text = "".join(events.text_stream)
        streamed = events.get_final_message()

    def essence(message):
        blocks = [block.model_dump(exclude_none=True) for block in message.content]
        return [{key: value for key, value in block.items() if key not in ("id", "parsed_output")} for block in blocks]

    assert text == "On it, at once."
    assert essence(streamed) == essence(whole)
    assert streamed.stop_reason == whole.stop_reason == "tool_use"
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.usage.input_tokens == whole.usage.input_tokens


def streaming(client, **options):
    asked = {"model": MODEL, "max_tokens": 99, "messages": [{"role": "user", "content": "go"}]}
    return client.messages.stream(**asked, **options)


def test_a_stream_that_breaks_raises_the_errors_type(service, client):
    service.on_prompt("go").text("never finished").break_stream(4, "overloaded")

    with streaming(client) as events, pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        events.get_final_message()


def test_a_stream_that_is_cut_is_noticed(service, client):
    service.on_prompt("go").text("never finished at all").cut(4)

    with streaming(client) as events, pytest.raises(Exception, match=r"incomplete|closed"):
        events.get_final_message()


def test_a_stream_that_stalls_runs_into_the_clients_timeout(service, client):
    service.on_prompt("go").text("never finished at all").stall(4)

    with streaming(client, timeout=0.5) as events, pytest.raises(Exception, match="timed out"):
        events.get_final_message()


# Tokens, models, raw answers


def test_tokens_are_counted_as_they_are_charged(client):
    messages = [{"role": "user", "content": "How many tokens is this, with a system prompt and a tool?"}]
    asked = {"model": MODEL, "system": "Be brief.", "tools": [WEATHER], "messages": messages}

    counted = client.messages.count_tokens(**asked).input_tokens
    message = client.messages.create(max_tokens=100, **asked)

    assert counted == message.usage.input_tokens > 20


def test_a_cached_prefix_is_written_once_and_then_read(service, client):
    system = [{"type": "text", "text": "Know this. " * 1000, "cache_control": {"type": "ephemeral"}}]

    first, second = (ask(client, f"question {number}", system=system).usage for number in (1, 2))
    service.advance(301)
    third = ask(client, "question 3", system=system).usage

    assert first.cache_creation_input_tokens > 1024
    assert (first.cache_read_input_tokens, second.cache_creation_input_tokens) == (0, 0)
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert third.cache_creation_input_tokens == first.cache_creation_input_tokens
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens


def test_models_are_listed_in_pages_and_one_by_one(client):
    listed = [model.id for model in client.models.list(limit=2)]

    assert listed == ["claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"]
    assert client.models.retrieve("claude-sonnet-5").display_name == "Claude Sonnet 5"


def test_raw_answers_have_the_request_id(client):
    raw = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "hi"}]
    )

    assert raw.headers["request-id"].startswith("req_")
    assert raw.parse().content[0].text == "hi"
    assert ask(client)._request_id.startswith("req_")


# Errors

ERRORS = [
    (400, "invalid_request", anthropic.BadRequestError),
    (401, "authentication", anthropic.AuthenticationError),
    (403, "permission", anthropic.PermissionDeniedError),
    (404, "not_found", anthropic.NotFoundError),
    (413, "request_too_large", anthropic.APIStatusError),
    (429, "rate_limit", anthropic.RateLimitError),
    (500, "api", anthropic.InternalServerError),
    (529, "overloaded", anthropic.APIStatusError),
]


@pytest.mark.parametrize(("status", "kind", "raised"), ERRORS, ids=[kind for _, kind, _ in ERRORS])
def test_each_error_has_the_documented_shape(service, client, status, kind, raised):
    service.fail_next(kind, "said so")

    with pytest.raises(raised) as caught:
        ask(client)

    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["message"] == "said so"
    assert caught.value.body["error"]["type"].startswith(kind)
    assert caught.value.request_id == caught.value.body["request_id"]


def test_a_retry_gets_through(service):
    service.on_prompt("hi").error("overloaded", times=1, headers={"retry-after-ms": "1"}).text("at last")

    with sync_client(service, max_retries=2) as client:
        message = ask(client, "hi")

    assert message.content[0].text == "at last"
    assert [request.status for request in service.requests] == [529, 200]
    assert [request.headers["x-stainless-retry-count"] for request in service.requests] == ["0", "1"]


def test_the_service_can_forbid_retries(service):
    service.fail_next("api", headers={"x-should-retry": "false"})

    with sync_client(service, max_retries=2) as client, pytest.raises(anthropic.InternalServerError):
        ask(client)

    assert len(service.requests) == 1


def test_a_slow_answer_runs_into_the_clients_timeout(service):
    service.on_prompt("hi").pace(ttft_ms=60_000).text("too late")

    with sync_client(service, timeout=0.2) as client, pytest.raises(anthropic.APITimeoutError):
        ask(client, "hi")


def test_a_wrong_key_and_an_unknown_model(service, client):
    with pytest.raises(anthropic.AuthenticationError, match=r"invalid x-api-key|Invalid bearer token"):
        ask(client.with_options(api_key="other"))
    with pytest.raises(anthropic.NotFoundError, match="model: gpt-9"):
        ask(client, model="gpt-9")


def test_rate_limits_count_down_and_say_when_to_come_back(fake_service):
    service = fake_service("anthropic", requests_per_minute=2)
    with sync_client(service) as client:
        raw = client.messages.with_raw_response
        asked = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}

        left = [raw.create(**asked).headers["anthropic-ratelimit-requests-remaining"] for _ in range(2)]
        with pytest.raises(anthropic.RateLimitError, match="2 requests per minute") as caught:
            raw.create(**asked)
        wait_s = int(caught.value.response.headers["retry-after"])
        service.advance(wait_s)
        again = raw.create(**asked)

    assert left == ["1", "0"]
    assert 0 < wait_s <= 30
    assert again.status_code == 200


# Asynchronous


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.mark.anyio
async def test_the_asynchronous_client_asks_and_streams(service):
    service.on_prompt("weather").text("It rains.")
    async with anthropic.AsyncAnthropic(base_url=service.url, api_key="key-1", max_retries=0, timeout=30) as client:
        asked = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "weather"}]}

        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as events:
            text = [piece async for piece in events.text_stream]
        counted = await client.messages.count_tokens(model=MODEL, messages=asked["messages"])
        models = [model.id async for model in client.models.list()]

    assert whole.content[0].text == "".join(text) == "It rains."
    assert len(text) == whole.usage.output_tokens
    assert counted.input_tokens == whole.usage.input_tokens
    assert "claude-sonnet-5" in models


@pytest.mark.anyio
async def test_an_asynchronous_error_is_the_same(service):
    service.fail_next("rate_limit", retry_after_s=7)

    async with anthropic.AsyncAnthropic(base_url=service.url, api_key="key-1", max_retries=0, timeout=30) as client:
        with pytest.raises(anthropic.RateLimitError) as caught:
            await client.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "hi"}])

    assert caught.value.response.headers["retry-after"] == "7"


# What clients do not send


@pytest.mark.api_simulator(strict=False)
def test_paths_and_methods_that_are_not_there_get_the_apis_error(service):
    fields = {"x-api-key": "key-1", "anthropic-version": "2023-06-01"}

    missing = httpx.post(f"{service.url}/v1/mesages", headers=fields)
    wrong = httpx.get(f"{service.url}/v1/messages", headers=fields)

    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
