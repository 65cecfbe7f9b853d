"""Routes: which one answers, what successive calls get, and what is said about their number."""

import gc
import re
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.conditions import Predicate
from api_simulator._core.journal import Journal
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.named_conditions import HeaderHas, QueryHas
from api_simulator._core.paths import glob_path
from api_simulator._core.patterns import RequestPattern, parse_method, parse_path
from api_simulator._core.routes import Answers, Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.table import RouteTable
from api_simulator._core.text_matchers import Anything, Equals
from api_simulator.errors import JournalOverflowError, RouteError, VerificationError
from tests._core.captured import captured

OK = Answers((ResponseSpec(),))


def route(method, path, *conditions, answers=OK, source="", priority=0):
    parsed, from_path = parse_path(path)
    return Route(RequestPattern(parse_method(method), parsed, (*from_path, *conditions)), answers, source, priority)


class Table:
    """A table with its journal."""

    def __init__(self):
        self.journal = Journal()
        self.routes = RouteTable()

    def mount(self, *args, **more):
        return self.routes.mount(route(*args, **more), self.journal)

    def find(self, *args, **more):
        found = self.routes.find(captured(*args, **more))
        return found[0] if found else None


@pytest.fixture
def table():
    return Table()


# Precedence


def test_the_route_registered_last_wins_among_those_that_match(table):
    table.mount("GET", "/a", HeaderHas("x", Anything()))
    last = table.mount("GET", "/a")

    assert table.find(target="/a", headers={"x": "1"}) is last


def test_an_earlier_route_answers_what_the_later_one_does_not_match(table):
    general = table.mount("GET", "/a")
    special = table.mount("GET", "/a", HeaderHas("x", Anything()))

    assert table.find(target="/a") is general
    assert table.find(target="/a", headers={"x": "1"}) is special


@pytest.mark.parametrize("template_last", [True, False])
def test_a_template_and_a_literal_path_go_by_the_order_of_their_registration(table, template_last):
    paths = ["/users/me", "/users/{id}"] if template_last else ["/users/{id}", "/users/me"]
    _, last = [table.mount("GET", path) for path in paths]

    assert table.find(target="/users/me") is last


def test_the_same_pattern_again_replaces_its_route(table):
    first = table.mount("GET", "/a", answers=Answers((ResponseSpec(500),)))
    second = table.mount("get", "/a")

    assert table.find(target="/a") is second
    assert list(table.routes) == [second]
    assert first not in list(table.routes)


def test_a_replaced_route_is_forgotten(table):
    """A fixture that registers its default before every test must not fill the table."""

    def register(path):
        def responder(request):
            return ResponseSpec()

        table.mount("GET", path, answers=Answers((responder,)))
        return weakref.ref(responder)

    replaced = [register(path) for path in ("/a", "/{x}")]
    for path in ("/a", "/{x}"):
        register(path)
    gc.collect()

    assert [reference() for reference in replaced] == [None, None]


def test_a_replaced_route_moves_to_the_end_of_the_order(table):
    table.mount("GET", "/{x}")
    table.mount("GET", "/a")
    again = table.mount("GET", "/{x}")

    assert table.find(target="/a") is again


def test_a_literal_path_with_braces_does_not_replace_a_template(table):
    template = table.mount("GET", "/{id}")
    literal = table.mount("GET", "/{{id}}")

    assert list(table.routes) == [template, literal]


def test_no_route_no_match(table):
    assert table.find(target="/a") is None

    table.mount("POST", "/a")

    assert table.find(target="/a") is None


def test_a_template_gives_its_parameters(table):
    mounted = table.mount("GET", "/u/{id}/{part}")

    assert table.routes.find(captured(target="/u/7/x")) == (mounted, {"id": "7", "part": "x"})


@pytest.mark.parametrize(
    ("methods", "answered_by"),
    [
        (["GET"], 0),
        (["HEAD", "GET"], 0),
        (["*", "GET"], 0),
        (["GET", "*"], 1),
        (["*", "HEAD"], 1),
        (["HEAD", "*"], 1),
        (["POST"], None),
    ],
)
def test_head_is_answered_by_get_only_if_no_head_or_star_route_matches(table, methods, answered_by):
    """Whatever the order of registration: a GET route is the last resort."""
    mounted = [table.mount(method, "/a") for method in methods]

    found = table.find("HEAD", "/a")

    assert found is (None if answered_by is None else mounted[answered_by])


def test_a_cleared_table_is_empty(table):
    table.mount("GET", "/a")
    table.mount("GET", "/{x}")

    table.routes.clear()

    assert len(table.routes) == 0
    assert table.find(target="/a") is None


def test_routes_are_listed_in_the_order_of_their_registration(table):
    mounted = [table.mount("GET", path) for path in ["/b", "/{x}", "/a", "/b?q"]]

    assert list(table.routes) == mounted
    assert len(table.routes) == 4


def _is_even(request):
    return int(request.query.get("n", "0")) % 2 == 0


_patterns = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "*"]),
    st.sampled_from(
        ["/a", "/b", "/{x}", "/a/b", "/a/{x}", "/{x}/{y}", "/a?n=1", re.compile("/[ab].*"), glob_path("/a/*")]
    ),
    st.lists(
        st.sampled_from(
            [
                HeaderHas("x", Anything()),
                HeaderHas("x", Equals("1")),
                QueryHas("n", Equals("1")),
                Predicate(_is_even),
            ]
        ),
        max_size=2,
    ),
    st.integers(0, 1),
)
_requests = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "PUT"]),
    st.sampled_from(["/a", "/b", "/a/b", "/a/c", "/a?n=1", "/a?n=2", "/c/b?n=1", "/"]),
    st.sampled_from([{}, {"X": "1"}, {"x": "2"}]),
)


@given(st.lists(_patterns, max_size=8), _requests)
def test_find_agrees_with_a_model_that_tries_every_route(patterns, request_parts):
    """The lookup by literal path and first segment is a short cut, never another rule."""
    table = Table()
    model: list[MountedRoute] = []
    for method, path, conditions, priority in patterns:
        mounted = table.mount(method, path, *conditions, priority=priority)
        model = [known for known in model if known.route.pattern != mounted.route.pattern] + [mounted]
    method, target, headers = request_parts
    request = captured(method, target, headers=headers)

    def first(*methods):
        # Stable: among equal priorities the one registered last stays last, and is tried first.
        ascending = sorted(model, key=lambda known: known.route.priority)
        matching = [known for known in reversed(ascending) if known.route.pattern.method in methods]
        return next((known for known in matching if known.route.pattern.match(request) is not None), None)

    expected = first(method, "*") or (first("GET") if method == "HEAD" else None)

    found = table.routes.find(request)

    assert (found[0] if found else None) is expected
    assert list(table.routes) == model


# Successive answers

A, B, C = ResponseSpec(201), ResponseSpec(202), ResponseSpec(203)


@pytest.mark.parametrize(
    ("then", "answers"),
    [
        ("repeat", [A, B, C, C, C, C, C]),
        ("cycle", [A, B, C, A, B, C, A]),
        ("error", [A, B, C, None, None, None, None]),
    ],
)
def test_a_sequence_goes_on_as_asked_when_it_is_used_up(table, then, answers):
    mounted = table.mount("GET", "/", answers=Answers((A, B, C), then))

    assert [mounted.take_turn("").answer for _ in answers] == answers
    assert mounted.call_count == len(answers)


def test_an_empty_sequence_is_refused():
    with pytest.raises(RouteError, match="responses: an empty sequence answers nothing"):
        Answers(())


def test_an_unknown_end_of_a_sequence_is_refused():
    with pytest.raises(RouteError, match="then: expected 'repeat', 'cycle' or 'error', got 'stop'"):
        Answers((A,), "stop")  # type: ignore[arg-type]


# Calls: counted, listed, expected


def _call(table, mounted, times=1):
    for number in range(times):
        request = captured(target=f"/?{number}")
        request.route = mounted
        mounted.take_turn("")
        with table.journal.changed:
            table.journal.record(request)


def test_a_route_knows_its_calls_and_no_others(table):
    mounted, other = table.mount("GET", "/"), table.mount("GET", "/other")

    _call(table, mounted, 2)
    _call(table, other)

    assert mounted.call_count == 2
    assert [request.raw_target for request in mounted.requests] == ["/?0", "/?1"]


def test_calls_stay_exact_when_requests_are_dropped_and_their_list_is_refused(table):
    table.journal.max_entries = 2
    mounted = table.mount("GET", "/a")

    _call(table, mounted, 3)

    assert mounted.call_count == 3
    with pytest.raises(JournalOverflowError, match=r"route GET /a: 1 of 3 requests were dropped.*journal_entries=2"):
        mounted.requests  # noqa: B018  # the property is the act


@pytest.mark.parametrize(
    ("calls", "times", "complaint"),
    [
        (0, None, r"GET /: expected at least 1 calls?, found 0 \(registered at t.py:3\)"),
        (1, 2, r"GET /: expected 2 calls, found 1"),
        (3, 1, r"GET /: expected 1 call, found 3"),
        (1, 0, r"GET /: expected 0 calls, found 1"),
    ],
)
def test_assert_called_says_what_was_expected_found_and_registered_where(table, calls, times, complaint):
    mounted = table.mount("GET", "/", source="t.py:3")
    _call(table, mounted, calls)

    with pytest.raises(VerificationError, match=complaint):
        mounted.assert_called(times)


def test_a_failed_check_lists_the_requests_that_were_answered(table):
    mounted = table.mount("GET", "/")
    _call(table, mounted, 2)

    with pytest.raises(VerificationError, match=r"(?s)GET /\?0.*GET /\?1"):
        mounted.assert_called(1)


def test_a_check_that_holds_says_nothing(table):
    mounted = table.mount("GET", "/")
    mounted.assert_not_called()

    _call(table, mounted, 2)

    mounted.assert_called()
    mounted.assert_called(2)
    with pytest.raises(VerificationError, match="expected 0 calls, found 2"):
        mounted.assert_not_called()


def test_expect_notes_an_expectation_and_returns_the_route(table):
    mounted = table.mount("GET", "/")
    assert mounted.expectation is None

    assert mounted.expect(at_least=1, at_most=3) is mounted

    assert str(mounted.expectation) == "1 to 3 calls"


def test_repr_shows_the_route_and_its_calls(table):
    mounted = table.mount("GET", "/a")
    _call(table, mounted)

    assert repr(mounted) == "<MountedRoute GET /a, 1 calls>"
