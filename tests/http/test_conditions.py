"""The words for conditions, over real requests."""

import pytest

from api_simulator.errors import RouteError, SpecError
from api_simulator.http import ResponseSpec, header, json_body, query, where
from tests.http.calls import call


@pytest.mark.parametrize(
    ("condition", "target", "headers", "body", "status"),
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
def test_a_request_is_answered_only_if_the_condition_holds(server, condition, target, headers, body, status):
    server.register("POST", "/", ResponseSpec(), when=condition)

    assert call(server, "POST", target, body, headers).status == status


def test_the_answer_to_a_missed_condition_says_what_was_missed(server):
    server.register("POST", "/", ResponseSpec(), when=json_body({"model": "a"}) & header("x-key", "k"))

    answer = call(server, "POST", "/", {"model": "b"}, {"x-key": "q"})

    assert answer.json["error"]["nearest"][0]["differences"] == [
        'body $.model: expected "a", found "b"',
        "header 'x-key': expected 'k', found 'q'",
    ]


@pytest.mark.parametrize(
    ("condition", "arguments", "complaint"),
    [
        (query, [{"page": 2}], r"query: names and values are text, as on the wire; got \('page', 2\)"),
        (query, [{"page": ["1", 2]}], r"query: names and values are text"),
        (query, [[(1, "2")]], r"query: names and values are text"),
        (header, ["X", 3], "header: name and value are text, got 'X' and 3"),
        (header, [None], "header: name and value are text"),
        (where, ["yes"], "where: expected a function of the captured request, got 'yes'"),
    ],
)
def test_conditions_that_can_never_hold_are_refused(condition, arguments, complaint):
    with pytest.raises(RouteError, match=complaint):
        condition(*arguments)


def test_a_json_body_that_json_cannot_hold_is_refused_with_the_path_to_it():
    with pytest.raises(SpecError, match=r"\$\.tags: set is not a JSON type"):
        json_body({"tags": {"a"}})
