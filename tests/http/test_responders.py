"""Responders: the user's own code, on the server's threads, failing in every way."""

import asyncio
import threading

import pytest

from api_simulator.errors import VerificationError
from api_simulator.http import MockHttpServer, ResponseSpec, where
from tests.http.calls import Connection, call, get


def test_a_plain_responder_answers_with_what_it_returns(server):
    server.register("POST", "/{name}", lambda request: ResponseSpec(201, [request.path_params["name"], request.json]))

    answer = call(server, "POST", "/ann", {"a": 1})

    assert (answer.status, answer.json) == (201, ["ann", {"a": 1}])


def test_an_async_responder_is_awaited(server):
    async def responder(request):
        await asyncio.sleep(0.01)
        return ResponseSpec(202, request.path)

    server.register("GET", "/a", responder)

    assert get(server, "/a").body == b"/a"


def test_an_object_whose_call_is_async_is_awaited(server):
    class Responder:
        async def __call__(self, request):
            await asyncio.sleep(0)
            return ResponseSpec(202)

    server.register("GET", "/", Responder())

    assert get(server, "/").status == 202


def test_the_delay_of_a_responders_answer_counts(server):
    server.register("GET", "/", lambda request: ResponseSpec(delay_ms=30))

    get(server, "/")

    [request] = server.get_requests()
    server.wait_until(lambda: request.answered_ns)
    assert request.answered_ns - request.received_ns >= 30_000_000


def test_responders_take_their_turn_in_a_sequence(server):
    server.register_sequence("GET", "/", [lambda request: ResponseSpec(201), ResponseSpec(202)])

    assert [get(server, "/").status for _ in range(3)] == [201, 202, 202]


def test_the_status_a_responder_chose_is_on_the_request(server):
    server.register("GET", "/", lambda request: ResponseSpec(418))

    get(server, "/")

    assert server.get_requests()[0].status == 418


def _raises(request):
    raise LookupError("no such model")


async def _raises_async(request):
    raise LookupError("no such model")


@pytest.mark.parametrize(
    ("responder", "complaint"),
    [
        (_raises, r"(?s)POST /a: the responder raised LookupError: no such model.*test_responders\.py"),
        (_raises_async, r"(?s)the responder raised LookupError: no such model.*test_responders\.py"),
        (lambda request: None, "a responder returns a ResponseSpec, got NoneType: None"),
        (lambda request: {"a": 1}, r"a responder returns a ResponseSpec, got dict: \{'a': 1\}"),
        (lambda request: ResponseSpec(99), "the responder raised SpecError: status"),
        (lambda request: pytest.fail("no such model"), "the responder raised Failed: no such model"),
        (lambda request: pytest.skip("not today"), "the responder raised Skipped: not today"),
    ],
    ids=["raises", "raises async", "nothing", "dict", "bad spec", "pytest.fail", "pytest.skip"],
)
def test_a_responder_that_fails_is_answered_500_and_fails_the_block(responder, complaint):
    """Not strict either: what the user's own code raised is never forgiven. And the server lives on."""
    server = MockHttpServer(strict=False).start()
    server.register("POST", "/a", responder)
    server.register("GET", "/ok", ResponseSpec())

    with Connection(server) as connection:
        failed = connection.call("POST", "/a", {})
        after = connection.call("GET", "/ok")

    with pytest.raises(VerificationError, match=complaint), server:
        pass
    assert failed.status == 500
    assert failed.json["error"]["type"] == "api_simulator.responder"
    assert after.status == 200


def test_a_blocking_responder_stalls_no_other_request(server):
    release = threading.Event()

    def block(request):
        release.wait(20)
        return ResponseSpec(201)

    server.register("GET", "/blocked", block)
    server.register("GET", "/plain", ResponseSpec())
    server.register("GET", "/asked", lambda request: ResponseSpec())
    with Connection(server) as blocked:
        blocked.raw.request("GET", "/blocked")
        server.wait_for_requests(1)

        assert get(server, "/plain").status == 200
        assert get(server, "/asked").status == 200
        release.set()
        assert blocked.raw.getresponse().status == 201


def test_a_responder_may_register_and_ask(server):
    def login(request):
        server.register("GET", "/me", ResponseSpec(200, server.request_count()))
        return ResponseSpec()

    server.register("POST", "/login", login)
    call(server, "POST", "/login")

    assert get(server, "/me").json == 1


def test_a_request_whose_client_went_away_is_noted(server):
    release = threading.Event()
    server.register("GET", "/", lambda request: ResponseSpec() if release.wait(20) else None)
    with Connection(server) as connection:
        connection.raw.request("GET", "/")
        [request] = server.wait_for_requests(1)

    server.wait_until(lambda: request.aborted)

    release.set()
    assert request.answered_ns is None


# Closing from the inside


def _close_later(server):
    async def responder(request):
        server.close()
        return ResponseSpec()

    return responder, None


def _close_in_a_predicate(server):
    def predicate(request):
        server.close()
        return True

    return ResponseSpec(), where(predicate)


@pytest.mark.parametrize("make", [_close_later, _close_in_a_predicate], ids=["async responder", "predicate"])
def test_closing_a_server_on_its_own_loop_is_refused_and_explained(make):
    """The loop would wait for itself."""
    server = MockHttpServer().start()
    spec, when = make(server)
    server.register("GET", "/", spec, when=when)

    answer = get(server, "/")

    server.close()
    with pytest.raises(VerificationError, match=r"a server cannot be started, reset or closed from its own responder"):
        server.verify()
    assert answer.status == 500


@pytest.mark.parametrize("make", [_close_later, _close_in_a_predicate], ids=["async responder", "predicate"])
def test_a_close_that_was_refused_can_be_made_good_by_the_test(make):
    server = MockHttpServer().start()
    spec, when = make(server)
    server.register("GET", "/", spec, when=when)
    get(server, "/")

    server.close()

    with pytest.raises(ConnectionRefusedError):
        get(server, "/")


def test_a_plain_responder_may_close_its_server(server):
    """It runs on a thread of its own; the client sees the connection end."""

    def responder(request):
        server.close()
        return ResponseSpec()

    server.register("GET", "/", responder)

    with pytest.raises(ConnectionError):
        get(server, "/")
    with pytest.raises(ConnectionRefusedError):
        get(server, "/")


def test_a_server_cannot_be_started_on_the_loop_of_another(server):
    other = MockHttpServer()

    async def responder(request):
        other.start()
        return ResponseSpec()

    server.register("GET", "/", responder)

    answer = get(server, "/")

    assert "a server cannot be started" in answer.json["error"]["message"]
    with pytest.raises(VerificationError, match="ServerStateError"):
        server.verify()
