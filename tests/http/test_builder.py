"""The short forms: what each verb answers with, and what is refused before anything is registered."""

import pytest

from api_simulator._core.conditions import AllOf
from api_simulator.errors import RouteError, SpecError
from api_simulator.http import (
    Fault,
    MockHttpServer,
    Pace,
    PendingRoute,
    ResponseSpec,
    header,
    query,
    stalled,
    truncated,
    uniform,
    wrong_length,
)
from tests.http.calls import call, get


class Registered:
    """Stands in for a server: remembers what was registered, because the values are what these tests look at."""

    def __init__(self):
        self.calls = []

    def __call__(self, pending, answers, then, when):
        self.calls.append((answers, then, when))
        return "the mounted route"

    @property
    def answers(self):
        (((*answers,), _, _),) = self.calls
        return answers


@pytest.fixture
def registered():
    return Registered()


@pytest.fixture
def pending(registered):
    return PendingRoute(registered, "GET /a")


X_1024 = "x" * 1024


@pytest.mark.parametrize(
    ("answered", "spec"),
    [
        (lambda route: route.json({"a": 1}), ResponseSpec(200, {"a": 1})),
        (lambda route: route.json([]), ResponseSpec(200, [])),
        (lambda route: route.json("text"), ResponseSpec(200, b'"text"', {"Content-Type": "application/json"})),
        (lambda route: route.json(b"[1]"), ResponseSpec(200, b"[1]", {"Content-Type": "application/json"})),
        (lambda route: route.json(None), ResponseSpec(200, b"null", {"Content-Type": "application/json"})),
        (lambda route: route.text("hi"), ResponseSpec(200, "hi")),
        (
            lambda route: route.content(b"hi", content_type="image/png"),
            ResponseSpec(200, b"hi", {"Content-Type": "image/png"}),
        ),
        (lambda route: route.empty(), ResponseSpec(200)),
        (lambda route: route.status(201).empty(), ResponseSpec(201)),
        (lambda route: route.delay(20).text("hi"), ResponseSpec(200, "hi", delay_ms=20)),
        (lambda route: route.delay(uniform(1, 2)).empty(), ResponseSpec(delay_ms=uniform(1, 2))),
        (
            lambda route: route.headers({"A": "1"}).headers([("a", "2"), ("B", 3)]).empty(),
            ResponseSpec(headers=[("A", "1"), ("a", "2"), ("B", "3")]),
        ),
        (
            lambda route: route.headers({"content-type": "a/b"}).json(None),
            ResponseSpec(200, b"null", {"content-type": "a/b"}),
        ),
        (lambda route: route.gzip().text("hi"), ResponseSpec(200, "hi", gzip=True)),
        (lambda route: route.early().text("hi"), ResponseSpec(200, "hi", early=True)),
        (lambda route: route.trailers({"T": "1"}).text("hi"), ResponseSpec(200, "hi", trailers={"T": "1"})),
        (
            lambda route: route.informational(103, {"Link": "l"}).informational(102).text("hi"),
            ResponseSpec(200, "hi", informational=[(103, {"Link": "l"}), (102, None)]),
        ),
        (lambda route: route.pace(bytes_per_s=9).text("hi"), ResponseSpec(200, "hi", pace=Pace(bytes_per_s=9))),
        (
            lambda route: route.pace(body_delay_ms=1, trailers_delay_ms=2, dribble=(3, 4)).text("hi"),
            ResponseSpec(200, "hi", pace=Pace(1, 2, None, (3, 4))),
        ),
        (lambda route: route.redirect("/b"), ResponseSpec(307, headers={"Location": "/b"})),
        (lambda route: route.redirect("/b", status=301), ResponseSpec(301, headers={"Location": "/b"})),
        (lambda route: route.fault("HANG"), ResponseSpec(fault=Fault.HANG)),
        (lambda route: route.status(500).fault(Fault.HALF_CLOSE), ResponseSpec(500, fault=Fault.HALF_CLOSE)),
        (lambda route: route.hang(), ResponseSpec(fault=Fault.HANG)),
        (lambda route: route.reset_connection(), ResponseSpec(fault=Fault.CONNECTION_RESET_BY_PEER)),
        (lambda route: route.close_connection(), ResponseSpec(fault=Fault.EMPTY_RESPONSE)),
        (lambda route: route.truncate(10), ResponseSpec(200, X_1024, fault=truncated(10))),
        (lambda route: route.truncate(1, "abc", reset=True), ResponseSpec(200, "abc", fault=truncated(1, reset=True))),
        (lambda route: route.stall(), ResponseSpec(200, X_1024, fault=stalled(0))),
        (lambda route: route.stall(2, {"a": 1}), ResponseSpec(200, {"a": 1}, fault=stalled(2))),
        (lambda route: route.wrong_length(-3), ResponseSpec(200, X_1024, fault=wrong_length(-3))),
        (lambda route: route.respond(ResponseSpec(418)), ResponseSpec(418)),
    ],
)
def test_each_verb_is_a_spec(pending, registered, answered, spec):
    """The short form says nothing that the long one could not."""
    assert answered(pending) == "the mounted route"
    assert registered.answers == [spec]


@pytest.mark.parametrize(
    ("answered", "content_type", "pieces"),
    [
        (lambda route: route.chunks(b"a", "b"), "application/octet-stream", (b"a", b"b")),
        (lambda route: route.chunks(b"a", content_type="a/b"), "a/b", (b"a",)),
        (lambda route: route.ndjson({"a": 1}, 2), "application/x-ndjson", (b'{"a":1}\n', b"2\n")),
        (lambda route: route.sse("one"), "text/event-stream", (b"data: one\n\n",)),
    ],
)
def test_a_verb_for_a_body_in_pieces_sends_these_pieces(server, answered, content_type, pieces):
    answered(server.get("/a"))

    answer = get(server, "/a")

    assert answer.body == b"".join(pieces)
    assert dict(answer.headers)["Content-Type"].partition(";")[0] == content_type


def test_a_stream_or_a_file_can_be_answered_again_and_again(server, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(b"of a file")
    server.get("/file").file(path)
    server.get("/stream").stream(iter([b"of ", b"an iterator"]))

    for _ in range(2):
        assert get(server, "/file").body == b"of a file"
        assert get(server, "/stream").body == b"of an iterator"


def test_a_sequence_takes_statuses_with_what_was_said_before(pending, registered):
    pending.headers({"A": "1"}).delay(5).sequence(503, 200, then="cycle")

    ((answers, then, when),) = registered.calls
    assert answers == tuple(ResponseSpec(status, None, {"A": "1"}, 5) for status in (503, 200))
    assert (then, when) == ("cycle", None)


def test_a_sequence_takes_specs_and_functions(pending, registered):
    def responder(request):
        return ResponseSpec()

    pending.sequence(ResponseSpec(201), responder)

    assert registered.answers == [ResponseSpec(201), responder]


def test_conditions_are_collected(pending, registered):
    pending.when(query("a")).when(header("b") & header("c")).empty()

    ((_, _, when),) = registered.calls
    assert when == AllOf((query("a"), header("b"), header("c")))


@pytest.mark.parametrize(
    "said_before",
    [
        lambda route: route.status(201),
        lambda route: route.headers({"A": "1"}),
        lambda route: route.delay(1),
        lambda route: route.pace(bytes_per_s=1),
        lambda route: route.gzip(),
        lambda route: route.early(),
    ],
)
@pytest.mark.parametrize(
    "answered", [lambda route: route.respond(ResponseSpec()), lambda route: route.sequence(ResponseSpec())]
)
def test_a_whole_answer_takes_nothing_that_was_said_before(pending, registered, said_before, answered):
    """It would be lost without a word."""
    with pytest.raises(RouteError, match="a whole answer has its own status, headers and delay"):
        answered(said_before(pending))
    assert registered.calls == []


@pytest.mark.parametrize(
    ("answered", "error", "message"),
    [
        (lambda route: route.respond({"a": 1}), RouteError, "respond: expected a ResponseSpec or a function"),
        (lambda route: route.respond(200), RouteError, "respond: expected a ResponseSpec or a function"),
        (lambda route: route.sequence("x"), RouteError, "sequence: expected a ResponseSpec or a function"),
        (lambda route: route.sequence(True), RouteError, "sequence: expected a ResponseSpec or a function"),
        (lambda route: route.redirect("/b", status=200), RouteError, "redirect: expected status 301"),
        (lambda route: route.when("x"), RouteError, "when: expected a condition such as json_body"),
        (lambda route: route.status(99).empty(), SpecError, "status: expected a whole number from 200"),
        (lambda route: route.headers({"a b": "1"}), SpecError, "is no field name"),
        (lambda route: route.json({1, 2}), SpecError, "set is not a JSON type"),
        (lambda route: route.fault("NONE"), SpecError, "fault: expected one of CONNECTION_RESET_BY_PEER"),
        (lambda route: route.pace(bytes_per_s=0), SpecError, "bytes_per_s: expected a whole number"),
        (lambda route: route.status(204).text("hi"), SpecError, "a 204 answer has none"),
    ],
)
def test_what_makes_no_answer_is_refused_and_registers_nothing(pending, registered, answered, error, message):
    with pytest.raises(error, match=message):
        answered(pending)
    assert registered.calls == []


def test_a_route_has_one_answer(pending):
    pending.text("one")

    with pytest.raises(RouteError, match="GET /a has its answer already; start a new route"):
        pending.text("two")


def test_repr_tells_whether_it_is_registered(pending):
    assert repr(pending) == "<PendingRoute GET /a>"
    pending.empty()
    assert repr(pending) == "<PendingRoute GET /a, registered>"


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options"])
def test_each_short_form_is_a_method(server, method):
    mounted = getattr(server, method)("/a", priority=3).empty()

    assert (str(mounted.route), mounted.route.priority) == (f"{method.upper()} /a", 3)
    assert call(server, method.upper(), "/a").status == 200


def test_any_is_every_method(server):
    assert str(server.any("/a").empty().route) == "* /a"


@pytest.mark.parametrize("priority", [1.5, True, "1", None])
def test_a_priority_is_a_whole_number(server, priority):
    with pytest.raises(RouteError, match="priority: expected a whole number, higher wins"):
        server.get("/a", priority=priority)
    assert server.simulation.pending == {}


def test_a_path_that_cannot_match_is_refused_at_once(server):
    """At the line that has it, before any verb."""
    with pytest.raises(RouteError, match="does not start with '/'"):
        server.get("a")
    assert server.simulation.pending == {}


def test_a_route_is_pending_until_its_verb():
    server = MockHttpServer()
    pending = server.get("/a")
    assert "GET /a (at tests/http/test_builder.py:" in server.verdict().text()

    with pytest.raises(RouteError):
        pending.redirect("/b", status=200)
    assert not server.verdict().ok
    mounted = pending.respond(ResponseSpec())

    assert server.verdict().ok
    assert server.routes == [mounted]
    assert "tests/http/test_builder.py:" in mounted.route.source
