"""
Assertions about the time between requests.

Passing cases allow any lateness, failing ones differ by minutes: no machine is too slow for them. The
exact limits are tested over made-up stamps, in ``tests/_core/test_timing.py``.
"""

import threading
from email.utils import formatdate

import pytest

from api_simulator.errors import VerificationError
from api_simulator.http import ResponseSpec
from tests.conformance.asking import ask
from tests.conformance.manifest import requirement

#: So late may a request be on the slowest machine.
SLACK_S = 60.0
#: What nobody waits in these tests.
MINUTES_S = 600.0


def pause(seconds):
    """Let time pass, as a client does that backs off."""
    threading.Event().wait(seconds)


@requirement("verify:backoff:waits")
def test_waits_as_expected_pass(server):
    route = server.get("/").sequence(503, 503, 200)
    ask(server, "/")
    pause(0.02)
    ask(server, "/")
    pause(0.04)
    ask(server, "/")

    route.assert_backoff([0.02, 0.04], slack_s=SLACK_S)


@requirement("verify:backoff:waits")
def test_waits_too_short_too_long_too_few_are_named(server):
    route = server.get("/").status(503).empty()
    ask(server, "/", "/", "/")

    with pytest.raises(VerificationError, match=r"GET /: back-off is not as expected\n  wait 1: expected 600 s ± 10%"):
        route.assert_backoff([MINUTES_S, 0], jitter=0.1, slack_s=SLACK_S)
    with pytest.raises(VerificationError, match="expected 2 requests, found 3"):
        route.assert_backoff([0], slack_s=SLACK_S)
    with pytest.raises(VerificationError, match=r"wait 1: expected 0 s, found .*\n(.*\n)*  #1 .* GET / -> 503\n  #2 "):
        route.assert_backoff([0, 0], slack_s=-SLACK_S)


@requirement("verify:backoff:waits")
def test_a_wait_is_counted_from_the_end_of_the_answer(server):
    """A slow server is no patience of the client."""
    route = server.get("/").delay(50).empty()
    ask(server, "/", "/")

    with pytest.raises(VerificationError, match="wait 1: expected 600 s"):
        route.assert_backoff([MINUTES_S], slack_s=SLACK_S)
    first, second = route.requests
    assert second.received_ns - first.received_ns >= 50_000_000
    assert first.answered_ns is not None


@requirement("verify:retry-after:seconds")
def test_seconds_are_honoured_by_waiting(server):
    route = server.get("/").sequence(ResponseSpec(429, headers={"Retry-After": "1"}), 200)
    ask(server, "/")
    pause(1.0)
    ask(server, "/")

    route.assert_honours_retry_after(slack_s=SLACK_S)


@requirement("verify:retry-after:seconds")
def test_seconds_are_not_honoured_by_calling_again_at_once(server):
    route = server.get("/").sequence(ResponseSpec(429, headers={"retry-after": "600"}), 200)
    ask(server, "/", "/")

    with pytest.raises(VerificationError, match=r"#1 said Retry-After: 600, the next request came after \d+\.\d+ s"):
        route.assert_honours_retry_after(slack_s=SLACK_S)


@requirement("verify:retry-after:seconds")
def test_what_a_function_or_a_limit_answered_counts_too(server):
    asked = server.get("/asked").respond(lambda request: ResponseSpec(503, headers={"Retry-After": "600"}))
    limited = server.get("/limited").empty()
    server.rate_limit(1, MINUTES_S, routes=[limited])
    ask(server, "/asked", "/asked", "/limited", "/limited", "/limited")

    for route in (asked, limited):
        with pytest.raises(VerificationError, match="said Retry-After: "):
            route.assert_honours_retry_after(slack_s=SLACK_S)


@requirement("verify:retry-after:date")
@pytest.mark.parametrize("late_s", [-MINUTES_S, MINUTES_S], ids=["past", "future"])
def test_a_date_is_read(server, late_s):
    """A date in the past asks for no wait; one in the future does."""

    def busy(request):
        return ResponseSpec(503, headers={"Retry-After": formatdate(request.received_at + late_s, usegmt=True)})

    route = server.get("/").respond(busy)
    ask(server, "/", "/")

    if late_s < 0:
        route.assert_honours_retry_after(slack_s=SLACK_S)
    else:
        with pytest.raises(VerificationError, match=r"#1 said Retry-After: (599|600)"):
            route.assert_honours_retry_after(slack_s=SLACK_S)


@requirement("verify:retry-after:nothing")
@pytest.mark.parametrize("fields", [{}, {"Retry-After": "soon"}])
def test_without_the_field_nothing_was_checked(server, fields):
    route = server.get("/").respond(ResponseSpec(503, headers=fields))
    ask(server, "/", "/")

    with pytest.raises(VerificationError, match="nothing to check"):
        route.assert_honours_retry_after()


@requirement("verify:interval:minimum")
def test_requests_keep_their_distance_or_are_named(server):
    route = server.get("/").empty()
    ask(server, "/")
    pause(0.03)
    ask(server, "/")

    route.assert_min_interval(0.03)
    with pytest.raises(VerificationError, match=r"#2 came 0\.\d+ s after #1, expected at least 600 s"):
        route.assert_min_interval(MINUTES_S)


@requirement("verify:rate:maximum")
def test_a_stretch_with_too_many_requests_is_named(server):
    route = server.get("/").empty()
    ask(server, *["/"] * 5)

    route.assert_rate(max_per_s=5 / MINUTES_S, window_s=MINUTES_S)
    with pytest.raises(VerificationError, match=r"5 requests within 600 s from #1 on, expected at most 4"):
        route.assert_rate(max_per_s=4 / MINUTES_S, window_s=MINUTES_S)
    with pytest.raises(ValueError, match="expected numbers above 0"):
        route.assert_rate(max_per_s=0)
