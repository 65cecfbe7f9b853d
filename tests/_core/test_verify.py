"""Expectations and verdicts: what is allowed, what is said, and that it is said once."""

import pytest

from api_simulator._core.verify import Expectation, Problem, VerificationReport
from api_simulator.errors import NoRouteError, RouteError, VerificationError
from tests._core.captured import captured


@pytest.mark.parametrize(
    ("given", "allowed", "refused", "shown"),
    [
        ({"times": 0}, [0], [1], "0 calls"),
        ({"times": 1}, [1], [0, 2], "1 call"),
        ({"times": 2}, [2], [1, 3], "2 calls"),
        ({"at_least": 2}, [2, 3, 1000], [0, 1], "at least 2 calls"),
        ({"at_most": 2}, [0, 1, 2], [3], "at most 2 calls"),
        ({"at_least": 1, "at_most": 3}, [1, 2, 3], [0, 4], "1 to 3 calls"),
        ({"at_least": 2, "at_most": 2}, [2], [1, 3], "2 calls"),
        ({"at_least": 0}, [0, 5], [], "at least 0 calls"),
    ],
)
def test_an_expectation_allows_these_numbers_and_is_shown_so(given, allowed, refused, shown):
    expectation = Expectation.between(given.get("times"), given.get("at_least"), given.get("at_most"))

    assert [count for count in (*allowed, *refused) if expectation.allows(count)] == allowed
    assert str(expectation) == shown


@pytest.mark.parametrize(
    ("times", "at_least", "at_most", "complaint"),
    [
        (None, None, None, r"expect\(\): say how often, for example expect\(1\)"),
        (1, 1, None, r"expect\(\): give either times, or at_least and at_most"),
        (1, None, 1, r"expect\(\): give either times, or at_least and at_most"),
        (None, 3, 2, r"expect\(\): at_least=3 is more than at_most=2"),
        (-1, None, None, r"expect\(times=\): expected a whole number of calls, 0 or more, got -1"),
        (None, 1.5, None, r"expect\(at_least=\): .* got 1.5"),
        (None, None, True, r"expect\(at_most=\): .* got True"),
        ("1", None, None, r"expect\(times=\): .* got '1'"),
    ],
)
def test_an_expectation_that_says_nothing_or_contradicts_itself_is_refused(times, at_least, at_most, complaint):
    with pytest.raises(RouteError, match=complaint):
        Expectation.between(times, at_least, at_most)


def _problem(kind, text="text of it"):
    return Problem(kind, captured(), text)


def test_an_empty_report_is_ok_and_raises_nothing():
    report = VerificationReport(unused=["GET /a"])

    report.raise_if_failed()

    assert report.ok
    assert report.text() == ""


def test_unused_routes_are_a_failure_only_if_asked():
    report = VerificationReport(unused=["GET /a (registered at t.py:3)"], unused_fails=True)

    assert not report.ok
    assert report.text() == "route never called: GET /a (registered at t.py:3)"
    with pytest.raises(VerificationError):
        report.raise_if_failed()


def test_the_text_has_problems_then_expectations_then_unused_routes():
    report = VerificationReport([_problem("unmatched", "first\n  more")], ["GET /: expected 1"], ["GET /b"], True)

    assert report.text() == "first\n  more\nexpectation not met: GET /: expected 1\nroute never called: GET /b"


@pytest.mark.parametrize(
    ("report", "error"),
    [
        (VerificationReport([_problem("unmatched"), _problem("unmatched")]), NoRouteError),
        (VerificationReport([_problem("unmatched"), _problem("responder")]), VerificationError),
        (VerificationReport([_problem("predicate")]), VerificationError),
        (VerificationReport([_problem("exhausted")]), VerificationError),
        (VerificationReport([_problem("unmatched")], ["GET /: expected 1"]), VerificationError),
        (VerificationReport([], ["GET /: expected 1"]), VerificationError),
    ],
)
def test_no_route_error_is_raised_only_if_nothing_else_is_wrong(report, error):
    with pytest.raises(VerificationError) as raised:
        report.raise_if_failed()

    assert type(raised.value) is error
    assert str(raised.value) == report.text()
    assert raised.value.report is report


def test_a_verification_error_is_an_assertion_error():
    """So that runners show it as a failure, not as an error."""
    assert issubclass(NoRouteError, AssertionError)


def test_raising_marks_the_problems_as_reported():
    problem = _problem("unmatched")

    with pytest.raises(NoRouteError):
        VerificationReport([problem]).raise_if_failed()

    assert problem.reported
