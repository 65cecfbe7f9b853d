"""Answers that depend on the request: responders, and answers before the body is there."""

import asyncio
import json
import threading

import pytest

from api_simulator.http import ResponseSpec, chunks, header, regex
from tests.conformance.manifest import requirement
from tests.conformance.raw import PATIENCE_S, Wire, call, taken_problems

# Responders


def plain(request):
    return ResponseSpec(body=request.json)


async def asynchronous(request):
    await asyncio.sleep(0)
    return ResponseSpec(body=request.json)


class Callable:
    async def __call__(self, request):
        return await asynchronous(request)


@requirement("answer:responder:answers")
@pytest.mark.parametrize("responder", [plain, asynchronous, Callable(), lambda request: asynchronous(request)])
def test_a_function_answers(server, responder):
    server.register("POST", "/echo", responder)

    with Wire(server) as wire:
        replies = [wire.call("/echo", "POST", body=body) for body in (b'{"a":1}', b"[2]")]

    assert [reply.body for reply in replies] == [b'{"a":1}', b"[2]"]


@requirement("answer:responder:answers")
def test_a_function_sees_the_parameters_and_its_request_is_recorded(server):
    seen = []

    def remember(request):
        seen.append(request)
        return ResponseSpec(201)

    server.get("/users/{id:int}").respond(remember)

    call(server, "/users/7")

    (request,) = server.get_requests()
    assert seen == [request]
    assert (request.path_params, request.status) == ({"id": 7}, 201)


@requirement("answer:responder:any-answer")
def test_what_a_function_returns_may_be_anything_that_can_be_registered(server):
    answers = {
        "/pieces": ResponseSpec(body=chunks("a", "b")),
        "/trailers": ResponseSpec(body="x", trailers={"T": "1"}),
        "/reset": ResponseSpec(fault="CONNECTION_RESET_BY_PEER"),
    }
    server.get("/{which}").respond(lambda request: answers[request.path])

    with Wire(server) as wire:
        assert wire.call("/pieces").chunks == [b"a", b"b"]
        assert wire.call("/trailers").trailers == [("T", "1")]
        wire.ask("/reset")
        assert wire.rest_until_reset() == b""


def exhausted(_request, answers=iter(())):  # noqa: B008  # its being shared is the point
    return next(answers)


class Outcome(BaseException):
    """What ``pytest.fail`` raises is of this kind: no ``Exception``."""


def fails(_request):
    raise Outcome("not like this")


async def fails_later(_request):
    raise Outcome("not like this")


@requirement("answer:responder:raises")
@pytest.mark.parametrize(
    ("responder", "named"),
    [
        (lambda request: request.json["missing"], "TypeError"),
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (exhausted, "StopIteration"),
        (fails, "Outcome: not like this"),
        (fails_later, "Outcome: not like this"),
        (lambda _: 200, "SpecError: a responder returns a ResponseSpec, got int"),
        (lambda _: None, "SpecError: a responder returns a ResponseSpec, got NoneType"),
    ],
    ids=["key", "division", "used up", "outcome", "async outcome", "status", "nothing"],
)
def test_a_function_that_fails_is_answered_for_and_fails_the_test(server, responder, named):
    """The client gets a 500 that says why, the connection lives on, the user's test fails."""
    server.get("/").respond(responder)

    with Wire(server) as wire:
        replies = [wire.call(), wire.call()]

    problems = taken_problems(server)
    assert [reply.status for reply in replies] == [500, 500]
    assert named in json.loads(replies[0].body)["error"]["message"]
    assert [kind for kind, _ in problems] == ["responder", "responder"]
    assert named in problems[0][1]


@requirement("answer:responder:stalls-nobody")
def test_functions_that_block_hold_nobody_else_up(server):
    """Not even fifty of them."""
    opened = threading.Event()

    def block(_request):
        assert opened.wait(PATIENCE_S)
        return ResponseSpec(body="late")

    server.get("/slow").respond(block)
    server.get("/quick").text("quick")
    server.get("/function").respond(lambda _: ResponseSpec(body="function"))
    wires = [Wire(server) for _ in range(50)]
    for wire in wires:
        wire.ask("/slow")
    server.wait_for_requests(50)

    assert call(server, "/quick").body == b"quick"
    assert call(server, "/function").body == b"function"
    assert all(wire.is_silent() for wire in wires)
    opened.set()
    assert [wire.reply().body for wire in wires] == [b"late"] * 50
    for wire in wires:
        wire.close()


# Early answers


@requirement("answer:early:before-body")
@pytest.mark.parametrize("part", [b"", b"x" * 10], ids=["no byte", "some bytes"])
def test_the_answer_comes_before_the_body(server, part):
    server.post("/").early().status(413).empty()

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n" + part)

        assert wire.reply().status == 413
        assert server.request_count() == 1


@requirement("answer:early:connection-usable")
def test_a_client_that_sends_the_body_all_the_same_goes_on(server):
    server.post("/").early().status(413).empty()
    server.get("/next").text("next")

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3000000\r\n\r\n")
        early = wire.reply()
        wire.send(b"x" * 3_000_000)
        following = wire.call("/next")

    assert (early.status, early.get("connection"), following.body) == (413, None, b"next")
    assert [request.raw_body for request in server.get_requests()] == [b"x" * 3_000_000, b""]


@requirement("answer:early:connection-usable")
def test_a_chunked_body_is_passed_over_too(server):
    server.post("/").early().status(413).empty()

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        early = wire.reply()
        wire.send(b"3\r\nabc\r\n0\r\n\r\n")

        assert (early.status, wire.call(method="POST").status) == (413, 413)
    assert server.get_requests()[0].raw_body == b"abc"


@requirement("answer:early:expect")
def test_a_client_that_asks_first_is_refused_at_once(server):
    """No 100 is sent, and the connection ends: whether a body follows cannot be known."""
    server.post("/").early().status(417).text("no")

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        reply = wire.reply()

        assert (reply.status, reply.body, reply.get("connection")) == (417, b"no", "close")
        assert wire.rest() == b""


@requirement("answer:early:expect")
def test_other_routes_still_ask_for_their_body(server):
    server.post("/early").early().status(417).empty()
    server.post("/").respond(lambda request: ResponseSpec(body=request.raw_body))

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert wire.reply().status == 100
        wire.send(b"hello")

        assert wire.reply().body == b"hello"
    assert [request.connection_index for request in server.get_requests()] == [0]


@requirement("answer:early:no-reset")
@pytest.mark.parametrize("expects", [True, False])
def test_an_answer_that_ends_the_connection_is_not_lost_under_the_upload(server, expects):
    """A client that goes on sending gets the answer, not a reset (RFC 9112, section 9.6)."""
    server.post("/").early().status(413).headers([] if expects else {"Connection": "close"}).text("too large")
    expectation = b"Expect: 100-continue\r\n" if expects else b""

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\n" + expectation + b"Content-Length: 3000000\r\n\r\n" + b"x" * 10)
        server.wait_for_requests(1)
        wire.send(b"x" * 2_999_990)

        reply = wire.reply()
        assert (reply.status, reply.body, reply.get("connection")) == (413, b"too large", "close")
        assert wire.rest() == b""


@requirement("answer:early:broken-body")
def test_a_body_that_breaks_after_the_answer_ends_the_connection(server):
    server.post("/").early().status(413).empty()

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert wire.reply().status == 413
        wire.send(b"no chunk\r\n")

        assert b"200 OK" not in wire.rest()
    (malformed,) = server.malformed
    assert malformed.raw.startswith(b"POST / HTTP/1.1\r\n")


@requirement("answer:early:broken-condition")
def test_a_condition_that_raises_before_the_body_is_there_is_answered_for(server):
    """Here an expression that takes too long; it must not end the connection without a word."""
    pytest.importorskip("regex")
    server.post("/").when(header("X-A", regex(r"^(a|a|aa)+$"))).early().status(413).empty()

    reply = call(server, "/", "POST", f"X-A: {'a' * 200}!", body=b"hello")
    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nX-A: " + b"a" * 200 + b"!\r\nContent-Length: 5\r\n\r\n")
        call(server, "/elsewhere")
        wire.send(b"hello")
        split = wire.reply()

    assert (reply.status, split.status) == (500, 500)
    assert [kind for kind, _ in taken_problems(server)] == ["predicate", "predicate"]


@requirement("answer:early:sequence")
def test_only_the_early_items_of_a_sequence_are_early(server):
    early, late = ResponseSpec(413, early=True), ResponseSpec(201)
    server.register_sequence("POST", "/", [early, late])
    head = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n"

    with Wire(server) as wire:
        wire.send(head)
        first = wire.reply()
        wire.send(b"hello" + head)
        # A later connection has been served, so the server has seen the second head.
        call(server, "/elsewhere")
        silent = wire.is_silent()
        wire.send(b"hello")
        second = wire.reply()

    assert (first.status, silent, second.status) == (413, True, 201)
    assert [request.raw_body for request in server.get_requests("POST")] == [b"hello", b"hello"]
