"""Rate limits: who passes, what is said about it, and that waiting as told is enough."""

import itertools
import time

import pytest

from api_simulator.http import ResponseSpec, chunks, sse, uniform
from tests.conformance.manifest import requirement
from tests.conformance.raw import Wire, call, taken_problems

HOUR = 3600
ALGORITHMS = ["fixed_window", "token_bucket"]


def limits_of(reply):
    return {name.lower(): int(value) for name, value in reply.fields if name.lower().startswith(("x-ratel", "retry"))}


@requirement("limit:refusal:beyond")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_requests_beyond_the_rate_are_refused(server, algorithm):
    server.get("/").text("fine")
    server.rate_limit(3, HOUR, algorithm=algorithm)

    replies = [call(server) for _ in range(5)]

    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[-1].body == b'{"error":"rate limit exceeded"}'


@requirement("limit:fields:always")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("body", ["fine", chunks("a", "b")], ids=["whole", "pieces"])
def test_every_answer_says_what_is_left(server, algorithm, body):
    """Retry-After is in refusals only; the reset is a time in seconds since 1970, not before now."""
    server.register("GET", "/", ResponseSpec(body=body))
    server.rate_limit(2, HOUR, algorithm=algorithm)
    before = time.time()

    fields = [limits_of(call(server)) for _ in range(3)]

    assert [each["x-ratelimit-limit"] for each in fields] == [2, 2, 2]
    assert [each["x-ratelimit-remaining"] for each in fields] == [1, 0, 0]
    assert ["retry-after" in each for each in fields] == [False, False, True]
    assert all(before <= each["x-ratelimit-reset"] <= time.time() + HOUR + 1 for each in fields)
    assert 1 <= fields[2]["retry-after"] <= (HOUR if algorithm == "fixed_window" else HOUR / 2)


@requirement("limit:fields:fixed-window")
def test_a_fixed_window_is_whole_again_at_one_moment(server):
    server.get("/").text("fine")
    server.rate_limit(5, HOUR)

    resets = {limits_of(call(server))["x-ratelimit-reset"] for _ in range(7)}

    assert len(resets) == 1


@requirement("limit:fields:token-bucket")
def test_a_token_bucket_is_whole_again_later_with_each_request(server):
    server.get("/").text("fine")
    server.rate_limit(5, HOUR, algorithm="token_bucket")

    resets = [limits_of(call(server))["x-ratelimit-reset"] for _ in range(6)]

    steps = [second - first for first, second in itertools.pairwise(resets)]
    assert all(step >= HOUR // 5 - 1 for step in steps[:4])
    assert steps[4] <= 1


@requirement("limit:waiting:enough")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_who_waits_as_told_is_let_through(server, algorithm):
    """The answer is delayed by what Retry-After says, so that the wait is the server's and not this test's."""
    server.get("/").text("fine")
    waiting = server.get("/wait").delay(1000).text("waited")
    server.rate_limit(1, 1, algorithm=algorithm, routes=[server.routes[0]])

    with Wire(server) as wire:
        first, refused = wire.call(), wire.call()
        assert (first.status, refused.status, refused.get("retry-after")) == (200, 429, "1")
        wire.call("/wait")
        assert wire.call().status == 200
    assert waiting.call_count == 1


@requirement("limit:key:apart")
def test_each_key_is_counted_apart(server):
    server.get("/").text("fine")
    server.rate_limit(1, HOUR, key=lambda request: request.headers.get("authorization", ""))
    users = ["Authorization: a", "Authorization: b", "Authorization: a", "Authorization: b", "X-None: 1"]

    assert [call(server, "/", "GET", user).status for user in users] == [200, 200, 429, 429, 200]


@requirement("limit:routes:only")
def test_only_the_routes_named_are_limited_and_together(server):
    first, second = server.get("/1").text("x"), server.get("/2").text("x")
    server.get("/free").text("x")
    server.rate_limit(2, HOUR, routes=[first, second])

    paths = ["/1", "/2", "/1", "/2", "/free"]

    replies = [call(server, path) for path in paths]
    assert [reply.status for reply in replies] == [200, 200, 429, 429, 200]
    assert limits_of(replies[-1]) == {}


@requirement("limit:routes:only")
def test_what_matches_no_route_is_not_limited(server):
    server.rate_limit(1, HOUR)

    assert [call(server).status for _ in range(3)] == [404, 404, 404]


@requirement("limit:refusal:own")
def test_a_refusal_of_ones_own_gets_the_fields_too(server):
    server.get("/").text("fine")
    refusal = ResponseSpec(503, {"type": "overloaded"}, {"X-Own": "1"})
    server.rate_limit(1, HOUR, refusal=refusal)
    call(server)

    reply = call(server)

    assert (reply.status, reply.body, reply.get("x-own")) == (503, b'{"type":"overloaded"}', "1")
    assert limits_of(reply)["x-ratelimit-remaining"] == 0


@requirement("limit:refusal:own")
def test_a_refusal_may_be_a_fault(server):
    server.get("/").text("fine")
    server.rate_limit(1, HOUR, refusal=ResponseSpec(fault="EMPTY_RESPONSE"))
    call(server)

    with Wire(server) as wire:
        wire.ask()
        assert wire.rest() == b""


@requirement("limit:several:all")
def test_several_limits_must_all_let_through(server):
    server.get("/").text("fine")
    server.rate_limit(3, HOUR)
    server.rate_limit(1, HOUR, key=lambda request: request.query.get("user", ""))

    assert [call(server, f"/?user={user}").status for user in "aabbc"] == [200, 429, 200, 429, 429]


@requirement("limit:reset:ends")
def test_a_reset_of_the_server_ends_its_limits(server):
    server.rate_limit(1, HOUR)
    server.reset()
    server.get("/").text("fine")

    assert [call(server).status for _ in range(3)] == [200, 200, 200]


# A limit stands before the route: it changes nothing of what those get whom it lets through


@requirement("limit:route:untouched")
def test_a_refused_request_uses_up_nothing_of_a_sequence(server):
    server.get("/").sequence(201, 202, 203)
    server.rate_limit(1, HOUR, key=lambda request: request.query.get("user", ""))

    assert [call(server, f"/?user={user}").status for user in "aab"] == [201, 429, 202]


@requirement("limit:route:untouched")
def test_those_who_are_let_through_wait_at_the_routes_gate(server):
    gate = server.get("/").text("fine").hold()
    server.rate_limit(10, HOUR)

    with Wire(server) as wire:
        wire.ask()
        gate.wait_for(1)
        assert wire.is_silent()
        gate.release()
        assert wire.reply().status == 200


@requirement("limit:route:untouched")
def test_a_limited_stream_can_be_resumed(server):
    server.register("GET", "/", ResponseSpec(body=sse(*({"data": n, "id": n} for n in "12345"), cut_after=2)))
    server.rate_limit(10, HOUR)

    with Wire(server) as wire:
        wire.ask()
        assert b"data: 2\n" in wire.rest()
    with Wire(server) as wire:
        wire.ask("/", "GET", "Last-Event-ID: 2")
        assert b"data: 4\n" in wire.rest()

    assert taken_problems(server) == []


@requirement("limit:route:untouched")
def test_a_limited_route_draws_anew_for_each_call(server):
    """Shown by random bytes, which a delay drawn from the same source comes before."""
    server.get("/").delay(uniform(0, 3)).fault("RANDOM_DATA_THEN_CLOSE")
    server.rate_limit(10, HOUR)
    drawn = set()

    for _ in range(3):
        with Wire(server) as wire:
            wire.ask()
            drawn.add(wire.rest())

    assert len(drawn) == 3


@requirement("limit:fields:responder")
def test_answers_of_functions_say_what_is_left_too(server):
    server.get("/").respond(lambda _: ResponseSpec(body="computed"))
    server.rate_limit(2, HOUR)

    reply = call(server)

    assert reply.body == b"computed"
    assert limits_of(reply).get("x-ratelimit-remaining") == 1


@requirement("limit:key:raises")
def test_a_key_that_raises_is_answered_for_and_fails_the_test(server):
    server.get("/").text("fine")
    server.rate_limit(2, HOUR, key=lambda request: request.headers["x-user"])

    assert call(server).status == 500
    assert len(taken_problems(server)) == 1
    assert call(server, "/", "GET", "X-User: a").status == 200
