"""Which routes are named for a request that none matched, in which order, and the line that is offered."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.body_conditions import JsonBody
from api_simulator._core.conditions import Predicate
from api_simulator._core.journal import Journal
from api_simulator._core.named_conditions import HeaderHas, QueryHas
from api_simulator._core.nearest import MAX_COMPARED_ROUTES, NEAREST, nearest_routes, registration_line
from api_simulator._core.patterns import RequestPattern, parse_method, parse_path
from api_simulator._core.routes import Answers, Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.table import RouteTable
from api_simulator._core.text_matchers import Equals
from tests._core.captured import captured

PATHS = st.sampled_from(["/", "/a", "/a/b", "/users/{id}", "/users/{id:int}", "/users/me", "/v1/users", "/x?y=1"])
METHODS = st.sampled_from(["GET", "POST", "*"])


def table_of(*routes):
    """Return a table of routes given as method, path and further conditions."""
    table, journal = RouteTable(), Journal()
    for place, (method, path, *conditions) in enumerate(routes):
        pattern, in_path = parse_path(path)
        whole = RequestPattern(parse_method(method), pattern, (*in_path, *conditions))
        table.mount(Route(whole, Answers((ResponseSpec(),)), f"test.py:{place}"), journal)
    return table


def named(table, request):
    return [near.route for near in nearest_routes(table, request)]


@given(routes=st.lists(st.tuples(METHODS, PATHS), max_size=8), method=METHODS, path=PATHS)
def test_at_most_three_are_named_by_growing_distance(routes, method, path):
    near = nearest_routes(table_of(*routes), captured(method, path))

    assert len(near) <= NEAREST
    assert bool(near) == bool(routes)
    assert [miss.distance for miss in near] == sorted(miss.distance for miss in near)
    assert all(0 <= miss.distance <= 1 for miss in near)


@given(routes=st.lists(st.tuples(METHODS, PATHS), max_size=8, unique=True), path=PATHS)
def test_the_same_question_has_the_same_answer(routes, path):
    """Routes at one distance are named in the order of their registration, each time."""
    table, request = table_of(*routes), captured("PUT", path)
    order = {str(mounted.route): mounted.order for mounted in table}

    near = nearest_routes(table, request)

    assert near == nearest_routes(table, request)
    for one, other in pairwise(near):
        assert one.distance < other.distance or order[one.route] < order[other.route]


def test_what_differs_less_is_nearer():
    """A query, then a method, then both a method and a letter of the path; what is quite another is not named."""
    table = table_of(("GET", "/zzzzz"), ("POST", "/user"), ("GET", "/users?x=1"), ("POST", "/users"))

    near = nearest_routes(table, captured("GET", "/users"), limit=4)

    assert [miss.parts for miss in near] == [("query",), ("method",), ("method", "path")]


def test_a_condition_that_nearly_holds_is_nearer_than_one_that_does_not():
    wanted = [
        ("POST", "/a", JsonBody({"model": "m", "n": 1, "stream": False})),
        ("POST", "/a", JsonBody({"other": True})),
        ("POST", "/a", HeaderHas("x-key", Equals("k"))),
    ]

    near = nearest_routes(table_of(*wanted), captured("POST", "/a", {"model": "m", "n": 2, "stream": False}))

    assert near[0].differences == ("body $.n: expected 1, found 2",)
    assert near[0].source == "test.py:0"


def test_a_template_that_looks_like_the_path_is_a_miss_all_the_same():
    """To the letter the same, and still not matched: its distance must not be zero."""
    (near,) = nearest_routes(table_of(("GET", "/users/{id:int}")), captured("GET", "/users/{id:int}"))

    assert near.parts == ("path",)
    assert near.distance > 0


def test_a_condition_that_raises_is_a_difference():
    def picky(request):
        raise LookupError("no tenant")

    (near,) = nearest_routes(table_of(("POST", "/a", Predicate(picky), QueryHas("x", None))), captured("GET", "/a"))

    assert near.parts == ("method", "predicate")
    assert "raised LookupError: no tenant" in near.differences[1]


class BrokenRegex:
    """An expression that takes too long on everything; a stand-in, because a real one costs a second each time."""

    pattern = "/never"
    flags = 0

    def fullmatch(self, string):
        raise TimeoutError("took more than 1 s")


def test_a_path_that_takes_too_long_is_a_difference():
    (near,) = nearest_routes(table_of(("GET", BrokenRegex())), captured("GET", "/a"))

    assert near.differences == ("path: ~/never raised TimeoutError: took more than 1 s",)


def test_among_very_many_routes_only_the_likeliest_are_compared():
    asked = []

    def counting(request):
        asked.append(request)
        return False

    routes = [("GET", f"/other/{n}", Predicate(counting)) for n in range(3 * MAX_COMPARED_ROUTES)]
    table = table_of(*routes, ("GET", "/users/ann", Predicate(counting)))

    assert named(table, captured("GET", "/users/bob"))[0].startswith("GET /users/ann")
    assert len(asked) <= MAX_COMPARED_ROUTES


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/user/ann", "/users/ann"),  # the same end
        ("/users/ann/", "/users/ann"),  # the same beginning
        ("/items/7", "/items/{id:int}"),  # another method on a template that means this path
        ("/zzz", "/zz"),  # behind all others
        ("/", "/0"),  # before all others
    ],
)
def test_among_very_many_routes_the_nearest_is_found(path, asked):
    others = [("GET", f"/items/{n}/parts") for n in range(3 * MAX_COMPARED_ROUTES)]
    table = table_of(*others, *(("POST", known) for known in ("/users/ann", "/items/{id:int}", "/zz", "/0")))

    assert named(table, captured("GET", path))[0] == f"POST {asked}"


def test_a_route_that_is_added_after_an_unmatched_request_is_named_for_the_next():
    routes = [("GET", f"/other/{n}") for n in range(3 * MAX_COMPARED_ROUTES)]
    table = table_of(*routes)
    before = named(table, captured("GET", "/users/bob"))

    table.mount(Route(RequestPattern("GET", parse_path("/users/ann")[0]), Answers((ResponseSpec(),))), Journal())

    assert "GET /users/ann" not in before
    assert named(table, captured("GET", "/users/bob"))[0] == "GET /users/ann"


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (captured("GET", "/a"), '.register("GET", "/a", MockResponseSpec(...))'),
        (captured("GET", "/a?x=1"), '.register("GET", "/a", MockResponseSpec(...))'),
        (captured("GET", '/"\\'), '.register("GET", "/\\"\\\\", MockResponseSpec(...))'),
        (captured("GET", "/{a}"), '.register("GET", "/{{a}}", MockResponseSpec(...))'),
        (captured("GET", "/caf%E9"), '.register("GET", "/caf%E9", MockResponseSpec(...))'),
        (
            captured("POST", "/a", {"x": None}),
            '.register("POST", "/a", MockResponseSpec(...), when=json_body({\'x\': None}))',
        ),
        (captured("POST", "/a", b"null"), '.register("POST", "/a", MockResponseSpec(...), when=json_body(None))'),
        (captured("POST", "/a", b"NaN"), '.register("POST", "/a", MockResponseSpec(...))'),
        (captured("POST", "/a", b'"\\ud800"'), '.register("POST", "/a", MockResponseSpec(...))'),
        (captured("POST", "/a", b"[" + b"1," * 200 + b"1]"), '.register("POST", "/a", MockResponseSpec(...))'),
    ],
)
def test_the_line_registers_just_this_request(request_, line):
    assert registration_line(request_) == line


@given(
    raw_path=st.lists(
        st.sampled_from(
            [
                "/",
                "a",
                "%41",
                "%2F",
                "%2f",
                "%25",
                "%252F",
                "%3F",
                "%23",
                "%7B",
                "{",
                "}",
                "%0A",
                "%00",
                "%E9",
                "ü",
                "%C3%BC",
                '"',
                "\\",
                "'",
                "%zz",
            ]
        ),
        max_size=8,
    ).map(lambda parts: "/" + "".join(parts)),
    body=st.none() | st.dictionaries(st.sampled_from(["a", "ü", '"']), st.integers() | st.booleans(), max_size=2),
)
def test_the_line_is_python_that_matches_the_request(raw_path, body):
    request = captured("POST", raw_path, b"" if body is None else body)
    registered = []

    def register(method, path, spec, when=None):
        pattern, conditions = parse_path(path)
        registered.append(RequestPattern(parse_method(method), pattern, (*conditions, *([when] if when else []))))

    eval(
        f"server{registration_line(request)}",
        {"server": SimpleNamespace(register=register), "MockResponseSpec": lambda dots: dots, "json_body": JsonBody},
    )

    (pattern,) = registered
    assert pattern.match(request) == {}
