"""Decisions: what a request gets, and what is said when it gets no proper answer."""

import json
from random import Random

import pytest

from api_simulator._core.actions import AskResponder, Close, SendBytes, Wait
from api_simulator._core.body_conditions import JsonBody
from api_simulator._core.conditions import Predicate
from api_simulator._core.decide import decide, decision_for
from api_simulator._core.journal import Journal
from api_simulator._core.named_conditions import HeaderHas
from api_simulator._core.nearest import MAX_COMPARED_ROUTES, RELAXATIONS, nearest_routes
from api_simulator._core.patterns import RequestPattern, parse_path
from api_simulator._core.routes import Answers, Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.table import RouteTable
from api_simulator._core.text_matchers import Anything, Equals
from tests._core.captured import captured

SPEC = ResponseSpec(body="hi")
WIRE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
def table():
    return RouteTable()


def mount(table, method, path, *conditions, answers=(SPEC,), then="repeat", source=""):
    parsed, from_path = parse_path(path)
    pattern = RequestPattern(method, parsed, (*from_path, *conditions))
    return table.mount(Route(pattern, Answers(answers, then), source), Journal())


def sent_by(decision):
    """Return the bytes of a decision."""
    [sent] = [action for action in decision.actions if isinstance(action, SendBytes)]
    return sent.data


def refused(table, request):
    """Return the decision on a request that gets no proper answer, and the problem."""
    decision, problem = decide(table, request)
    assert problem is not None
    return decision, problem


def error_of(decision):
    """Return the ``error`` object of an answer's JSON body."""
    head, _, body = sent_by(decision).partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    return json.loads(body)["error"]


# Requests that a route answers


def test_a_plain_answer_is_ready_bytes(table):
    mounted = mount(table, "GET", "/a")
    request = captured(target="/a")

    decision, problem = decide(table, request)

    assert decision.actions == (SendBytes(WIRE),)
    assert (decision.immediate, problem) == (WIRE, None)
    assert (request.route, request.status) == (mounted, 200)


def test_a_template_leaves_its_parameters_on_the_request(table):
    mount(table, "GET", "/u/{id}")
    request = captured(target="/u/7")

    decide(table, request)

    assert request.path_params == {"id": "7"}


def test_a_delay_is_a_wait_before_the_bytes(table):
    mount(table, "GET", "/", answers=[ResponseSpec(204, delay_ms=30)])

    decision, _ = decide(table, captured())

    assert decision.actions == (Wait(30), SendBytes(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert decision.immediate is None


@pytest.mark.parametrize(
    ("spec", "request_"),
    [(ResponseSpec(), captured(keep_alive=False)), (ResponseSpec(headers={"Connection": "close"}), captured())],
)
def test_a_connection_that_ends_is_closed_after_the_bytes(spec, request_):
    decision, problem = decision_for(spec, request_, Random(0))

    assert [type(action) for action in decision.actions] == [SendBytes, Close]
    assert (decision.immediate, problem) == (None, None)


def test_a_responder_is_asked(table):
    def responder(request):
        return SPEC

    mount(table, "GET", "/", answers=[responder])
    request = captured()

    decision, problem = decide(table, request)

    assert decision.actions == (AskResponder(responder),)
    assert (request.status, problem) == (None, None)


def test_answers_of_a_sequence_come_one_after_the_other(table):
    mount(table, "GET", "/", answers=[ResponseSpec(429), ResponseSpec(200)])

    requests = [captured() for _ in range(3)]
    for request in requests:
        decide(table, request)

    assert [request.status for request in requests] == [429, 200, 200]


# Requests that get no proper answer


def test_an_exhausted_sequence_answers_500_and_says_how_long_it_was(table):
    mounted = mount(table, "GET", "/", answers=[SPEC, SPEC], then="error", source="t.py:3")
    request = captured(target="/?page=3")

    for _ in range(2):
        decide(table, captured())
    decision, problem = refused(table, request)

    assert request.status == 500
    assert problem.kind == "exhausted"
    assert problem.text == (
        "GET /?page=3: the sequence of GET / is used up: it has 2 answers and then='error' (registered at t.py:3).\n"
        "  add answers, or choose then='repeat' or then='cycle'"
    )
    assert request.route is mounted
    assert error_of(decision)["type"] == "api_simulator.exhausted"


def test_an_exception_of_a_predicate_is_answered_500_and_told(table):
    def broken(request):
        raise KeyError("model")

    mount(table, "GET", "/", Predicate(broken), source="t.py:3")
    request = captured(target="/?page=3")

    decision, problem = refused(table, request)

    assert request.status == 500
    assert problem.kind == "predicate"
    assert problem.text == (
        f"GET /?page=3: a condition of GET / with predicate {broken.__qualname__} raised KeyError: 'model'"
        " (registered at t.py:3)"
    )
    assert error_of(decision) == {
        "type": "api_simulator.predicate",
        "message": problem.text,
        "explanation": [problem.text],
    }


def test_an_unmatched_request_is_told_the_nearest_route_and_the_difference(table):
    mount(table, "GET", "/other", source="t.py:1")
    mount(table, "POST", "/v1/messages", source="t.py:2")

    request = captured("POST", "/v1/mesages?x=1")

    _, problem = refused(table, request)

    assert request.status == 404
    assert problem.text.splitlines()[:3] == [
        "POST /v1/mesages?x=1 matched no route.",
        "  nearest: POST /v1/messages (differs in path; registered at t.py:2)",
        "    path: expected /v1/messages, found /v1/mesages",
    ]
    assert '  add one with .register("POST", "/v1/mesages", MockResponseSpec(...))' in problem.text.splitlines()
    assert f"  or allow it: {RELAXATIONS}" in problem.text.splitlines()
    assert "expect_unmatched(1)" in RELAXATIONS
    assert "strict" in RELAXATIONS


def test_the_answer_to_an_unmatched_request_lists_the_nearest_routes_as_json(table):
    for path in ["/a", "/ab", "/abc", "/xyz"]:
        mount(table, "GET", path, source=f"t.py:{len(path)}")

    decision, problem = refused(table, captured(target="/abcd"))
    error = error_of(decision)

    assert error["type"] == "api_simulator.unmatched"
    assert error["message"] == "GET /abcd matched no route."
    assert error["explanation"] == problem.text.splitlines()
    assert [near["route"] for near in error["nearest"]] == ["GET /abc", "GET /ab", "GET /a"]
    assert error["nearest"][0] == {
        "route": "GET /abc",
        "registered_at": "t.py:4",
        "differences": ["path: expected /abc, found /abcd"],
    }


def test_without_any_route_the_text_says_so(table):
    decision, problem = refused(table, captured())

    assert "  no route is registered on this server." in problem.text
    assert problem.nearest == ()
    assert error_of(decision)["nearest"] == []


def test_a_head_request_without_route_gets_no_body(table):
    decision, _ = decide(table, captured("HEAD"))

    assert sent_by(decision).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        captured("POST", "/", b'{"a": "\\ud800"}'),
        captured("POST", "/", b'{"\\udfff": 1}'),
        captured("POST", "/?%ff=%ff", b"\xff\xfe"),
        captured("POST", "/", b'{"a": 1}', {"x": "\xff\x00\x7f"}),
        captured("POST", "/%ED%A0%80"),
    ],
    ids=["surrogate value", "surrogate key", "no utf-8", "odd header", "surrogate path"],
)
def test_no_request_is_too_strange_to_be_explained(table, request_):
    """What a client sends is quoted in the answer, and must not break it."""
    mount(table, "POST", "/", JsonBody({"a": "x"}), HeaderHas("x", Equals("1")))
    mount(table, "POST", "/?a=1")

    decision, problem = refused(table, request_)

    assert request_.status == 404
    assert error_of(decision)["explanation"] == problem.text.splitlines()


# The nearest routes


def test_a_route_that_differs_in_method_is_nearer_than_one_with_another_path(table):
    mount(table, "POST", "/v1/models")
    mount(table, "GET", "/v1/message")

    nearest = nearest_routes(table, captured("GET", "/v1/models"))

    assert [near.route for near in nearest] == ["POST /v1/models", "GET /v1/message"]
    assert [near.parts for near in nearest] == [("method",), ("path",)]


def test_every_part_that_differs_is_named_once(table):
    mount(table, "POST", "/a", HeaderHas("x", Anything()), HeaderHas("y", Anything()), JsonBody(1))

    [near] = nearest_routes(table, captured("GET", "/b"))

    assert near.parts == ("method", "path", "header", "body")
    assert len(near.differences) == 5
    assert 0.0 < near.distance <= 1.0


@pytest.mark.parametrize("position", [0, MAX_COMPARED_ROUTES, 5 * MAX_COMPARED_ROUTES - 1])
def test_the_nearest_of_very_many_routes_is_found_wherever_it_stands(table, position):
    for number in range(5 * MAX_COMPARED_ROUTES):
        path = "/v1/messages/count" if number == position else f"/{number:04}/items/{number}"
        mount(table, "POST", path)

    [nearest, *_] = nearest_routes(table, captured("POST", "/v1/mesages/count"))

    assert nearest.route == "POST /v1/messages/count"


def test_at_most_so_many_are_listed(table):
    for number in range(10):
        mount(table, "GET", f"/{number}")

    assert len(nearest_routes(table, captured(target="/x"))) == 3
    assert len(nearest_routes(table, captured(target="/x"), limit=5)) == 5
