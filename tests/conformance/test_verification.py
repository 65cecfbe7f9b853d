"""What was expected, and what a test is told when it was not so."""

import re
import threading

import pytest

from api_simulator.errors import NoRouteError, VerificationError
from api_simulator.http import MockHttpServer, ResponseSpec, soft_checks
from tests.conformance.asking import PATIENCE_S, Wire, ask, get, post
from tests.conformance.manifest import requirement
from tests.libraries import either as httpx


def unmet(server):
    """Return what the verification complains about."""
    return server.verdict().unmet


def complaints(engine, expectation, calls):
    """Return whether so many calls of a route with that expectation are wrong."""
    server = MockHttpServer(engine=engine)
    with server.start():
        server.get("/a").empty().expect(**expectation)
        ask(server, *["/a"] * calls)
        found = bool(unmet(server))
        server.reset()
    return found


def expected(engine, expectation, upto=4):
    """Return the numbers of calls, up to *upto*, that are as expected."""
    return [calls for calls in range(upto) if not complaints(engine, expectation, calls)]


@requirement("verify:expect:exact")
@pytest.mark.parametrize("times", [0, 1, 2])
def test_exactly_so_many_calls(engine, times):
    assert expected(engine, {"times": times}) == [times]


@requirement("verify:expect:at-least")
def test_so_many_calls_or_more(engine):
    assert expected(engine, {"at_least": 2}) == [2, 3]


@requirement("verify:expect:at-most")
def test_so_many_calls_or_less(engine):
    assert expected(engine, {"at_most": 2}) == [0, 1, 2]


@requirement("verify:expect:between")
def test_a_number_between(engine):
    assert expected(engine, {"at_least": 1, "at_most": 2}) == [1, 2]


@requirement("verify:expect:message")
def test_a_missed_expectation_names_route_place_and_calls(server):
    server.get("/a").status(201).empty().expect(3)
    ask(server, "/a?x=1", "/b", "/a")

    with pytest.raises(VerificationError) as caught:
        server.verify()

    assert re.search(
        r"GET /a: expected 3 calls, found 2 \(registered at .*test_verification\.py:\d+\)\n"
        r"  #1 +\+0\.000 s  GET /a\?x=1 -> 201\n  #3 +\+\d\.\d{3} s  GET /a -> 201$",
        str(caught.value),
    )
    server.reset()


@requirement("verify:expect:at-exit")
def test_leaving_the_block_checks(engine):
    server = MockHttpServer(engine=engine)
    server.start().get("/a").empty().expect(1)

    with pytest.raises(VerificationError, match="GET /a: expected 1 call, found 0"), server:
        pass


@requirement("verify:expect:own-error")
def test_an_error_of_the_block_is_not_hidden(engine):
    def test():
        with MockHttpServer(engine=engine) as server:
            server.get("/a").empty().expect(1)
            ask(server, "/unmatched")
            raise LookupError("of the block")

    with pytest.raises(LookupError, match="of the block"):
        test()


@requirement("verify:unused:choice")
def test_unused_routes_are_listed_or_fail(engine):
    with MockHttpServer(engine=engine) as listing:
        listing.get("/a").empty()
        assert listing.verdict().ok
        assert [text.partition(" (")[0] for text in listing.verdict().unused] == ["GET /a"]

    failing = MockHttpServer(engine=engine, unused="fail").start()
    failing.get("/a").empty()
    failing.get("/b").empty()
    failing.get("/never").empty().expect(0)
    ask(failing, "/a")
    failing.close()
    with pytest.raises(VerificationError, match=r"^route never called: GET /b \(registered at [^\n]*$"):
        failing.verify()


@requirement("verify:called:now")
def test_the_count_is_checked_at_once(server):
    route = server.get("/a").empty()
    with pytest.raises(VerificationError, match="GET /a: expected at least 1 call, found 0"):
        route.assert_called()

    ask(server, "/a", "/a")

    route.assert_called()
    route.assert_called(2)
    route.assert_called(at_least=1, at_most=2)
    for wrong in ({"times": 1}, {"at_least": 3}, {"at_most": 1}):
        with pytest.raises(AssertionError, match="found 2"):
            route.assert_called(**wrong)


@requirement("verify:not-called:now")
def test_a_route_that_was_called_is_named(server):
    route, other = server.get("/a").empty(), server.get("/b").empty()
    ask(server, "/a")

    other.assert_not_called()
    with pytest.raises(VerificationError, match="GET /a: expected 0 calls, found 1"):
        route.assert_not_called()


@requirement("verify:not-called:within")
def test_a_call_within_the_time_fails_as_soon_as_it_comes(server):
    """Long before the time is over, which is longer than this test may take."""
    route = server.get("/a").empty()
    client = threading.Thread(target=ask, args=(server, "/b", "/a"))
    client.start()

    with pytest.raises(VerificationError, match="found 1"):
        route.assert_not_called(within_s=10 * PATIENCE_S)
    client.join()


@requirement("verify:not-called:within")
def test_other_calls_do_not_matter(server):
    route = server.get("/a").empty()
    ask(server, "/b")

    route.assert_not_called(within_s=0.02)


@requirement("verify:order:first-calls")
def test_the_order_of_calls_is_checked(server):
    login, work, logout = (server.post(path).empty() for path in ("/login", "/work", "/logout"))
    ask(server, *(post(path) for path in ("/login", "/other", "/work", "/work", "/logout")))

    server.assert_order(login, work, logout)
    server.assert_order(login, logout)
    with pytest.raises(VerificationError, match=r"order: expected .*; POST /login was only called earlier\n  #1 "):
        server.assert_order(work, login)


@requirement("verify:order:first-calls")
def test_a_route_that_was_not_called_is_in_no_order(server):
    login, logout = server.post("/login").empty(), server.post("/logout").empty()
    ask(server, post("/login"))

    with pytest.raises(VerificationError, match="POST /logout was not called"):
        server.assert_order(login, logout)


@requirement("verify:soft:all-at-once")
def test_soft_checks_report_everything(server):
    one, two, three = (server.get(path).empty() for path in ("/1", "/2", "/3"))
    ask(server, "/2")

    def checked():
        with soft_checks() as check:
            check(one.assert_called)
            check(two.assert_called, 1)
            check(three.assert_called, times=2)

    with pytest.raises(VerificationError) as caught:
        checked()

    assert re.search(r"^2 checks failed:\n1\. GET /1: .*\n2\. GET /3: expected 2 calls", str(caught.value))


@requirement("verify:soft:all-at-once")
def test_soft_checks_that_hold_say_nothing(server):
    route = server.get("/a").empty()

    with soft_checks() as check:
        check(route.assert_not_called)


@requirement("verify:soft:other-errors")
def test_an_error_that_is_no_failed_check_goes_through(server):
    with pytest.raises(LookupError), soft_checks() as check:
        check({}.__getitem__, "missing")


@requirement("verify:in-flight:maximum")
def test_requests_answered_at_the_same_time_are_counted(server):
    gate = server.get("/held").empty().hold_until(3)
    server.get("/a").empty()
    ask(server, "/a", "/a")
    assert server.max_in_flight == 1
    clients = [threading.Thread(target=ask, args=(server, "/held")) for _ in range(3)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    assert gate.waiting == 0
    assert server.max_in_flight == 3
    server.assert_max_in_flight(3)
    with pytest.raises(VerificationError, match="expected at most 2 requests in flight, found 3\n  #1 "):
        server.assert_max_in_flight(2)


@requirement("verify:connections:opened")
def test_opened_connections_are_known(server):
    ask(server, "/a", "/b")
    ask(server, "/c")

    assert server.connections.opened == 2
    server.assert_connections(opened_at_most=2)
    with pytest.raises(VerificationError, match=r"connections: expected at most 1 opened; found .*opened=2"):
        server.assert_connections(opened_at_most=1)


@requirement("verify:connections:reused")
def test_reused_connections_are_known(server):
    ask(server, "/a", "/b", "/c")
    ask(server, get("/d", headers={"Connection": "close"}), "/e")

    assert (server.connections.requests, server.connections.reused) == (5, 2)
    server.assert_connections(reused_at_least=2)
    with pytest.raises(VerificationError, match="at least 3 re-used"):
        server.assert_connections(reused_at_least=3)


@requirement("verify:connections:open")
def test_connections_left_open_are_found(server):
    with httpx.Client(base_url=server.url) as client:
        client.get("/a")
        with pytest.raises(VerificationError, match=r"at most 0 still open; found .*open=1"):
            server.assert_connections(open_at_most=0)
    server.assert_connections(open_at_most=0)


@requirement("verify:pending:no-verb")
def test_a_route_without_answer_fails_and_says_where(server):
    pending = server.get("/a").status(201)
    server.get("/b")

    with pytest.raises(VerificationError) as caught:
        server.verify()

    assert (
        len(re.findall(r"GET /[ab] \(at .*test_verification\.py:\d+\) was begun and never answered", str(caught.value)))
        == 2
    )
    pending.empty()
    assert len(unmet(server)) == 1
    server.reset()


@requirement("verify:problem:responder")
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_function_that_raises_fails_with_its_traceback(server, kind):
    def broken(request):
        raise LookupError("no such tenant")

    async def broken_later(request):
        raise LookupError("no such tenant")

    server.get("/a").respond(broken if kind == "plain" else broken_later)
    (answer,) = ask(server, "/a")

    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_simulator.responder")
    with pytest.raises(
        VerificationError, match=r"GET /a: the responder raised LookupError: no such tenant\n"
    ) as caught:
        server.verify()
    assert 'raise LookupError("no such tenant")' in str(caught.value)
    assert not isinstance(caught.value, NoRouteError)


@requirement("verify:problem:responder")
def test_a_function_that_answers_something_else_fails(server):
    server.get("/a").respond(lambda request: {"status": 200})
    server.get("/b").respond(lambda request: ResponseSpec())

    assert [answer.status_code for answer in ask(server, "/a", "/b")] == [500, 200]
    with pytest.raises(VerificationError, match="a responder returns a ResponseSpec, got dict"):
        server.verify()


@requirement("verify:connections:open")
def test_a_client_that_only_connects_is_a_connection_too(server):
    with Wire(server):
        server.wait_until(lambda: server.connections.open == 1)
        assert server.connections.requests == 0
    server.assert_connections(open_at_most=0, opened_at_most=1)
