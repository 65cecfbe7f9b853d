"""Which route answers: order, priority, replacement, methods; and which of its answers."""

import json
import re

import pytest

from api_simulator.errors import VerificationError
from api_simulator.http import ResponseSpec, header, json_body
from tests.conformance.asking import Call, Wire, ask, get, post, send_raw, statuses, texts
from tests.conformance.manifest import requirement
from tests.libraries import either as httpx


@requirement("route:order:last-wins")
def test_the_route_registered_last_answers(server):
    server.get("/a").text("first")
    server.get("/{name}").text("second")

    assert httpx.get(server.url("/a")).text == "second"


@requirement("route:order:last-wins")
def test_a_literal_path_wins_over_a_template_only_if_it_came_later(server):
    """How a path is written is no rank: neither a literal nor a longer one is preferred."""
    server.get("/{name}").text("template")
    server.get("/a").text("literal")
    server.get(re.compile("/.*")).text("expression")

    assert texts(server, "/a", "/b") == ["expression", "expression"]


@requirement("route:order:priority")
def test_the_higher_priority_answers(server):
    server.get("/a", priority=1).text("important")
    server.get("/{name}").text("later")
    server.get(re.compile("/a|/b"), priority=-1).text("fallback")

    assert texts(server, "/a", "/b") == ["important", "later"]


@requirement("route:order:equal-priority")
def test_among_equal_priorities_the_last_one_answers(server):
    server.get("/{name}", priority=5).text("first")
    server.get("/a", priority=5).text("second")

    assert texts(server, "/a") == ["second"]


@requirement("route:order:falls-through")
def test_a_route_that_asks_for_more_leaves_other_requests_to_the_next(server):
    server.get("/a").text("for all")
    server.get("/a").when(header("x-key", "1")).text("for one")

    assert texts(server, get("/a", headers={"x-key": "1"}), get("/a", headers={"x-key": "2"}), "/a") == [
        "for one",
        "for all",
        "for all",
    ]


@requirement("route:replace:same-pattern")
def test_the_same_pattern_replaces(server):
    """The new route starts from its first answer, with a count of its own."""
    old = server.get("/a").when(json_body({"x": 1, "y": 2})).sequence(201, 202)
    ask(server, get("/a", json={"x": 1, "y": 2}))
    new = server.get("/a").when(json_body({"y": 2, "x": 1})).sequence(203, 204)

    got = statuses(server, get("/a", json={"x": 1, "y": 2}))

    assert got == [203]
    assert (old.call_count, new.call_count) == (1, 1)
    assert server.routes == [new]


@requirement("route:replace:same-pattern")
def test_a_replacement_stands_where_a_new_route_would(server):
    server.get("/a").text("old")
    server.get("/{name}").text("between")
    server.get("/a").text("new")

    assert texts(server, "/a") == ["new"]


@requirement("route:replace:other-pattern")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (re.compile("/a"), re.compile("/a", re.IGNORECASE)),
        ("/{id}", "/{name}"),
        ("/{id}", "/{id:int}"),
        ("/a/{{b}}/{id}", "/a/{b}/{id}"),
        ("/a", "/a?"),
    ],
    ids=["flags", "names", "types", "braces", "empty-query"],
)
def test_another_pattern_is_another_route(server, first, second):
    server.get(first).text("first")
    server.get(second).text("second")

    assert len(server.routes) == 2


@requirement("route:live:while-serving")
def test_routes_may_be_registered_between_requests_of_one_connection(server):
    with Wire(server) as wire:
        wire.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read_until(b"}").startswith(b"HTTP/1.1 404 ")

        server.get("/a").text("now")
        wire.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")

        assert wire.read_until(b"now").startswith(b"HTTP/1.1 200 ")


@requirement("route:method:only-its-own")
def test_another_method_is_unmatched(server):
    server.get("/a").text("hi")

    assert statuses(server, post("/a"), Call("DELETE", "/a"), "/a") == [404, 404, 200]


@requirement("route:method:short-forms")
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_each_short_form_is_its_method(server, method):
    getattr(server, method)("/a").text(method)

    assert texts(server, Call(method.upper(), "/a")) == [method]


@requirement("route:method:any")
def test_star_is_every_method(server):
    server.any("/a").text("hi")

    answer = send_raw(server, b"BREW /a HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.endswith(b"\r\n\r\nhi")
    assert statuses(server, *(Call(method, "/a") for method in ("GET", "HEAD", "POST", "DELETE"))) == [200] * 4


@requirement("route:method:case")
def test_methods_are_registered_and_received_in_any_case(server):
    server.register("pOsT", "/a", ResponseSpec(body="hi"))

    answer = send_raw(server, b"post /a HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.endswith(b"hi")
    assert server.get_requests("Post")[0].method == "POST"


@requirement("route:head:by-get")
def test_head_is_answered_by_the_get_route_without_body(server):
    route = server.get("/a").text("hello")

    (answer,) = ask(server, Call("HEAD", "/a"))

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "5")
    assert route.call_count == 1
    assert server.get_requests()[0].method == "HEAD"


@requirement("route:head:own-route-first")
@pytest.mark.parametrize("method", ["HEAD", "*"])
def test_a_route_that_means_head_precedes_get(server, method):
    """Even one registered earlier: the GET route only stands in."""
    server.route(method, "/a").status(202).empty()
    server.get("/a").text("hello")

    assert statuses(server, Call("HEAD", "/a"), "/a") == [202, 200]


@requirement("sequence:end:last-repeats")
def test_last_answer_of_a_sequence_repeats(server):
    server.get("/quota").sequence(429, 200)

    assert statuses(server, *["/quota"] * 4) == [429, 200, 200, 200]


@requirement("sequence:end:cycles")
def test_a_cycle_begins_again(server):
    server.get("/a").sequence(201, 202, 203, then="cycle")

    assert statuses(server, *["/a"] * 7) == [201, 202, 203, 201, 202, 203, 201]


@requirement("sequence:end:error")
def test_a_sequence_that_may_not_end_answers_500_and_fails_the_test(server):
    server.get("/a").sequence(201, 202, then="error")

    last = ask(server, *["/a"] * 3)[2]

    assert (last.status_code, last.json()["error"]["type"]) == (500, "api_simulator.exhausted")
    with pytest.raises(VerificationError, match="the sequence of GET /a is used up: it has 2 answers"):
        server.verify()


@requirement("sequence:items:any-answer")
def test_a_sequence_takes_statuses_specs_and_functions(server):
    server.get("/a").sequence(
        503, ResponseSpec(body="spec"), lambda request: ResponseSpec(body=f"called for {request.path}")
    )

    assert [(a.status_code, a.text) for a in ask(server, *["/a"] * 3)] == [
        (503, ""),
        (200, "spec"),
        (200, "called for /a"),
    ]


@requirement("sequence:count:per-route")
def test_two_routes_of_one_path_go_through_their_sequences_apart(server):
    server.get("/a").when(header("x-user", "1")).sequence(201, 202)
    server.get("/a").when(header("x-user", "2")).sequence(203, 204)
    one, two = get("/a", headers={"x-user": "1"}), get("/a", headers={"x-user": "2"})

    assert statuses(server, one, two, two, one) == [201, 203, 204, 202]


@requirement("fail:times:then-as-registered")
def test_failures_come_first_and_end(server):
    server.get("/a").text("ok").fail(times=2)

    assert statuses(server, *["/a"] * 4) == [503, 503, 200, 200]


@requirement("fail:times:uses-up-nothing")
def test_failures_count_as_calls_and_leave_the_sequence_as_it_is(server):
    route = server.get("/a").sequence(201, 202, 203)
    first = statuses(server, "/a")
    route.fail(times=1, status=500).fail(times=1, status=502)

    assert first + statuses(server, *["/a"] * 4) == [201, 500, 502, 202, 203]
    assert route.call_count == 5


@requirement("fail:spec:whole-answer")
def test_a_failure_may_be_a_whole_answer(server):
    server.get("/a").text("ok").fail(spec=ResponseSpec(429, {"wait": True}, {"Retry-After": "3"}))

    failed, answered = ask(server, "/a", "/a")

    assert (failed.status_code, failed.headers["retry-after"], failed.json()) == (429, "3", {"wait": True})
    assert answered.text == "ok"


@requirement("route:mounted:tells-its-calls")
def test_a_mounted_route_knows_the_requests_it_answered(server):
    route = server.post("/a").text("hi")
    server.get("/a").text("other")

    ask(server, post("/a", json={"n": 1}), "/a", post("/a", json={"n": 2}))

    assert route.call_count == 2
    assert [json.loads(request.body)["n"] for request in route.requests] == [1, 2]
    assert all(request.route is route for request in route.requests)
