"""Conditions as values: their algebra, their equality, and that diagnosis agrees with matching."""

import gzip
import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_simulator._core.body_conditions import BodyBytes, BodyText, CheckedBody, JsonBody
from api_simulator._core.conditions import AllOf, AnyOf, Mismatch, Not, Predicate
from api_simulator._core.named_conditions import BasicAuth, CookieHas, FormHas, HeaderHas, QueryHas, QueryIs
from api_simulator._core.text_matchers import Anything, BearerToken, Contains, Equals, Matches
from tests._core.captured import captured
from tests._core.strategies import json_values

# Small alphabets, so that conditions and requests meet often.
names = st.sampled_from(["a", "b", "Ab"])
values = st.sampled_from(["", "a", "b", "ab", "a b", "ü"])
pairs = st.lists(st.tuples(names, values), max_size=3)
small_json = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, "", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=5,
)

matchers = st.one_of(
    values.map(Equals),
    values.map(Contains),
    st.just(Anything()),
    st.sampled_from(["a", "^a", "b$", "^$", "[ab]+ "]).map(lambda text: Matches(re.compile(text))),
)


def first_line_differs(value):
    """Return a condition of a library's kind: says a line if the body is not *value*."""

    def check(request):
        if request.json != value:
            yield f"$: expected {value!r}"

    return CheckedBody("checked", repr(value), check)


def predicate(answer):
    return Predicate(lambda request: answer)


#: Every kind of condition there is, by its class; joined ones are made of these.
SIMPLE = {
    QueryHas: st.builds(QueryHas, names, st.none() | matchers),
    QueryIs: pairs.map(tuple).map(QueryIs),
    HeaderHas: st.builds(HeaderHas, names, st.none() | matchers),
    CookieHas: st.builds(CookieHas, names, st.none() | matchers),
    FormHas: st.builds(FormHas, names, st.none() | matchers),
    BasicAuth: st.builds(BasicAuth, st.just("a"), st.sampled_from(["a", "b"])),
    BodyText: matchers.map(BodyText),
    BodyBytes: st.binary(max_size=2).map(BodyBytes),
    JsonBody: st.builds(JsonBody, small_json, st.booleans()),
    CheckedBody: small_json.map(first_line_differs),
    Predicate: st.booleans().map(predicate),
}
simple = st.one_of(*SIMPLE.values())
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: two[0] & two[1]),
        st.tuples(inner, inner).map(lambda two: two[0] | two[1]),
        inner.map(lambda one: ~one),
    ),
    max_leaves=5,
)


@st.composite
def requests(draw):
    kind = draw(st.sampled_from(["none", "json", "form", "text", "coded", "bytes"]))
    headers = [(name, value.encode().decode("latin-1")) for name, value in draw(pairs)]
    if cookies := draw(pairs):
        headers.append(("Cookie", "; ".join(f"{name}={quote(value)}" for name, value in cookies)))
    headers += draw(st.sampled_from([[], [("Authorization", "Basic YTph")], [("Authorization", "Bearer a")]]))
    body: object = b""
    if kind == "json":
        body = draw(small_json)
    elif kind == "form":
        body = urlencode(draw(pairs)).encode()
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    elif kind == "text":
        body = draw(values).encode()
    elif kind == "coded":
        body = b"a"
        headers.append(("Content-Encoding", draw(st.sampled_from(["gzip", "br"]))))
    elif kind == "bytes":
        body = draw(st.binary(max_size=3))
    return captured("POST", f"/?{urlencode(draw(pairs))}", body, headers)


@given(condition=conditions, request_=requests())
def test_an_explanation_is_there_exactly_when_the_condition_does_not_hold(condition, request_):
    """Matching and diagnosis are two questions with one answer, for every kind and every way to join them."""
    miss = condition.explain(request_)

    assert (miss is None) == condition.holds(request_)
    if miss is not None:
        assert 0 < miss.distance <= 1
        assert miss.part
        assert all(line and "\n" not in line for line in miss.differences)
        assert miss.differences


@pytest.mark.parametrize("kind", SIMPLE, ids=lambda kind: kind.__name__)
def test_random_requests_meet_every_kind_and_miss_it(kind):
    """The property above would say nothing about a kind that always holds, or never."""
    seen = set()

    @settings(derandomize=True, max_examples=120, database=None)
    @given(condition=SIMPLE[kind], request_=requests())
    def look(condition, request_):
        seen.add(condition.holds(request_))

    look()

    assert seen == {True, False}


@given(condition=conditions)
def test_the_contrary_of_the_contrary_is_the_condition(condition):
    assert ~~condition == condition


@given(left=conditions, right=conditions, request_=requests())
def test_joined_conditions_agree_with_their_parts(left, right, request_):
    holds_left, holds_right = left.holds(request_), right.holds(request_)

    assert (left & right).holds(request_) == (holds_left and holds_right)
    assert (left | right).holds(request_) == (holds_left or holds_right)
    assert (~left).holds(request_) == (not holds_left)


@given(left=conditions, right=conditions)
def test_joined_conditions_need_the_body_if_a_part_does(left, right):
    for joined in (left & right, left | right):
        assert joined.needs_body == (left.needs_body or right.needs_body)
    assert (~left).needs_body == left.needs_body


@given(a=simple, b=simple, c=simple)
def test_brackets_change_nothing(a, b, c):
    assert (a & b) & c == a & (b & c) == AllOf((a, b, c))
    assert (a | b) | c == a | (b | c) == AnyOf((a, b, c))
    assert hash((a & b) & c) == hash(a & (b & c))


@given(condition=conditions)
def test_every_condition_has_a_name_of_one_line(condition):
    assert str(condition)
    assert "\n" not in str(condition)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (JsonBody({"a": 1, "b": [1, 2]}), JsonBody({"b": (1, 2), "a": 1})),
        (JsonBody({1: "x"}), JsonBody({"1": "x"})),
        (HeaderHas("a", Matches(re.compile("x"))), HeaderHas("a", Matches(re.compile("x")))),
        (~QueryHas("a", Equals("1")), Not(QueryHas("a", Equals("1")))),
        (BodyText(Contains("a")), BodyText(Contains("a"))),
    ],
)
def test_conditions_that_ask_for_the_same_are_equal(one, other):
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (JsonBody({"a": 1}), JsonBody({"a": 1}, partial=True)),
        (JsonBody({"a": 1}), JsonBody({"a": True})),
        (HeaderHas("a", Matches(re.compile("x"))), HeaderHas("a", Matches(re.compile("x", re.IGNORECASE)))),
        (HeaderHas("a", Equals("x")), HeaderHas("a", Contains("x"))),
        (HeaderHas("a", None), HeaderHas("a", Anything())),
        (HeaderHas("a", Anything()), QueryHas("a", Anything())),
        (Equals("x"), BearerToken(Equals("x"))),
    ],
)
def test_conditions_that_ask_for_different_things_are_not(one, other):
    assert one != other


@given(value=json_values)
def test_a_json_body_holds_for_the_value_it_asks_for(value):
    request = captured("POST", "/", value)

    assert JsonBody(value).holds(request)
    assert JsonBody(value, partial=True).holds(request)


@pytest.mark.parametrize(
    ("condition", "request_", "miss"),
    [
        (
            BodyBytes(b"abc"),
            captured(body=b"abd"),
            Mismatch("body", 0.5, ("body: expected 3 bytes b'abc', found 3 bytes b'abd'",)),
        ),
        (
            BodyText(Contains("x")),
            captured(),
            Mismatch("body", 0.5, ('body: expected text containing "x", found none',)),
        ),
        (
            HeaderHas("a", None),
            captured(headers={"A": "1"}),
            Mismatch("header", 0.5, ("header 'a': expected none, found '1'",)),
        ),
        (
            CookieHas("a", Matches(re.compile("^x"))),
            captured(headers={"Cookie": "a=1; a=2"}),
            Mismatch("cookie", 0.5, ("cookie 'a': expected a match of /^x/, found ['1', '2']",)),
        ),
        (
            HeaderHas("authorization", BearerToken(Equals("t"))),
            captured(headers={"Authorization": "Basic t"}),
            Mismatch("header", 0.5, ("header 'authorization': expected a bearer token, \"t\", found 'Basic t'",)),
        ),
        (
            BasicAuth("ann", "pw"),
            captured(headers={"Authorization": "Bearer t"}),
            Mismatch(
                "header", 1.0, ("header 'authorization': expected basic credentials of 'ann', found scheme 'Bearer'",)
            ),
        ),
        (
            QueryIs((("a", "1"),)),
            captured(target="/?a=1&a=2"),
            Mismatch("query", 1 / 3, ("query 'a': expected '1', found ['1', '2']",)),
        ),
        (
            Not(QueryHas("a", Anything())),
            captured(target="/?a"),
            Mismatch("condition", 0.5, ("expected not: query a",)),
        ),
        (
            QueryHas("a", Equals("x")) | HeaderHas("b", Anything()),
            captured(),
            Mismatch(
                "query",
                1.0,
                (
                    "either query 'a': expected \"x\", missing",
                    "either header 'b': expected any value, missing",
                ),
            ),
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, Mismatch) else "",
)
def test_an_explanation_is_written_for_people(condition, request_, miss):
    assert condition.explain(request_) == miss


def test_a_body_that_cannot_be_decoded_is_explained_by_its_coding():
    request = captured(body=b"x", headers={"Content-Encoding": "br"})

    for condition in (BodyBytes(b"x"), BodyText(Equals("x")), JsonBody(1)):
        miss = condition.explain(request)
        assert miss is not None
        assert miss.differences[0].startswith("body: Content-Encoding 'br' is not known here")


def test_bytes_are_shown_as_they_were_compared():
    """After decoding: the compressed bytes would explain nothing."""
    request = captured(body=gzip.compress(b"abd"), headers={"Content-Encoding": "gzip"})
    miss = BodyBytes(b"abc").explain(request)

    assert miss is not None
    assert miss.differences == ("body: expected 3 bytes b'abc', found 3 bytes b'abd'",)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("Bearer t", True),
        ("bearer   t", True),
        ("BEARER t ", True),
        ("Bearer", False),
        ("Bearer ", False),
        ("Basic t", False),
        ("t", False),
    ],
)
def test_a_bearer_token_is_what_follows_its_scheme(text, holds):
    assert BearerToken(Equals("t")).matches(text) == holds
    assert BearerToken(Matches(re.compile("^t$"))).matches(text) == holds


def test_text_that_differs_only_far_behind_is_still_a_miss():
    """Long texts are compared by their beginnings, for the ranking alone."""
    wanted, found = "x" * 300 + "a", "x" * 300 + "b"
    miss = BodyText(Equals(wanted)).explain(captured(body=found.encode()))

    assert miss is not None
    assert miss.distance > 0
