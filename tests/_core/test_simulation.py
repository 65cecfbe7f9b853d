"""A server without its socket: recording, generations, retirement, responders, verdicts, events."""

import threading

import pytest

from api_simulator._core.actions import Reset, SendBytes
from api_simulator._core.conditions import Predicate
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.named_conditions import HeaderHas
from api_simulator._core.patterns import RequestPattern, parse_path
from api_simulator._core.routes import Answers, Route
from api_simulator._core.simulation import Simulation
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.text_matchers import Anything
from api_simulator.errors import NoRouteError, VerificationError
from tests._core.captured import captured

OK = ResponseSpec()


class SteppingClock:
    """A clock that goes on by a millisecond at every look: it stands in for time passing."""

    def __init__(self):
        self.reading_ns = 0

    def now_ns(self):
        self.reading_ns += 1_000_000
        return self.reading_ns

    def epoch_s(self, monotonic_ns):
        return monotonic_ns / 1e9


@pytest.fixture
def simulation():
    return Simulation(clock=SteppingClock())


def mount(simulation, method="GET", path="/", *conditions, answers=(OK,), then="repeat", source=""):
    parsed, from_path = parse_path(path)
    pattern = RequestPattern(method, parsed, (*from_path, *conditions))
    return simulation.mount(Route(pattern, Answers(answers, then), source))


def receive(simulation, *args, **more):
    request = captured(*args, generation=simulation.generation, clock=simulation.clock, **more)
    return request, simulation.receive(request)


# Recording


def test_a_request_is_in_the_journal_when_its_decision_is_there(simulation):
    mount(simulation)

    request, decision = receive(simulation)

    assert simulation.journal.requests() == [request]
    assert decision.immediate is not None


def test_an_unmatched_request_is_recorded_and_listed(simulation):
    request, _ = receive(simulation, target="/nothing")

    assert request.status == 404
    assert simulation.journal.requests() == [request]
    assert simulation.unmatched() == [request]


def test_malformed_input_is_kept_apart(simulation):
    simulation.receive_malformed(b"GARBAGE", "bad line", 3)

    [malformed] = simulation.journal.malformed
    assert (malformed.raw, malformed.error, malformed.connection_id) == (b"GARBAGE", "bad line", 3)
    assert simulation.journal.requests() == []
    assert simulation.verdict().ok


# Reset


def test_reset_forgets_routes_requests_problems_and_expectations(simulation):
    mount(simulation).expect(5)
    receive(simulation, target="/nothing")
    simulation.receive_malformed(b"", "", 1)
    simulation.expect_unmatched(7)

    simulation.reset()

    assert len(simulation.routes) == 0
    assert simulation.journal.requests() == []
    assert simulation.unmatched() == []
    assert list(simulation.journal.malformed) == []
    assert simulation.verdict().ok


def test_a_request_under_way_at_a_reset_is_answered_but_not_recorded(simulation):
    request = captured(generation=simulation.generation)
    simulation.reset()
    mount(simulation)

    decision = simulation.receive(request)

    assert decision.immediate is not None
    assert request.status == 200
    assert simulation.journal.count() == 0


def test_a_request_under_way_at_a_reset_is_no_call_of_a_new_route(simulation):
    """It belongs to the time before: it neither counts nor uses up an answer of the time after."""
    request = captured(generation=simulation.generation)
    simulation.reset()
    mounted = mount(simulation, answers=[ResponseSpec(429), ResponseSpec(200)]).expect(0)

    simulation.receive(request)

    assert mounted.call_count == 0
    assert simulation.verdict().ok
    assert receive(simulation)[0].status == 429


def test_an_unmatched_request_under_way_at_a_reset_is_no_failure(simulation):
    request = captured(generation=simulation.generation)
    simulation.reset()

    simulation.receive(request)

    assert request.status == 404
    assert simulation.verdict().ok


def test_a_responder_that_fails_after_a_reset_is_no_failure_of_what_comes_after(simulation):
    request = captured(generation=simulation.generation)
    simulation.reset()

    simulation.responder_failed(request, ValueError("late"))

    assert request.status == 500
    assert simulation.verdict().ok


# Retirement


def test_a_retired_server_abandons_every_request_and_tells_of_it(simulation):
    mount(simulation)
    late: list[CapturedRequest] = []

    simulation.retire(late.append)
    request, decision = receive(simulation)

    assert decision.actions == (Reset(),)
    assert late == [request]
    assert simulation.journal.count() == 0


# Responders


def test_the_answer_of_a_responder_is_an_answer(simulation):
    request, _ = receive(simulation)

    decision = simulation.responder_answered(request, ResponseSpec(201))

    assert decision.actions == (SendBytes(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),)
    assert request.status == 201


@pytest.mark.parametrize(("answer", "shown"), [(None, "NoneType: None"), ({"a": 1}, r"dict: \{'a': 1\}"), (200, "int")])
def test_a_responder_that_returns_something_else_is_a_problem(simulation, answer, shown):
    mount(simulation)
    request, _ = receive(simulation)

    simulation.responder_answered(request, answer)

    assert request.status == 500
    with pytest.raises(VerificationError, match=rf"a responder returns a ResponseSpec, got {shown}"):
        simulation.verdict().raise_if_failed()


def test_a_responder_that_raises_is_told_with_its_line(simulation):
    request, _ = receive(simulation, "POST", "/a?x")

    try:
        raise LookupError("no such model")
    except LookupError as error:
        simulation.responder_failed(request, error)

    [problem] = [problem for problem in simulation.verdict().problems if problem.kind == "responder"]
    assert request.status == 500
    assert problem.text.startswith("POST /a?x: the responder raised LookupError: no such model\n")
    assert 'raise LookupError("no such model")' in problem.text


def test_the_report_of_a_responder_that_raises_holds_its_last_frames_only(simulation):
    def deep(left):
        return deep(left - 1) if left else 1 / 0

    request, _ = receive(simulation)

    try:
        deep(50)
    except ZeroDivisionError as error:
        simulation.responder_failed(request, error)

    [problem] = [problem for problem in simulation.verdict().problems if problem.kind == "responder"]
    assert "1 / 0" in problem.text
    assert len(problem.text.splitlines()) < 20


def test_an_error_whose_text_utf8_cannot_hold_is_told_all_the_same(simulation):
    request, _ = receive(simulation)

    decision = simulation.responder_failed(request, ValueError("\ud800"))

    assert decision.immediate is not None
    assert request.status == 500


# Verdicts


def test_an_unmatched_request_fails(simulation):
    receive(simulation, target="/x")

    with pytest.raises(NoRouteError, match="GET /x matched no route"):
        simulation.verdict().raise_if_failed()


def test_what_was_reported_once_is_not_reported_again(simulation):
    receive(simulation, target="/x")
    with pytest.raises(NoRouteError):
        simulation.verdict().raise_if_failed()

    simulation.verdict().raise_if_failed()

    assert len(simulation.unmatched()) == 1


def test_call_counts_are_judged_anew_each_time(simulation):
    """Unlike a request without a proper answer, which is over, a count may still become right."""
    mount(simulation).expect(1)

    for _ in range(2):
        with pytest.raises(VerificationError, match="GET /: expected 1 call, found 0"):
            simulation.verdict().raise_if_failed()

    receive(simulation)
    simulation.verdict().raise_if_failed()


def test_without_strict_unmatched_requests_are_no_failure():
    simulation = Simulation(strict=False)
    receive(simulation)

    assert simulation.verdict().ok
    assert len(simulation.unmatched()) == 1


def test_without_strict_what_the_users_own_code_raised_still_is():
    simulation = Simulation(strict=False)
    mount(simulation, "GET", "/", Predicate(lambda request: 1 / 0))
    mount(simulation, "GET", "/end", answers=[ResponseSpec()], then="error")
    request, _ = receive(simulation)
    receive(simulation, target="/end")
    receive(simulation, target="/end")
    simulation.responder_failed(request, ValueError())

    assert {problem.kind for problem in simulation.verdict().problems} == {"predicate", "exhausted", "responder"}


@pytest.mark.parametrize(("expected", "ok"), [(0, False), (1, False), (2, True), (3, False)])
def test_exactly_the_expected_number_of_unmatched_requests_is_fine(simulation, expected, ok):
    simulation.expect_unmatched(expected)
    receive(simulation)
    receive(simulation)

    report = simulation.verdict()

    assert report.ok == ok
    said = [text.splitlines()[0] for text in report.unmet]
    assert said == ([] if ok else [f"expect_unmatched({expected}): found 2 unmatched requests"])
    # Each of them is explained, as it would have been without the expectation.
    assert [text.count("matched no route") for text in report.unmet] == ([] if ok else [2])


def test_expected_unmatched_requests_are_no_failure_before_the_end(simulation):
    simulation.expect_unmatched(2)
    receive(simulation)

    assert simulation.verdict(expectations=False).ok


def test_problems_of_requests_received_before_can_be_left_out(simulation):
    before, _ = receive(simulation, target="/before")
    after, _ = receive(simulation, target="/after")

    assert [problem.request for problem in simulation.verdict(since_ns=after.received_ns).problems] == [after]
    assert [problem.request for problem in simulation.verdict().problems] == [before, after]


def test_expectations_are_judged_at_the_end_only(simulation):
    mount(simulation, source="t.py:3").expect(2)
    receive(simulation)

    assert simulation.verdict(expectations=False).ok
    assert simulation.verdict().unmet == [
        "GET /: expected 2 calls, found 1 (registered at t.py:3)\n  #1    +0.000 s  GET / -> 200"
    ]


def test_routes_without_expectation_that_were_never_called_are_listed(simulation):
    mount(simulation, path="/called")
    mount(simulation, path="/optional").expect(at_most=1)
    mount(simulation, path="/forgotten", source="t.py:3")
    receive(simulation, target="/called")

    report = simulation.verdict()

    assert report.unused == ["GET /forgotten (registered at t.py:3)"]
    assert report.ok


def test_unused_routes_fail_if_the_server_says_so():
    simulation = Simulation(unused_fails=True)
    mount(simulation)

    assert not simulation.verdict().ok
    assert simulation.verdict(expectations=False).ok


# Events


def test_requests_answers_and_malformed_input_are_events():
    simulation = Simulation("quota", clock=SteppingClock())
    mount(simulation, "POST", "/a", HeaderHas("x", Anything()))
    answered, _ = receive(simulation, "POST", "/a?b", b"abc", headers={"x": ""})
    simulation.answered(answered)
    gone, _ = receive(simulation)
    simulation.aborted(gone)
    receive(simulation, target="/open")
    simulation.receive_malformed(b"", "bad line", 9)

    events = sorted(simulation.timeline())

    assert {event.source for event in events} == {"quota"}
    texts = [event.text for event in events]
    assert texts[0] == "#1 POST /a?b (3 bytes)  [POST /a with header x]"
    assert texts[1:] == [
        "#1 -> 200 after 1.0 ms",
        "#2 GET /  [no route]",
        "#2 the client went away before the answer was complete",
        "#3 GET /open  [no route]",
        "malformed input on connection 9: bad line",
    ]


def test_an_answer_without_status_is_told_as_none(simulation):
    request, _ = receive(simulation)
    request.status = None

    simulation.answered(request)

    assert "#1 -> no answer after" in simulation.timeline()[1].text


def test_waiting_threads_look_again_when_an_answer_is_complete_or_its_client_gone(simulation):
    first, _ = receive(simulation)
    second, _ = receive(simulation)
    threading.Timer(0.05, lambda: [simulation.answered(first), simulation.aborted(second)]).start()

    assert simulation.journal.wait_until(lambda: first.answered_ns and second.aborted, timeout_s=30)


# Threads


def test_routes_may_be_registered_while_requests_are_received(simulation):
    mount(simulation, path="/{anything}")
    registering = threading.Event()
    statuses: list[int | None] = []

    def receive_many():
        registering.wait(30)
        statuses.extend(receive(simulation, target=f"/{number}")[0].status for number in range(300))

    threads = [threading.Thread(target=receive_many) for _ in range(3)]
    for thread in threads:
        thread.start()
    registering.set()
    for number in range(300):
        mount(simulation, path=f"/{number}")
        mount(simulation, path=f"/{number % 7}/{{x}}")
    for thread in threads:
        thread.join()

    assert statuses == [200] * 900
    assert simulation.journal.count() == 900
