"""What a request gets that no route matches, and what the test is told."""

import re

import pytest

from api_simulator.errors import NoRouteError, VerificationError
from api_simulator.http import MockHttpServer, ResponseSpec, basic_auth, header, json_body, json_schema, query, where
from tests.conformance.asking import Call, ask, get, matched, post, statuses
from tests.conformance.manifest import requirement


def error_of(server, call):
    """Send *call*, which no route matches, and return what the answer says of it."""
    (answer,) = ask(server, call)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    return answer.json()["error"]


@requirement("unmatched:answer:not-found")
def test_the_answer_explains_itself(server):
    server.get("/v1/messages").empty()

    error = error_of(server, "/v1/mesages?x=1")

    assert (error["type"], error["message"]) == (
        "api_simulator.unmatched",
        "GET /v1/mesages?x=1 matched no route.",
    )
    assert [near["route"] for near in error["nearest"]] == ["GET /v1/messages"]
    assert re.fullmatch(r".*test_matching_unmatched\.py:\d+", error["nearest"][0]["registered_at"])
    assert any("expect_unmatched(1)" in line for line in error["explanation"])


@requirement("unmatched:answer:not-found")
def test_head_gets_the_status_and_no_body(server):
    (answer,) = ask(server, Call("HEAD", "/a"))

    assert (answer.status_code, answer.content) == (404, b"")


@requirement("unmatched:nearest:three")
def test_three_routes_are_named_and_hopeless_ones_not(server):
    for path in ("/v1/users/a", "/v1/users/b", "/v1/user", "/v1/users/abc", "/zzz"):
        server.get(path).empty()

    nearest = [near["route"] for near in error_of(server, "/v1/users/ab")["nearest"]]

    assert len(nearest) == 3
    assert set(nearest[:2]) <= {"GET /v1/users/a", "GET /v1/users/b", "GET /v1/users/abc"}
    assert "GET /zzz" not in nearest


@requirement("unmatched:nearest:three")
def test_the_nearest_is_named_however_far_it_is(server):
    server.get("/zzz").empty()
    server.get("/yyyyyyy").empty()

    assert len(error_of(server, "/v1/users")["nearest"]) == 1


@requirement("unmatched:nearest:differences")
@pytest.mark.parametrize(
    ("condition", "call", "line"),
    [
        (None, get("/a"), "method: expected POST, found GET"),
        (None, post("/b"), "path: expected /a, found /b"),
        (query("x", "1"), post("/a?x=2&x=3"), "query 'x': expected \"1\", found ['2', '3']"),
        (query({"x": "1"}, exact=True), post("/a?x=1&y=2"), "query 'y': unexpected, found '2'"),
        (header("x-key"), post("/a"), "header 'x-key': expected any value, missing"),
        (~header("x-key", "1"), post("/a", headers={"x-key": "1"}), 'expected not: header x-key: "1"'),
        (header("a") | header("b"), post("/a"), "either header 'a': expected any value, missing"),
        (where(lambda request: False), post("/a"), "predicate <lambda> said no"),
        (json_schema({"type": "array"}), post("/a", json={}), "body $: {} is not of type 'array'"),
        (json_body(1), post("/a", content=b"<html>"), "body: expected JSON 1, found b'<html>' (not JSON)"),
    ],
)
def test_each_near_miss_says_what_differs(server, condition, call, line):
    route = server.post("/a")
    (route if condition is None else route.when(condition)).empty()

    assert line in error_of(server, call)["nearest"][0]["differences"]


@requirement("unmatched:nearest:json")
def test_a_json_body_is_compared_place_by_place(server):
    server.post("/a").when(json_body({"user": {"name": "ann", "tags": ["x"]}, "n": 1})).empty()

    error = error_of(server, post("/a", json={"user": {"name": "bob", "tags": ["x", "y"]}, "m": 2}))

    assert sorted(error["nearest"][0]["differences"]) == [
        "body $.m: unexpected, found 2",
        "body $.n: expected 1, missing",
        'body $.user.name: expected "ann", found "bob"',
        "body $.user.tags: expected 1 items, found 2",
    ]


@requirement("unmatched:nearest:secrets")
def test_no_password_is_repeated(server):
    server.get("/a").when(basic_auth("ann", "the-password")).empty()

    for user in ("ann", "bob"):
        explanation = str(error_of(server, get("/a", auth=(user, "another-secret"))))

        assert "basic credentials of 'ann'" in explanation
        assert "the-password" not in explanation
        assert "another-secret" not in explanation


@requirement("unmatched:nearest:none")
def test_without_any_route_it_says_so(server):
    error = error_of(server, "/a")

    assert error["nearest"] == []
    assert "  no route is registered on this server." in error["explanation"]


@requirement("unmatched:line:registers")
@pytest.mark.parametrize(
    "call",
    [
        get("/a"),
        post("/a/b", json={"x": [1, None, "ü"]}),
        get("/a%20b%2Fc"),
        get("/a%3Fb%23c"),
        get("/100%25%2541"),
        get("/{id}/}{"),
        get("/%22quoted%22/%5C"),
        get("/line%0Aend%00"),
        get("/caf%E9/%C3%BC"),
    ],
    ids=lambda call: call.target,
)
def test_the_line_registers_a_route_for_the_request(server, call):
    """Pasted into the test it would have matched."""
    (line,) = [line for line in error_of(server, call)["explanation"] if "add one with" in line]

    pasted = "server" + line.partition("add one with ")[2].replace("MockResponseSpec(...)", "spec")
    eval(pasted, {"server": server, "spec": ResponseSpec(), "json_body": json_body})

    assert matched(server, call) == [True]


@requirement("unmatched:condition:raises")
@pytest.mark.parametrize("call", [get("/a"), post("/b")], ids=["method", "path"])
def test_a_condition_that_raises_stops_no_explanation(server, call):
    """A predicate that expects another kind of request is asked about every near miss."""

    def picky(request):
        return request.json["id"]

    server.post("/a").when(where(picky)).empty()

    differences = error_of(server, call)["nearest"][0]["differences"]

    assert any("raised TypeError" in line for line in differences)
    assert statuses(server, call) == [404]


@requirement("unmatched:condition:raises")
def test_an_expression_that_takes_too_long_stops_no_explanation(server):
    pytest.importorskip("regex")
    server.post("/a").when(header("x", re.compile("^(a|a)*(a|aa)*(a|aa)*$"))).empty()
    server.post(re.compile("/b(a|a)*(a|aa)*(a|aa)*")).empty()
    endless = "a" * 200 + "!"

    assert statuses(server, get("/a", headers={"x": endless}), get(f"/b{endless}")) == [404, 404]


@requirement("unmatched:verdict:fails")
def test_an_unmatched_request_fails_the_verification_once(engine):
    with MockHttpServer(engine=engine) as server:
        server.get("/ab").empty()
        ask(server, "/a")

        with pytest.raises(NoRouteError, match=r"GET /a matched no route\.\n  nearest: GET /ab \(differs in path"):
            server.verify()
        server.verify()
        ask(server, "/b")
        with pytest.raises(NoRouteError, match="GET /b matched no route"):
            server.verify()


@requirement("unmatched:verdict:allowed")
def test_unmatched_requests_may_be_allowed(engine):
    with MockHttpServer(engine=engine, strict=False) as server:
        ask(server, "/a")
        assert [request.path for request in server.unmatched] == ["/a"]
    with MockHttpServer(engine=engine) as server:
        ask(server, "/a", "/b")
        server.expect_unmatched(2)


@requirement("unmatched:verdict:allowed")
def test_another_number_than_expected_is_not_allowed(engine):
    with MockHttpServer(engine=engine) as server:
        ask(server, "/a", "/b")
        server.expect_unmatched(1)

        with pytest.raises(VerificationError, match=r"expect_unmatched\(1\): found 2 unmatched requests"):
            server.verify()
        server.expect_unmatched(2)
