"""
The fake Messages API as a service: routes, keys, limits, and which script answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from api_simulator._core.delays import DelayInput, Uniform
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.specs import HeaderInput, HeaderPairs, ResponseSpec
from api_simulator._core.streams import EventStream, ServerSentEvent
from api_simulator.errors import OptionError
from api_simulator.services._api_errors import ApiError, ErrorKind, NextAnswers, api_error
from api_simulator.services._service import Service
from api_simulator.services.anthropic._cache import PromptCache
from api_simulator.services.anthropic._content import Block, Event, Message, Text, ToolUse, encoded
from api_simulator.services.anthropic._limits import Limits
from api_simulator.services.anthropic._models import DEFAULT_MODELS, is_known, model_info, model_page
from api_simulator.services.anthropic._pace import StalledStream, TokenPace, TokenStream, before
from api_simulator.services.anthropic._requests import MessagesRequest, RefusedError, read_object, read_request
from api_simulator.services.anthropic._script import Match, PromptScript, Responder, Turn, blocks_from
from api_simulator.services.anthropic._threads import Threads
from api_simulator.services.anthropic._tokens import pieces

#: Limits of more keys are forgotten, the oldest first: a server that runs for long must not grow.
MAX_KEYS = 1_000


@dataclass(frozen=True, kw_only=True)
class AnthropicSettings:
    """
    How the service behaves.

    Attributes:
        api_keys: What it accepts as ``x-api-key`` or bearer token; None accepts anything that is there.

        models: The models it has; None has every name that begins with ``claude-``, and lists three.

        context_tokens: Longer prompts are refused.

        ttft_ms: From the end of the request to the first token.

        tokens_per_s: Rate of a stream, and of an answer that is waited for as a whole; None sends it at once.

        jitter: By which share of its mean a gap between tokens may differ, 0 to 1, drawn from the server's seed.

        requests_per_minute: Per key; None: no limit and no headers that tell of one.

        input_tokens_per_minute: Per key.

        output_tokens_per_minute: Per key.

        min_cache_tokens: Shorter prefixes are not cached.
    """

    api_keys: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    context_tokens: int = 200_000
    ttft_ms: int = 0
    tokens_per_s: float | None = None
    jitter: float = 0.0
    requests_per_minute: int | None = None
    input_tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None
    min_cache_tokens: int = 1024

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute", "tokens_per_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(f"the service 'anthropic': {name} is above 0, got {value!r}")
        if self.ttft_ms < 0 or not 0 <= self.jitter <= 1:
            raise OptionError(
                "the service 'anthropic': ttft_ms is 0 or more, jitter from 0 to 1; "
                f"got ttft_ms={self.ttft_ms!r}, jitter={self.jitter!r}"
            )


class AnthropicService(Service[AnthropicSettings]):
    """
    A fake of Anthropic's Messages API. A prompt that no script is for is echoed.

    Example:
        >>> from api_simulator.http import MockHttpServer
        >>> with MockHttpServer() as server:
        ...     service = AnthropicService(server, tokens_per_s=50)
        ...     script = service.on_prompt("weather").tool("get_weather", {"city": "Oslo"}).then_text("Rain.")
    """

    name: ClassVar[str] = "anthropic"
    settings_type: ClassVar[type[Any]] = AnthropicSettings

    def begin(self) -> None:
        """Begin without scripts, with full limits and an empty cache."""
        self._scripts: list[PromptScript] = []
        self._failures = NextAnswers()
        self._limits: dict[str, Limits] = {}
        self._cache = PromptCache(self.settings.min_cache_tokens)
        self._threads = Threads()
        self._numbers = {"req": 0, "msg": 0, "toolu": 0}

    def mount(self) -> None:
        """Register the endpoints."""
        self.register("POST", "/v1/messages", self._guarded(self._messages))
        self.register("POST", "/v1/messages/count_tokens", self._guarded(self._count_tokens))
        self.register("GET", "/v1/models", self._guarded(self._list_models))
        self.register("GET", "/v1/models/{model}", self._guarded(self._one_model))

    # What tests say

    def on_prompt(self, match: Match) -> PromptScript:
        """
        Begin the answers to prompts of one kind; the script begun last wins among those that match.

        Args:
            match: Text that the prompt contains, a compiled expression that is found in it, or a function of the
                :class:`MessagesRequest`. The prompt is the last message that a person wrote.
        """
        script = PromptScript(match)
        with self.lock:
            self._scripts.append(script)
        return script

    def answer_with(self, responder: Responder) -> PromptScript:
        """Answer every request with what a function of the :class:`MessagesRequest` returns."""
        return self.on_prompt(lambda _: True).reply(responder)

    def fail_next(
        self,
        kind: ErrorKind | int,
        message: str = "",
        *,
        times: int = 1,
        retry_after_s: int | None = None,
        headers: HeaderInput | None = None,
        delay_ms: DelayInput = 0,
    ) -> None:
        """
        Let the next requests to ``/v1/messages`` fail, whatever they ask.

        Args:
            kind: ``overloaded``, ``rate_limit`` … or a status.

            message: The error's text; empty for the usual one.

            times: How many requests.

            retry_after_s: Sent as ``retry-after``.

            headers: Further fields, for instance ``{"x-should-retry": "false"}``.

            delay_ms: Waited before the answer.

        Raises:
            OptionError: If there is no such error, or a number makes no sense.
        """
        error = api_error(kind, message, retry_after_s=retry_after_s, headers=headers, delay_ms=delay_ms)
        self._failures.add(error, times)

    @property
    def prompts(self) -> list[str]:
        """The prompts of the requests to ``/v1/messages`` since the last reset."""
        asked = [request for request in self.requests if request.path == "/v1/messages"]
        return [MessagesRequest(request.json).prompt for request in asked if request.status == 200]

    # Endpoints

    def _messages(self, request: CapturedRequest, key: str) -> ResponseSpec:
        raw = self._threads.expanded(read_object(request.body))
        asked = read_request(raw, betas=_betas(request), key=key)
        self._check(asked)
        headers, usage = self._admit(asked)
        turn, error = self._turn(asked)
        error = self._failures.take() or error
        if error is not None:
            raise RefusedError(replace(error, headers=(*error.headers, *headers)))
        message = self._message(asked, turn, usage)
        self._threads.remember(asked.raw, message.id, [block.body() for block in message.blocks])
        with self.lock:
            self._limits_of(asked.key).spend_output(message.output_tokens)
        return self._streamed(message, turn, headers) if asked.stream else self._whole(message, turn, headers)

    def _count_tokens(self, request: CapturedRequest, key: str) -> ResponseSpec:
        asked = read_request(read_object(request.body), betas=_betas(request), key=key, counts_only=True)
        self._check_model(asked.model)
        return self._spec(ResponseSpec(200, {"input_tokens": asked.input_tokens}))

    def _list_models(self, request: CapturedRequest, _key: str) -> ResponseSpec:
        return self._spec(ResponseSpec(200, model_page(self.settings.models or DEFAULT_MODELS, request.query)))

    def _one_model(self, request: CapturedRequest, _key: str) -> ResponseSpec:
        model = request.path_params["model"]
        self._check_model(model)
        return self._spec(ResponseSpec(200, model_info(model)))

    def answer_unmatched(self, request: CapturedRequest) -> ResponseSpec | None:
        """Answer other methods and paths below ``/v1/`` as the real API does."""
        if not request.path.startswith("/v1/"):
            return None
        allowed = {"/v1/messages": "POST", "/v1/messages/count_tokens": "POST", "/v1/models": "GET"}.get(request.path)
        if allowed is None:
            return ApiError("not_found").spec(self._id("req"))
        body = ApiError("invalid_request", "Method Not Allowed").body(self._id("req"))
        return ResponseSpec(405, body, {"allow": allowed})

    # What comes before the answer

    def _guarded(self, answer: Any) -> Any:
        """Return a responder that checks the key first, and turns a refusal into the API's error."""

        def respond(request: CapturedRequest) -> ResponseSpec:
            try:
                found: ResponseSpec = answer(request, self._key_of(request))
            except RefusedError as refused:
                request_id = self._id("req")
                found = refused.error.spec(request_id, (("request-id", request_id),))
            return found

        return respond

    def _key_of(self, request: CapturedRequest) -> str:
        key = request.headers.get("x-api-key")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = token if scheme.lower() == "bearer" else ""
        if not key and not bearer:
            raise RefusedError(ApiError("authentication", "x-api-key header is required"))
        accepted = self.settings.api_keys
        if accepted is not None and key not in accepted and bearer not in accepted:
            raise RefusedError(ApiError("authentication", "invalid x-api-key" if key else "Invalid bearer token"))
        if "anthropic-version" not in request.headers:
            raise RefusedError(ApiError("invalid_request", "anthropic-version: header is required"))
        return key or bearer

    def _check(self, asked: MessagesRequest) -> None:
        self._check_model(asked.model)
        if asked.max_tokens > (most := model_info(asked.model)["max_tokens"]):
            text = f"max_tokens: {asked.max_tokens} > {most}, which is the maximum allowed number of output tokens"
            raise RefusedError(ApiError("invalid_request", f"{text} for {asked.model}"))
        if asked.input_tokens > self.settings.context_tokens:
            text = f"prompt is too long: {asked.input_tokens} tokens > {self.settings.context_tokens} maximum"
            raise RefusedError(ApiError("invalid_request", text))

    def _check_model(self, model: str) -> None:
        if not is_known(model, self.settings.models):
            raise RefusedError(ApiError("not_found", f"model: {model}"))

    def _admit(self, asked: MessagesRequest) -> tuple[HeaderPairs, dict[str, Any]]:
        """Take the request from the limits, and return the fields that tell of them and the usage of its input."""
        with self.lock:
            now_s = self.now_s()
            limits = self._limits_of(asked.key)
            usage = self._cache.usage(asked, now_s)
            limited = limits.admit(now_s, asked.input_tokens - usage["cache_read_input_tokens"])
        if limited.beyond is not None:
            text = f"This request would exceed your organization's rate limit of {limits.text(limited.beyond)}"
            headers = (*limited.headers, ("retry-after", str(limited.retry_after_s)))
            raise RefusedError(ApiError("rate_limit", text, headers))
        return limited.headers, usage

    def _limits_of(self, key: str) -> Limits:
        limits = self._limits.get(key)
        if limits is None:
            if len(self._limits) >= MAX_KEYS:
                del self._limits[next(iter(self._limits))]
            chosen = self.settings
            limits = self._limits[key] = Limits(
                chosen.requests_per_minute, chosen.input_tokens_per_minute, chosen.output_tokens_per_minute
            )
        return limits

    # The answer

    def _turn(self, asked: MessagesRequest) -> tuple[Turn, ApiError | None]:
        with self.lock:
            scripts = list(reversed(self._scripts))
        for script in scripts:
            if script.matches(asked):
                turn, error = script.turn_of(asked)
                if turn.answers or error is not None:
                    return turn, error
        return Turn([Text(asked.prompt or "...")]), None

    def _message(self, asked: MessagesRequest, turn: Turn, usage: dict[str, Any]) -> Message:
        blocks = list(turn.blocks) if turn.responder is None else blocks_from(turn.responder(asked))
        blocks = [self._with_id(block) for block in blocks]
        blocks, reason, sequence = shortened(blocks, asked.max_tokens, asked.raw.get("stop_sequences") or ())
        if turn.stop_reason is not None:
            reason = turn.stop_reason
        return Message(self._id("msg"), asked.model, blocks, reason, sequence, usage)

    def _with_id(self, block: Block) -> Block:
        return replace(block, id=self._id("toolu")) if isinstance(block, ToolUse) and not block.id else block

    def _id(self, kind: str) -> str:
        with self.lock:
            self._numbers[kind] += 1
            return f"{kind}_{self._numbers[kind]:024d}"

    def _whole(self, message: Message, turn: Turn, headers: HeaderPairs) -> ResponseSpec:
        rate = turn.tokens_per_s or self.settings.tokens_per_s
        writing_ms = 0 if rate is None else round(message.output_tokens / rate * 1000)
        return self._spec(ResponseSpec(200, message.body(), headers, self._ttft(turn, writing_ms)))

    def _streamed(self, message: Message, turn: Turn, headers: HeaderPairs) -> ResponseSpec:
        rate = turn.tokens_per_s or self.settings.tokens_per_s
        pace = TokenPace(self.server.simulation.clock, rate, self.settings.jitter)
        body: TokenStream | EventStream
        if turn.cut_after is not None:
            body = _cut(message.events(), turn.cut_after, rate)
        elif turn.stall_after is not None:
            count = turn.stall_after
            body = StalledStream(lambda: before(message.events(), count), pace)
        elif turn.broken is not None:
            body = TokenStream(partial(_broken, message, *turn.broken), None if rate is None else pace)
        else:
            body = TokenStream(message.events, None if rate is None else pace)
        return self._spec(ResponseSpec(200, body, [("cache-control", "no-cache"), *headers], self._ttft(turn, 0)))

    def _ttft(self, turn: Turn, more_ms: int) -> DelayInput:
        delay = self.settings.ttft_ms if turn.ttft_ms is None else turn.ttft_ms
        if not isinstance(delay, int):
            return delay
        mean_ms, jitter = delay + more_ms, self.settings.jitter
        return Uniform(mean_ms * (1 - jitter), mean_ms * (1 + jitter)) if jitter and mean_ms else mean_ms

    def _spec(self, spec: ResponseSpec) -> ResponseSpec:
        return spec.with_headers([("request-id", self._id("req"))])


def shortened(
    blocks: list[Block], max_tokens: int, stop_sequences: tuple[str, ...] | list[str]
) -> tuple[list[Block], str, str | None]:
    """Return *blocks* up to a stop sequence or the last token allowed, why the answer ends, and at which sequence."""
    kept: list[Block] = []
    left = max_tokens
    for block in blocks:
        reason, sequence = "", None
        if isinstance(block, Text):
            found = [(block.text.find(stop), stop) for stop in stop_sequences if stop in block.text]
            if found:
                place, sequence = min(found)
                block, reason = Text(block.text[:place]), "stop_sequence"
        if block.tokens > left:
            # A tool's input that is cut short is no JSON: the real API sends what there is, this one leaves it out.
            cut = [Text("".join(pieces(block.text)[:left]))] if isinstance(block, Text) and left else []
            return [*kept, *cut], "max_tokens", None
        kept.append(block)
        if reason:
            return kept, reason, sequence
        left -= block.tokens
    return kept, "tool_use" if any(isinstance(block, ToolUse) for block in kept) else "end_turn", None


def _broken(message: Message, count: int, error: ApiError) -> Iterator[Event]:
    return before(message.events(), count, (encoded("error", error.body()), False))


def _cut(events: Iterator[Event], count: int, rate: float | None) -> EventStream:
    made = []
    for event, _ in events:
        name, _, data = event.decode().removeprefix("event: ").partition("\ndata: ")
        made.append(ServerSentEvent(data.strip(), event=name))
    return EventStream(tuple(made), 0 if rate is None else round(1000 / rate), count, resume=False)


def _betas(request: CapturedRequest) -> tuple[str, ...]:
    fields = request.headers.get("anthropic-beta", "").split(",")
    return tuple(beta.strip() for beta in fields if beta.strip())
