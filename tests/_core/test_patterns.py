"""Patterns: what matches, what compares equal, and what a miss says; the tables of single conditions too."""

import pytest

from api_simulator._core.body_conditions import JsonBody
from api_simulator._core.conditions import AllOf, Predicate, flattened
from api_simulator._core.named_conditions import HeaderHas, QueryHas, QueryIs
from api_simulator._core.paths import literal_path
from api_simulator._core.patterns import RequestPattern, parse_method, parse_path
from api_simulator._core.text_matchers import Anything, Equals
from api_simulator.errors import RouteError, SpecError
from tests._core.captured import captured


def pattern(method, path, *conditions):
    parsed, from_path = parse_path(path)
    return RequestPattern(parse_method(method), parsed, (*from_path, *conditions))


def header(name, value=None):
    return HeaderHas(name, Anything() if value is None else Equals(value))


def query(*parameters):
    """Return the conditions that these parameters be there, whatever others are."""
    return tuple(QueryHas(name, Equals(value)) for name, value in parameters)


# Methods


@pytest.mark.parametrize(
    ("given", "method"), [("get", "GET"), ("PURGE", "PURGE"), ("*", "*"), ("M-SEARCH", "M-SEARCH")]
)
def test_any_token_is_a_method_in_any_case(given, method):
    assert parse_method(given) == method


@pytest.mark.parametrize("given", ["", "GET /", "G\nT", "é", None, 3])
def test_what_is_no_token_is_no_method(given):
    with pytest.raises(RouteError, match="method: expected an HTTP method such as 'GET', or '\\*' for any, got "):
        parse_method(given)


# Paths


@pytest.mark.parametrize(
    ("registered", "received", "params"),
    [
        ("/a", "/a", {}),
        ("/a", "/a/", None),
        ("/a", "/A", None),
        ("/a b", "/a%20b", {}),
        ("/caf%C3%A9", "/caf%c3%a9", {}),
        ("/café", "/caf%C3%A9", {}),
        ("/a%2Fb", "/a%2fb", {}),
        ("/a%2Fb", "/a/b", None),
        ("*", "*", {}),
        ("/users/{id}", "/users/7", {"id": "7"}),
        ("/users/{id}", "/users/", None),
        ("/users/{id}", "/users/7/", None),
        ("/users/{id}", "/users/a%2Fb", {"id": "a%2Fb"}),
        ("/users/{id}", "/users/%7Bx%7D", {"id": "{x}"}),
        ("/{a}/x/{b}", "/1/x/2", {"a": "1", "b": "2"}),
        ("/v1/{name}.json", "/v1/a.b.json", {"name": "a.b"}),
        ("/v1/{name}.json", "/v1/aXjson", None),
        ("/{{id}}", "/%7Bid%7D", {}),
        ("/{{id}}", "/7", None),
        ("/{{x}}/{y}", "/{x}/1", {"y": "1"}),
    ],
)
def test_a_path_matches_the_decoded_path_and_gives_its_parameters(registered, received, params):
    assert pattern("GET", registered).match(captured(target=received)) == params


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("v1/messages", r"path: 'v1/messages' does not start with '/'; did you mean '/v1/messages'\?"),
        ("", r"path: '' does not start with '/'"),
        ("http://host/v1", r"path: 'http://host/v1' is a whole URL; register only its path"),
        ("/a#b", r"path: '/a#b' has a fragment, which clients never send"),
        (None, r"path: expected text that starts with '/', an expression or glob\(\), got None"),
        (b"/a", r"path: expected text that starts with '/', an expression or glob\(\), got b'/a'"),
        ("/{}", r"parameter \{\} is no name; write \{\{ for a literal brace"),
        ("/{a-b}", r"parameter \{a-b\} is no name"),
        ("/{a}/{a}", r"parameter \{a\} is used twice"),
        ("/{a", r"'/\{a' has a single brace; write \{\{ or \}\} for a literal one"),
        ("/a}", r"has a single brace"),
    ],
)
def test_a_path_that_cannot_match_as_written_is_refused(path, complaint):
    with pytest.raises(RouteError, match=complaint):
        parse_path(path)


def test_a_path_may_hold_a_whole_url():
    """A proxy's ``/fetch/http://host`` starts with a slash, so it is a path."""
    assert pattern("GET", "/fetch/http://host/x").match(captured(target="/fetch/http://host/x")) == {}


# Method and path together


@pytest.mark.parametrize(
    ("registered", "received", "matches"),
    [
        ("GET", "GET", True),
        ("GET", "HEAD", True),
        ("HEAD", "GET", False),
        ("*", "PURGE", True),
        ("POST", "HEAD", False),
    ],
)
def test_get_accepts_head_and_the_star_accepts_everything(registered, received, matches):
    assert pattern(registered, "/").accepts_method(received) == matches


def test_a_query_in_the_path_is_a_condition_that_it_be_exactly_this_one():
    registered = pattern("GET", "/a?x=1&y=")

    assert registered.path == literal_path("/a")
    assert registered.match(captured(target="/a?y=&x=1")) == {}
    assert registered.match(captured(target="/a?x=1")) is None
    assert registered.match(captured(target="/a?x=1&y=&z=2")) is None


def test_a_path_without_a_query_matches_any():
    assert pattern("GET", "/a").match(captured(target="/a?x=1")) == {}


def test_a_path_with_an_empty_query_wants_none():
    assert pattern("GET", "/a?").match(captured(target="/a")) == {}
    assert pattern("GET", "/a?").match(captured(target="/a?x")) is None


@pytest.mark.parametrize(
    ("registered", "shown"),
    [
        (pattern("get", "/a"), "GET /a"),
        (pattern("*", "/u/{id}", header("x")), "* /u/{id} with header x"),
        (pattern("GET", "/a?x=1&y=2", header("x", "1")), 'GET /a with query exactly x=1&y=2 and header x: "1"'),
        (pattern("GET", "/a", *query(("x", "1")), JsonBody([1])), 'GET /a with query x: "1" and body [1]'),
        (pattern("GET", "/a", JsonBody({"a": 1}, partial=True)), 'GET /a with body including {"a": 1}'),
        (pattern("GET", "/a", Predicate(len)), "GET /a with predicate len"),
        (pattern("GET", "/a", AllOf((header("x"), header("y")))), "GET /a with header x and header y"),
    ],
)
def test_a_pattern_is_shown_as_it_was_registered(registered, shown):
    assert str(registered) == shown


def test_only_a_path_without_parameters_is_literal():
    assert pattern("GET", "/{{a}}").path.literal == "/{a}"
    assert pattern("GET", "/{a}").path.literal is None


# Equality: the same pattern again replaces a route


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pattern("get", "/a"), pattern("GET", "/a")),
        (pattern("GET", "/a%20b"), pattern("GET", "/a b")),
        (pattern("GET", "/{id}"), pattern("GET", "/{id}")),
        (pattern("GET", "/a?x=1"), pattern("GET", "/a", QueryIs((("x", "1"),)))),
        (pattern("GET", "/", JsonBody({"a": 1, "b": 2})), pattern("GET", "/", JsonBody({"b": 2, "a": 1}))),
        (pattern("GET", "/", Predicate(len)), pattern("GET", "/", Predicate(len))),
        (pattern("GET", "/?a=1&b=2"), pattern("GET", "/?b=2&a=1")),
        (pattern("GET", "/", header("a"), header("b")), pattern("GET", "/", header("b"), header("a"))),
    ],
    ids=["method", "encoding", "template", "query", "json", "predicate", "query order", "condition order"],
)
def test_patterns_that_ask_for_the_same_are_equal(left, right):
    assert left == right
    assert hash(left) == hash(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pattern("GET", "/a"), pattern("POST", "/a")),
        (pattern("GET", "/a"), pattern("GET", "/a/")),
        (pattern("GET", "/a"), pattern("GET", "/a?")),
        (pattern("GET", "/{id}"), pattern("GET", "/{{id}}")),
        (pattern("GET", "/", header("a")), pattern("GET", "/", header("a", ""))),
        (pattern("GET", "/", *query(("a", "1"))), pattern("GET", "/", QueryIs((("a", "1"),)))),
    ],
    ids=["method", "slash", "empty query", "template and literal", "header value", "exact"],
)
def test_patterns_that_ask_for_different_things_are_not_equal(left, right):
    assert left != right


# Conditions


@pytest.mark.parametrize(
    ("wanted", "target", "holds"),
    [
        ([("a", "1")], "/?a=1", True),
        ([("a", "1")], "/?b=2&a=1", True),
        ([("a", "1")], "/?a=2&a=1", True),
        ([("a", "1")], "/?a=2", False),
        ([("a", "1")], "/", False),
        ([("a", "1"), ("a", "2")], "/?a=2&a=1", True),
        ([("a", "1"), ("a", "2")], "/?a=1", False),
    ],
)
def test_query_parameters_hold_whatever_others_there_are(wanted, target, holds):
    assert AllOf(query(*wanted)).holds(captured(target=target)) == holds


@pytest.mark.parametrize(
    ("wanted", "target", "holds"),
    [
        ([("a", "1")], "/?a=1", True),
        ([("a", "1")], "/?a=1&b=2", False),
        ([("a", "1")], "/?a=1&a=1", False),
        ([("a", "1"), ("a", "2")], "/?a=1&a=2", True),
        ([("a", "1"), ("a", "2")], "/?a=2&a=1", False),
        ([("a", "")], "/?a", True),
        ([], "/", True),
        ([], "/?a", False),
    ],
)
def test_an_exact_query_holds_for_these_parameters_alone(wanted, target, holds):
    """No others, none more often, repeated ones in this order."""
    assert QueryIs(tuple(wanted)).holds(captured(target=target)) == holds


@pytest.mark.parametrize(
    ("condition", "headers", "holds"),
    [
        (header("x"), [("X", "1")], True),
        (header("x"), [("Y", "1")], False),
        (header("x", "1"), [("X", "1")], True),
        (header("x", "1"), [("X", "2")], False),
        (header("x", "a"), [("X", "A")], False),
        (header("x", "a, b"), [("X", "a"), ("X", "b")], True),
        (header("x", "b"), [("X", "a"), ("X", "b")], True),
        (header("x", "b"), [("X", "a, b")], False),
    ],
)
def test_header_holds_for_the_whole_field_or_one_of_its_lines(condition, headers, holds):
    assert condition.holds(captured(headers=headers)) == holds


@pytest.mark.parametrize(
    ("condition", "body", "holds"),
    [
        (JsonBody({"a": 1, "b": [2]}), b' {"b": [2.0], "a": 1} ', True),
        (JsonBody({"a": 1}), b'{"a": 1, "b": 2}', False),
        (JsonBody({"a": 1}, partial=True), b'{"a": 1, "b": 2}', True),
        (JsonBody({"a": 1}), b'{"a": true}', False),
        (JsonBody({"a": 1}), b"", False),
        (JsonBody({"a": 1}), b"{", False),
        (JsonBody(None), b" null ", True),
        (JsonBody(None), b"", False),
        (JsonBody(None), b"nul", False),
        (JsonBody({}), b"null", False),
        (JsonBody({1: "a"}), b'{"1": "a"}', True),
        (JsonBody([(1,)]), b"[[1]]", True),
    ],
)
def test_json_body_compares_by_value(condition, body, holds):
    assert condition.holds(captured("POST", "/", body)) == holds


def test_json_null_is_simply_not_there_in_a_body_that_cannot_be_decoded():
    request = captured("POST", "/", b"no gzip", {"Content-Encoding": "gzip"})

    assert not JsonBody(None).holds(request)


def test_a_later_change_of_the_value_changes_nothing():
    """As for answers: what was said at the registration holds."""
    value = {"a": 1}
    condition = JsonBody(value)

    value["a"] = 2

    assert condition.holds(captured("POST", "/", {"a": 1}))


@pytest.mark.parametrize("value", [{"a": {1}}, {"a": {b"k": 1}}, {"a": float("nan")}])
def test_what_json_cannot_hold_cannot_be_asked_for(value):
    with pytest.raises(SpecError, match=r"\$\.a"):
        JsonBody(value)


def test_a_value_that_refers_to_itself_cannot_be_asked_for():
    value: list[object] = []
    value.append(value)

    with pytest.raises(SpecError, match=r"\$\[0\]: refers to itself"):
        JsonBody(value)


def test_a_predicate_holds_when_its_answer_is_true():
    assert Predicate(lambda request: request.method).holds(captured())
    assert not Predicate(lambda request: []).holds(captured())


def test_conditions_joined_by_and_are_one_flat_list():
    a, b, c = header("a"), header("b"), header("c")

    assert flattened((a & b) & c) == flattened(a & (b & c)) == (a, b, c)
    assert flattened(a) == (a,)


# Explanations


@pytest.mark.parametrize(
    ("registered", "request_", "part", "lines"),
    [
        (pattern("POST", "/a"), captured("GET", "/a"), "method", ["method: expected POST, found GET"]),
        (pattern("GET", "/a"), captured(target="/b"), "path", ["path: expected /a, found /b"]),
        (pattern("GET", "/u/{id}"), captured(target="/u"), "path", ["path: expected /u/{id}, found /u"]),
        (pattern("GET", "/?a=1"), captured(), "query", ["query 'a': expected '1', missing"]),
        (pattern("GET", "/?a=1"), captured(target="/?a=2"), "query", ["query 'a': expected '1', found '2'"]),
        (pattern("GET", "/?a=1"), captured(target="/?a=1&b=2"), "query", ["query 'b': unexpected, found '2'"]),
        (
            pattern("GET", "/?a=1&a=2"),
            captured(target="/?a=2&a=1"),
            "query",
            ["query 'a': expected ['1', '2'], found ['2', '1']"],
        ),
        (pattern("GET", "/", header("x")), captured(), "header", ["header 'x': expected any value, missing"]),
        (
            pattern("GET", "/", header("x", "1")),
            captured(headers=[("x", "2"), ("x", "3")]),
            "header",
            ["header 'x': expected \"1\", found ['2', '3']"],
        ),
        (pattern("*", "/", JsonBody({"a": 1})), captured(), "body", ['body: expected JSON {"a": 1}, found none']),
        (
            pattern("*", "/", JsonBody({"a": 1})),
            captured("POST", "/", b"a=1"),
            "body",
            ["body: expected JSON {\"a\": 1}, found b'a=1' (not JSON)"],
        ),
        (
            pattern("*", "/", JsonBody({"a": 1, "b": 2})),
            captured("POST", "/", {"a": 3}),
            "body",
            ["body $.a: expected 1, found 3", "body $.b: expected 2, missing"],
        ),
    ],
)
def test_a_miss_names_the_part_and_what_was_found(registered, request_, part, lines):
    [miss] = registered.explain(request_)

    assert miss.part == part
    assert list(miss.differences) == lines
    assert 0.0 < miss.distance <= 1.0


def test_a_body_that_cannot_be_decoded_has_nothing_in_common_with_the_one_asked_for():
    request = captured("POST", "/", b"x", {"Content-Encoding": "br"})

    [miss] = pattern("POST", "/", JsonBody(1)).explain(request)

    assert (miss.part, miss.distance) == ("body", 1.0)


def test_an_explanation_has_nothing_to_say_about_a_match():
    registered = pattern("GET", "/u/{id}?a=1", header("x"), JsonBody([1]), Predicate(bool))

    assert registered.explain(captured("HEAD", "/u/7?a=1", [1], {"X": ""})) == []


@pytest.mark.parametrize(
    ("wanted", "target", "line"),
    [
        (AllOf(query(("a", "1"), ("b", "2"))), "/?a=1&a=9&b=3", "query 'b': expected \"2\", found '3'"),
        (QueryIs((("a", "1"), ("b", "2"))), "/?a=1&b=3", "query 'b': expected '2', found '3'"),
    ],
    ids=["partial", "exact"],
)
def test_parameters_that_are_fine_are_no_part_of_a_miss(wanted, target, line):
    """With partial conditions too: only what is missing is named."""
    miss = wanted.explain(captured(target=target))

    assert miss is not None
    assert miss.differences == (line,)


def test_a_miss_of_joined_conditions_tells_all_of_them_at_their_mean_distance():
    both = header("x") & JsonBody({"a": 1}) & header("here")

    miss = both.explain(captured(headers={"here": "1"}))

    assert miss is not None
    assert miss.part == "header and body"
    assert miss.distance == pytest.approx(2 / 3)
    assert len(miss.differences) == 2


def test_a_predicate_that_raises_is_named_with_what_it_raised():
    def only_mondays(request):
        raise LookupError("no calendar")

    [miss] = pattern("GET", "/", Predicate(only_mondays)).explain(captured())

    assert "only_mondays raised LookupError: no calendar" in miss.differences[0]


def test_a_predicate_that_says_no_is_named():
    def only_mondays(request):
        return False

    [miss] = pattern("GET", "/", Predicate(only_mondays)).explain(captured())

    assert miss.part == "predicate"
    assert miss.differences[0].endswith("only_mondays said no")


@pytest.mark.parametrize(
    ("registered", "near", "far"),
    [
        (pattern("GET", "/v1/messages"), captured(target="/v1/mesages"), captured(target="/other")),
        (pattern("GET", "/?a=1&b=2"), captured(target="/?a=1&b=3"), captured(target="/?c=4&d=5")),
        (pattern("GET", "/", header("x", "token-1")), captured(headers={"x": "token-2"}), captured()),
        (
            pattern("*", "/", JsonBody({"a": 1, "b": 2, "c": 3})),
            captured("POST", "/", {"a": 1, "b": 2, "c": 4}),
            captured("POST", "/", {"x": 1}),
        ),
        (pattern("*", "/", JsonBody({"a": 1})), captured("POST", "/", {"a": 2}), captured("POST", "/", b"a")),
    ],
)
def test_the_distance_of_a_near_miss_is_smaller_than_that_of_a_far_one(registered, near, far):
    [near_miss] = registered.explain(near)
    [far_miss] = registered.explain(far)

    assert near_miss.distance < far_miss.distance


def test_many_differences_of_a_body_are_counted_not_shown():
    [miss] = pattern("*", "/", JsonBody(list(range(50)))).explain(captured("POST", "/", list(range(1, 51))))

    assert miss.differences[-1] == "body ... and 38 more differences"
