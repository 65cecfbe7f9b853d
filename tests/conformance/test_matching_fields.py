"""Conditions on query, header fields, cookies and credentials."""

import base64
import re

import pytest

from api_simulator.http import ABSENT, basic_auth, bearer, contains, cookie, header, query, regex
from tests.conformance.asking import get, matched, send_raw
from tests.conformance.manifest import requirement


def with_fields(*fields):
    """Return a GET with these header fields."""
    return get("/", headers=list(fields))


def with_cookies(text):
    return with_fields(("Cookie", text))


def with_authorization(text):
    return with_fields(("Authorization", text))


@requirement("match:query:in-path")
def test_a_query_in_the_path_is_exactly_the_query(server):
    """The order of different names is free, that of one name's values is not."""
    server.get("/q?a=1&b=2&a=3").empty()

    assert matched(server, "/q?a=1&b=2&a=3", "/q?b=2&a=1&a=3") == [True, True]
    assert matched(server, "/q?a=3&a=1&b=2", "/q?a=1&b=2", "/q?a=1&b=2&a=3&c=", "/q") == [False] * 4


@requirement("match:query:partial")
def test_a_parameter_may_stand_among_others(server):
    server.get("/q").when(query({"page": "2", "size": "9"})).empty()
    server.get("/one").when(query("page", "2")).empty()

    assert matched(server, "/q?x=1&size=9&page=2", "/q?page=2", "/q?page=2&size=90") == [True, False, False]
    assert matched(server, "/one?page=2&x", "/one?page=20", "/one?Page=2") == [True, False, False]


@requirement("match:query:present")
def test_a_parameter_may_have_any_value(server):
    server.get("/q").when(query("debug")).empty()

    assert matched(server, "/q?debug=1", "/q?debug=", "/q?debug", "/q?x=debug", "/q") == [True] * 3 + [False] * 2


@requirement("match:query:absent")
def test_a_parameter_may_have_to_be_absent(server):
    server.get("/q").when(query("debug", ABSENT)).empty()

    assert matched(server, "/q", "/q?x=1", "/q?debug", "/q?debug=1") == [True, True, False, False]


@requirement("match:query:repeated")
def test_each_value_of_a_list_must_be_there(server):
    server.get("/q").when(query({"tag": ["a", "b"]})).empty()
    server.get("/exact").when(query([("tag", "a"), ("tag", "b")], exact=True)).empty()

    assert matched(server, "/q?tag=b&tag=a&tag=c", "/q?tag=a&tag=a", "/q?tag=a") == [True, False, False]
    assert matched(server, "/exact?tag=a&tag=b", "/exact?tag=b&tag=a", "/exact?tag=a&tag=b&tag=b") == [
        True,
        False,
        False,
    ]


@requirement("match:query:exact")
def test_an_exact_query_refuses_what_is_not_named(server):
    server.get("/q").when(query({"a": "1"}, exact=True)).empty()
    server.get("/none").when(query({}, exact=True)).empty()
    server.get("/none-in-path?").empty()

    assert matched(server, "/q?a=1", "/q?a=1&b=2", "/q") == [True, False, False]
    assert matched(server, "/none", "/none?", "/none?a", "/none-in-path", "/none-in-path?a") == [
        True,
        True,
        False,
        True,
        False,
    ]


@requirement("match:query:regex")
def test_a_parameter_is_found_by_expression_or_part(server):
    server.get("/q").when(query("since", re.compile(r"^\d{4}-\d\d$"))).empty()
    server.get("/part").when(query("q", contains("cat"))).empty()

    assert matched(server, "/q?since=2024-05", "/q?since=2024-5", "/q?since=x&since=2024-05") == [True, False, True]
    assert matched(server, "/part?q=a+cat!", "/part?q=dog") == [True, False]


@requirement("match:query:decoded")
@pytest.mark.parametrize("sent", ["/q?a%20b=%C3%BC+1", "/q?a+b=%c3%bc%201"])
@pytest.mark.parametrize("registered", ["/q?a b=ü 1", "/q?a%20b=%C3%BC%201"])
def test_parameters_are_compared_decoded(server, registered, sent):
    server.get(registered).empty()

    assert matched(server, sent, "/q?a%2520b=1") == [True, False]


@requirement("match:header:any-case")
def test_names_match_in_any_case_and_values_in_theirs(server):
    server.get("/").when(header("X-Key", "Value")).empty()

    assert matched(server, with_fields(("x-kEY", "Value")), with_fields(("X-Key", "value"))) == [True, False]


@requirement("match:header:present")
def test_a_field_may_have_any_value(server):
    server.get("/").when(header("X-Key")).empty()

    assert matched(server, with_fields(("x-key", "")), with_fields(("x-key", "v")), "/") == [True, True, False]


@requirement("match:header:repeated")
@pytest.mark.parametrize(("value", "expected"), [("a", True), ("b, c", True), ("a, b, c", True), ("b", False)])
def test_each_line_counts_and_all_joined(server, value, expected):
    server.get("/").when(header("x-list", value)).empty()

    assert matched(server, with_fields(("X-List", "a"), ("x-list", "b, c"))) == [expected]


@requirement("match:header:regex")
def test_a_field_is_found_by_expression_or_part(server):
    server.get("/").when(header("accept", regex(r"^application/(json|xml)\b")) & header("x", contains("b"))).empty()

    assert matched(
        server,
        with_fields(("Accept", "application/xml;q=1"), ("X", "abc")),
        with_fields(("Accept", "text/html, application/json"), ("X", "abc")),
        with_fields(("Accept", "application/json"), ("X", "ac")),
    ) == [True, False, False]


@requirement("match:header:absent")
def test_a_field_may_have_to_be_absent(server):
    server.get("/").when(header("Authorization", ABSENT)).empty()

    assert matched(server, "/", with_authorization("Bearer x"), with_fields(("authorization", ""))) == [
        True,
        False,
        False,
    ]


@requirement("match:cookie:value")
def test_a_cookie_is_found_among_others(server):
    server.get("/").when(cookie("session", "a=b") & cookie("theme")).empty()

    assert matched(
        server,
        with_cookies("theme=; session=a=b; x=y"),
        with_cookies("session=a=b"),
        with_cookies("theme=dark; Session=a=b"),
        with_cookies("theme=dark; session=a"),
    ) == [True, False, False, False]


@requirement("match:cookie:value")
def test_cookies_of_several_fields_are_one_list(server):
    """HTTP/2 clients, and proxies in front of them, send a field for each cookie."""
    server.get("/").when(cookie("a", "1") & cookie("b", "2")).empty()

    answer = send_raw(server, b"GET / HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")


@requirement("match:cookie:regex")
def test_a_cookie_is_found_by_expression(server):
    server.get("/").when(cookie("id", re.compile("^[0-9]+$"))).empty()

    assert matched(server, with_cookies("id=12"), with_cookies("id=1x"), with_cookies("x=12")) == [True, False, False]


@requirement("match:cookie:absent")
def test_a_cookie_may_have_to_be_absent(server):
    server.get("/").when(cookie("debug", ABSENT)).empty()

    assert matched(server, "/", with_cookies("x=debug"), with_cookies("debug=1")) == [True, True, False]


def basic(text, scheme="Basic"):
    return with_authorization(f"{scheme} {base64.b64encode(text.encode()).decode()}")


@requirement("match:auth:basic")
def test_basic_credentials_are_compared_decoded(server):
    server.get("/").when(basic_auth("ann", "pä:ss")).empty()

    assert matched(server, basic("ann:pä:ss"), basic("ann:pä:ss", "bAsIc"), get("/", auth=("ann", "pä:ss"))) == [
        True,
        True,
        True,
    ]
    assert matched(server, basic("ann:pä"), basic("bob:pä:ss"), basic("ann"), "/") == [False] * 4


@requirement("match:auth:basic-broken")
@pytest.mark.parametrize(
    "text", ["Basic", "Basic ann:pw", "Basic YW5u!!!", "Basic /w==", "Bearer YW5uOnB3", "YW5uOnB3"]
)
def test_credentials_that_cannot_be_decoded_match_nothing(server, text):
    server.get("/").when(basic_auth("ann", "pw")).empty()

    assert matched(server, with_authorization(text), with_authorization("Basic YW5uOnB3")) == [False, True]


@requirement("match:auth:bearer")
def test_a_bearer_token_is_any_or_this_one(server):
    server.get("/any").when(bearer()).empty()
    server.get("/one").when(bearer("a.b+c")).empty()

    def asked(path, text):
        return get(path, headers={"Authorization": text})

    assert matched(server, asked("/any", "Bearer x"), asked("/any", "bEARER   x")) == [True, True]
    assert (
        matched(server, "/any", asked("/any", "Bearer"), asked("/any", "Basic x"), asked("/any", "Bearerx"))
        == [False] * 4
    )
    assert matched(server, asked("/one", "Bearer a.b+c"), asked("/one", "bearer a.b+c")) == [True, True]
    assert matched(server, asked("/one", "Bearer a.b+cd"), asked("/one", "Bearer axb+c")) == [False, False]


@requirement("match:auth:bearer-regex")
@pytest.mark.parametrize("expression", [r"^sk-[a-z]+$", r"(?i)^SK-[A-Z]+$", r"sk-"])
def test_an_expression_is_about_the_token_alone(server, expression):
    server.get("/").when(bearer(re.compile(expression))).empty()

    assert matched(server, with_authorization("Bearer sk-abc"), with_authorization("Bearer xx")) == [True, False]
