"""The words for conditions, over real requests."""

import re
from functools import partial

import pytest

from api_simulator.errors import RouteError, SpecError
from api_simulator.http import (
    ABSENT,
    ResponseSpec,
    basic_auth,
    bearer,
    body,
    contains,
    cookie,
    form,
    header,
    json_body,
    query,
    where,
)
from tests.http.calls import call


@pytest.mark.parametrize(
    ("condition", "target", "headers", "sent", "status"),
    [
        (query({"page": "2"}), "/?page=2&size=9", {}, None, 200),
        (query({"page": "2"}), "/?page=3", {}, None, 404),
        (query({"page": "2"}, exact=True), "/?page=2&size=9", {}, None, 404),
        (query({"tag": ["a", "b"]}), "/?tag=b&tag=a", {}, None, 200),
        (query([("tag", "a"), ("tag", "b")]), "/?tag=a", {}, None, 404),
        (header("X-Key"), "/", {"x-key": "any"}, None, 200),
        (header("X-Key"), "/", {}, None, 404),
        (header("X-Key", "k"), "/", {"X-KEY": "k"}, None, 200),
        (header("X-Key", "k"), "/", {"X-Key": "K"}, None, 404),
        (json_body({"a": [1]}), "/", {}, {"a": [1.0]}, 200),
        (json_body({"a": [1]}), "/", {}, {"a": [1], "b": 2}, 404),
        (json_body({"a": [1]}, partial=True), "/", {}, {"a": [1], "b": 2}, 200),
        (json_body(None), "/", {}, b"null", 200),
        (where(lambda request: request.text == "yes"), "/", {}, b"yes", 200),
        (where(lambda request: request.json["n"] > 1), "/", {}, {"n": 1}, 404),
        (header("a") & query({"b": "1"}) & json_body([]), "/?b=1", {"A": ""}, [], 200),
        (header("a") & query({"b": "1"}) & json_body([]), "/?b=1", {"A": ""}, [1], 404),
    ],
)
def test_a_request_is_answered_only_if_the_condition_holds(server, condition, target, headers, sent, status):
    server.register("POST", "/", ResponseSpec(), when=condition)

    assert call(server, "POST", target, sent, headers).status == status


def test_the_answer_to_a_missed_condition_says_what_was_missed(server):
    server.register("POST", "/", ResponseSpec(), when=json_body({"model": "a"}) & header("x-key", "k"))

    answer = call(server, "POST", "/", {"model": "b"}, {"x-key": "q"})

    assert answer.json["error"]["nearest"][0]["differences"] == [
        'body $.model: expected "a", found "b"',
        "header 'x-key': expected \"k\", found 'q'",
    ]


exact_query = partial(query, exact=True)


async def answered_later(request):
    return True


@pytest.mark.parametrize(
    ("condition", "arguments", "complaint"),
    [
        (query, [{"page": 2}], r"query: a value is text, an expression, contains\(\), ABSENT or None \(any\); got 2"),
        (query, [{"page": ["1", 2]}], r"query: a value is text, .*; got 2"),
        (query, [[(1, "2")]], "query: a name is text that is not empty, got 1"),
        (query, ["", "2"], "query: a name is text that is not empty, got ''"),
        (query, [{"page": []}], "query: 'page' has an empty list, which asks for nothing"),
        (query, [{}], "query: no parameter is named; for an empty query give exact=True"),
        (exact_query, ["page"], "query: exact=True needs all parameters, as a mapping or pairs"),
        (
            exact_query,
            [{"page": 2}],
            r"query: with exact=True names and values are text, as on the wire; got \('page', 2\)",
        ),
        (exact_query, [{"page": ["1", 2]}], "query: with exact=True names and values are text"),
        (exact_query, [[(1, "2")]], "query: with exact=True names and values are text"),
        (header, ["X", 3], "header: a value is text, an expression, .*; got 3"),
        (header, [None], "header: a name is text that is not empty, got None"),
        (header, [""], "header: a name is text that is not empty, got ''"),
        (cookie, [3], "cookie: a name is text that is not empty, got 3"),
        (contains, [re.compile("a")], "contains: expected text, got re.compile"),
        (form, [{}], "form: no field is named"),
        (form, [{"tag": []}], "form: 'tag' has an empty list, which asks for nothing"),
        (body, [None], r"body: expected bytes, text, contains\(\) or an expression, got None"),
        (body, [ABSENT], r"body: expected bytes, text, contains\(\) or an expression, got ABSENT"),
        (basic_auth, ["a:b", "c"], "basic_auth: user and password are text, and the user has no colon"),
        (bearer, [ABSENT], r"bearer: for a request without credentials ask header\('authorization', ABSENT\)"),
        (where, ["yes"], "where: expected a function of the captured request, got 'yes'"),
        (where, [answered_later], "where: .* is a coroutine function, whose answer nobody awaits"),
    ],
)
def test_conditions_that_can_never_hold_are_refused(condition, arguments, complaint):
    with pytest.raises(RouteError, match=complaint):
        condition(*arguments)


def test_a_json_body_that_json_cannot_hold_is_refused_with_the_path_to_it():
    with pytest.raises(SpecError, match=r"\$\.tags: set is not a JSON type"):
        json_body({"tags": {"a"}})
