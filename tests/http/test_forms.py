"""The forms in which routes are written: today's, the older ones, and what is refused."""

import _thread
import functools
import threading
import time

import pytest

from api_simulator.errors import RouteError, SpecError
from api_simulator.http import MockHttpServer, ResponseSpec, header, json_body, query
from api_simulator.http import _forms as forms
from tests.http.calls import get


@pytest.fixture
def server():
    """A server that is not running: registering needs none."""
    return MockHttpServer()


def only_answer(mounted):
    [answer] = mounted.route.answers.items
    return answer


# The older keywords


@pytest.mark.parametrize(
    ("keywords", "spec"),
    [
        ({"json": {"a": 1}}, ResponseSpec(200, {"a": 1})),
        ({"json": [], "status": 201}, ResponseSpec(201, [])),
        ({"json": "text"}, ResponseSpec(200, "text")),
        ({"json": None}, ResponseSpec(200)),
        ({"status": 204}, ResponseSpec(204)),
        ({"headers": {"X": "1"}}, ResponseSpec(200, None, {"X": "1"})),
        ({"json": 1, "headers": [("X", "1"), ("X", "2")]}, ResponseSpec(200, 1, [("X", "1"), ("X", "2")])),
        ({"status": 503, "delay_seconds": 0.5}, ResponseSpec(503, delay_ms=500)),
    ],
)
def test_the_older_keywords_are_a_spec(server, keywords, spec):
    """In ``register`` by name, in a sequence as dicts, and as one dict in place of a spec."""
    registered = server.register("GET", "/a", **keywords)
    in_sequence = server.register_sequence("GET", "/b", responses=[keywords])
    as_dict = server.register("GET", "/c", keywords)

    assert only_answer(registered) == only_answer(in_sequence) == only_answer(as_dict) == spec


@pytest.mark.parametrize(
    ("delay_seconds", "delay_ms"),
    [
        (0, 0),
        (1, 1000),
        (0.07, 70),
        (0.29, 290),
        (1.1, 1100),
        (2.007, 2007),
        (4.001, 4001),
        (0.0011, 2),
        (0.0001, 1),
        (0.000001, 1),
        (2.0000004, 2001),
        (0.0, 0),
    ],
)
def test_delay_seconds_are_rounded_up_to_whole_milliseconds(server, delay_seconds, delay_ms):
    """A delay is never short; the last digits of a binary fraction do not make it a millisecond longer."""
    assert only_answer(server.register("GET", "/", delay_seconds=delay_seconds)).delay_ms == delay_ms


@pytest.mark.parametrize("delay_seconds", [True, "1", None, -0.001, float("nan"), float("inf")])
def test_delay_seconds_that_are_no_time_are_refused(server, delay_seconds):
    with pytest.raises(SpecError, match="delay_seconds: expected "):
        server.register("GET", "/", delay_seconds=delay_seconds)


def test_the_older_sequence_form_answers_in_order():
    with MockHttpServer() as server:
        server.register_sequence("GET", "/q", responses=[{"status": 429, "headers": {"Retry-After": 1}}, {"json": 1}])

        first, second = get(server, "/q"), get(server, "/q")

    assert (first.status, dict(first.headers)["Retry-After"]) == (429, "1")
    assert (second.status, second.json) == (200, 1)


# What cannot be read


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({}, r"spec: nothing to answer with; pass ResponseSpec\(...\) or a function of the request"),
        (
            {"spec": ResponseSpec(), "json": {}, "status": 200},
            "register: give either a spec or the keywords json, status, not both",
        ),
        ({"spec": ResponseSpec(), "headers": None}, "not both"),
        ({"spec": 404}, r"spec: expected a ResponseSpec .* got 404; pass ResponseSpec\(status=404\)"),
        ({"spec": "hello"}, "spec: expected a ResponseSpec or a function of the request, got 'hello'$"),
        ({"spec": [ResponseSpec()]}, "spec: expected a ResponseSpec"),
        ({"spec": ResponseSpec}, "spec: expected a ResponseSpec or a function of the request, got <class"),
        ({"spec": {"jsn": 1}}, r"spec: unknown key 'jsn'; a response as a dict has json, status, delay_seconds, head"),
        ({"spec": {"user": "ann"}}, r"If it is meant as the body: ResponseSpec\(body=\{...\}\)"),
        ({"spec": lambda: None}, "spec: a responder takes one argument, the captured request; got <function"),
        ({"spec": lambda a, b: None}, "spec: a responder takes one argument"),
    ],
)
def test_an_answer_that_cannot_be_read_is_refused(server, keywords, complaint):
    with pytest.raises(RouteError, match=complaint):
        server.register("GET", "/", **keywords)

    assert server.routes == []


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({}, "register_sequence: give the responses once, as specs or as responses="),
        ({"specs": [ResponseSpec()], "responses": [{}]}, "give the responses once"),
        ({"specs": []}, "an empty sequence answers nothing"),
        ({"responses": []}, "an empty sequence answers nothing"),
        ({"specs": ResponseSpec()}, "specs: expected a list of ResponseSpec, got ResponseSpec"),
        ({"specs": {"json": 1}}, "specs: expected a list of ResponseSpec"),
        ({"specs": "abc"}, "specs: expected a list of ResponseSpec, got 'abc'"),
        ({"specs": 3}, "specs: expected a list of ResponseSpec, got 3"),
        ({"specs": [ResponseSpec(), 404]}, r"specs\[1\]: expected a ResponseSpec"),
        ({"responses": [{}, {"delay": 1}]}, r"\[1\]: unknown key 'delay'"),
        ({"specs": [ResponseSpec()], "then": "stop"}, "then: expected 'repeat', 'cycle' or 'error', got 'stop'"),
    ],
)
def test_a_sequence_that_cannot_be_read_is_refused(server, keywords, complaint):
    with pytest.raises(RouteError, match=complaint):
        server.register_sequence("GET", "/", **keywords)

    assert server.routes == []


@pytest.mark.parametrize(
    ("method", "path", "when", "complaint"),
    [
        ("G T", "/", None, "method: expected an HTTP method"),
        ("/a", "GET", None, r"register: method '/a' and path 'GET' are swapped; give the method first"),
        ("GET", "a", None, r"path: 'a' does not start with '/'; did you mean '/a'\?"),
        ("GET", "/", lambda request: True, r"when: expected a condition such as json_body\(\{...\}\) or where"),
        ("GET", "/", {"a": 1}, "when: expected a condition"),
    ],
)
def test_a_request_that_cannot_be_described_so_is_refused(server, method, path, when, complaint):
    with pytest.raises(RouteError, match=complaint):
        server.register(method, path, ResponseSpec(), when=when)
    with pytest.raises(RouteError, match=complaint):
        server.register_sequence(method, path, [ResponseSpec()], when=when)


# What can


class Callable:
    """An object that can be called like a function."""

    def method(self, request):
        return ResponseSpec()

    def __call__(self, request):
        return ResponseSpec()


@pytest.mark.parametrize(
    "responder",
    [
        lambda request: ResponseSpec(),
        lambda request, extra=1: ResponseSpec(),
        lambda *args: ResponseSpec(),
        functools.partial(lambda spec, request: spec, ResponseSpec()),
        Callable(),
        Callable().method,
        {}.get,
        max,
    ],
    ids=["function", "default", "star", "partial", "object", "method", "c function", "c function without signature"],
)
def test_whatever_takes_one_argument_is_a_responder(server, responder):
    assert only_answer(server.register("GET", "/", responder)) == responder


def test_a_sequence_mixes_specs_responders_and_dicts(server):
    def responder(request):
        return ResponseSpec()

    mounted = server.register_sequence("GET", "/", iter([ResponseSpec(201), responder, {"status": 202}]))

    assert mounted.route.answers.items == (ResponseSpec(201), responder, ResponseSpec(202))


def test_conditions_of_path_and_when_are_joined(server):
    mounted = server.register("GET", "/?a=1", ResponseSpec(), when=header("X") & json_body({}))

    assert mounted.route.pattern.conditions == (query({"a": "1"}, exact=True), header("x"), json_body({}))


def test_an_argument_that_was_left_out_is_shown_as_such():
    assert repr(forms.UNSET) == "<not given>"


# Where it was written


def test_a_route_knows_the_line_of_its_registration(server):
    mounted = server.register("GET", "/", ResponseSpec())
    in_sequence = server.register_sequence("GET", "/s", [ResponseSpec()])

    file, _, line = mounted.route.source.rpartition(":")
    assert file.endswith("test_forms.py")
    assert in_sequence.route.source == f"{file}:{int(line) + 1}"


def test_the_line_is_relative_to_the_current_folder(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = compile('server.register("GET", "/", {})', str(tmp_path / "sub" / "test_x.py"), "exec")

    exec(code, {"server": server})

    assert server.routes[0].route.source in ("sub/test_x.py:1", "sub\\test_x.py:1")


def test_a_registration_that_no_python_code_made_has_no_line(server):
    """A thread may be started with the method itself: then there is no caller to name."""
    _thread.start_new_thread(server.register, ("GET", "/", ResponseSpec()))
    deadline = time.monotonic() + 20
    while not server.routes and time.monotonic() < deadline:
        threading.Event().wait(0.001)

    assert server.routes[0].route.source == ""


def test_code_in_a_folder_whose_name_only_begins_like_ours_is_the_users(server):
    """A package ``api_simulator_extras`` beside this one is a caller, not a part of it."""
    package = forms.__file__.rpartition("api_simulator")[0] + "api_simulator_extras"
    code = compile('server.register("GET", "/", {})', f"{package}/routes.py", "exec")

    exec(code, {"server": server})

    assert server.routes[0].route.source.endswith("routes.py:1")
