"""What is plain, and what an engine with a fast path is told about it."""

import pytest

from api_simulator._core.actions import Close, Hang, SendBytes, Wait
from api_simulator._core.paths import glob_path, literal_path, template_path
from api_simulator._core.patterns import RequestPattern
from api_simulator._core.plain import MAX_PLAIN_BYTES, Form, is_finite, plain_answers
from api_simulator._core.routes import Answers, Route
from api_simulator._core.simulation import Simulation
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.streams import chunks, sse
from api_simulator._core.tally import LocalTally
from api_simulator._core.troubles import make_trouble
from api_simulator.http import header, uniform


def route(method, path, *items, when=None, then="repeat", priority=0):
    pattern = path if not isinstance(path, str) else template_path(path, path)
    conditions = () if when is None else (when,)
    return Route(
        RequestPattern(method, pattern, conditions), Answers(items or (ResponseSpec(),), then), priority=priority
    )


# Answers


def compiled(registered, form):
    """Return the only answer of a route, and the bytes that it begins with."""
    answers = plain_answers(registered, form)
    assert answers is not None
    (actions,) = answers
    assert is_finite(actions)
    assert isinstance(actions[0], SendBytes)
    return actions, actions[0].data


def test_an_answer_is_compiled_for_each_form():
    registered = route("GET", "/", ResponseSpec(200, "hi"))

    assert compiled(registered, Form())[1].endswith(b"\r\n\r\nhi")
    actions, data = compiled(registered, Form(keep_alive=False))
    assert isinstance(actions[-1], Close)
    assert b"Connection: close" in data
    assert compiled(registered, Form(head_only=True))[1].endswith(b"Content-Length: 2\r\n\r\n")


def test_delays_and_faults_are_finite():
    answers = plain_answers(
        route("GET", "/", ResponseSpec(delay_ms=5), ResponseSpec(fault="HANG"), ResponseSpec(body=chunks("a", "b"))),
        Form(),
    )

    assert answers is not None
    assert answers[0][0] == Wait(5)
    assert answers[1] == (Hang(),)
    assert isinstance(answers[2][0], SendBytes)


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: ResponseSpec(),
        ResponseSpec(delay_ms=uniform(0, 5)),
        ResponseSpec(fault="RANDOM_DATA_THEN_CLOSE"),
        ResponseSpec(body="x", gzip=True),
        ResponseSpec(body=sse("1")),
        ResponseSpec(body=b"x" * (MAX_PLAIN_BYTES + 1)),
    ],
    ids=["function", "distribution", "random-bytes", "gzip", "events", "large"],
)
def test_what_depends_on_more_than_the_form_is_not_plain(answer):
    assert plain_answers(route("GET", "/", answer), Form()) is None
    assert plain_answers(route("GET", "/", ResponseSpec(), answer), Form()) is None


# Routes


def found(method, path, *routes):
    simulation = Simulation()
    mounted = [simulation.mount(each) for each in routes]
    winner = simulation.routes.find_plain(method, path)
    return None if winner is None else mounted.index(winner)


def test_the_route_that_always_wins_is_plain():
    assert found("GET", "/a", route("GET", "/a")) == 0
    assert found("GET", "/a", route("GET", "/a"), route("*", "/a")) == 1
    assert found("GET", "/a", route("*", "/a", priority=1), route("GET", "/a")) == 0
    assert found("HEAD", "/a", route("GET", "/a")) == 0
    assert found("HEAD", "/a", route("GET", "/a"), route("HEAD", "/a")) == 1
    assert found("POST", "/a", route("GET", "/a")) is None


def test_a_route_behind_one_that_may_match_is_not_plain():
    assert found("GET", "/a", route("GET", "/a"), route("GET", "/a", when=header("x", "1"))) is None
    assert found("GET", "/a", route("GET", "/a"), route("GET", "/{name}")) is None
    assert found("GET", "/a", route("GET", "/a"), route("GET", glob_path("/**"))) is None
    assert found("GET", "/a", route("GET", "/a"), route("GET", "/b/{name}")) == 0
    assert found("GET", "/a", route("GET", "/{name}"), route("GET", literal_path("/a"))) == 1


# What the engine is told


class Told:
    """A fast path that remembers what it was told."""

    def __init__(self):
        self.events = []

    def mounted(self, mounted):
        self.events.append(("mounted", str(mounted.route)))

    def changed(self, mounted):
        self.events.append(("changed", str(mounted.route)))

    def suspend(self):
        self.events.append("suspend")

    def reset(self, generation):
        self.events.append(("reset", generation))

    def intake_changed(self):
        self.events.append("intake")


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def simulation(told):
    simulation = Simulation()
    simulation.mount(route("GET", "/before"))
    simulation.use_fast_path(told)
    return simulation


def test_routes_from_before_and_after_are_told(simulation, told):
    simulation.mount(route("GET", "/after"))

    assert told.events == [("mounted", "GET /before"), "intake", ("mounted", "GET /after")]


@pytest.mark.parametrize(
    "change", [lambda m: m.fail(), lambda m: m.fault("HANG"), lambda m: m.hold(), lambda m: m.hold_until(2)]
)
def test_what_disturbs_a_route_is_told(simulation, told, change):
    mounted = simulation.mount(route("GET", "/a"))
    assert mounted.is_undisturbed

    change(mounted)

    assert told.events[-1] == ("changed", "GET /a")
    assert not mounted.is_undisturbed


def test_what_disturbs_everything_is_told(simulation, told):
    simulation.add_trouble(make_trouble("HANG", on=None, between_s=None, probability=1, now_ns=0))
    assert told.events[-1] == "suspend"
    assert not simulation.is_undisturbed

    simulation.reset()
    assert told.events[-2:] == [("reset", 1), "intake"]
    assert simulation.is_undisturbed

    simulation.retire(lambda _: None)
    assert told.events[-1] == "suspend"


def test_how_requests_are_to_be_read_is_told(simulation, told):
    for change in (
        lambda: simulation.slow_accept(5),
        lambda: simulation.throttle_uploads(5),
        lambda: simulation.mount(route("GET", "/e", ResponseSpec(early=True))),
    ):
        told.events.clear()
        change()
        assert "intake" in told.events


def test_a_tally_counts_calls_and_answers_apart():
    tally = LocalTally()

    assert (tally.count_call(), tally.count_call(), tally.take_answer(), tally.take_answer()) == (1, 2, 0, 1)
    assert (tally.calls, tally.position) == (2, 2)
