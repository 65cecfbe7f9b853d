"""Conditions on bodies, how conditions join, and predicates."""

import gzip
import json
import operator
import re
import zlib
from functools import partial

import pytest

from api_simulator.errors import VerificationError
from api_simulator.http import (
    ABSENT,
    basic_auth,
    bearer,
    body,
    contains,
    cookie,
    form,
    glob,
    header,
    json_body,
    json_path,
    json_schema,
    multipart,
    query,
    regex,
    where,
)
from tests.conformance.asking import ask, get, matched, post, statuses
from tests.conformance.manifest import requirement

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def sent(content, **headers):
    """Return a POST of these bytes."""
    return post("/", content=content, headers={name.replace("_", "-"): value for name, value in headers.items()})


def sent_json(*values):
    return [sent(json.dumps(value).encode()) for value in values]


@requirement("match:body:text")
def test_text_is_equal_in_its_own_charset(server):
    server.post("/").when(body("grün")).empty()

    assert matched(server, sent("grün".encode()), sent("grün ".encode()), sent(b"")) == [True, False, False]
    assert matched(
        server,
        sent("grün".encode("latin-1"), content_type="text/plain; charset=iso-8859-1"),
        sent("grün".encode("utf-16"), content_type='text/plain; charset="utf-16"'),
    ) == [True, True]


@requirement("match:body:text")
def test_an_empty_body_is_a_text_too(server):
    server.post("/").when(body("")).empty()

    assert matched(server, sent(b""), sent(b" ")) == [True, False]


@requirement("match:body:bytes")
def test_bytes_are_exactly_these(server):
    server.post("/").when(body(b"\x00\xff\r\n")).empty()

    assert matched(server, sent(b"\x00\xff\r\n"), sent(b"\x00\xff\n"), sent(b"")) == [True, False, False]


@requirement("match:body:contains")
def test_the_body_has_a_part(server):
    server.post("/").when(body(contains("needle"))).empty()

    assert matched(server, sent(b"hay needle hay"), sent(b"hay Needle"), sent(b"")) == [True, False, False]


@requirement("match:body:regex")
@pytest.mark.parametrize("make", [re.compile, regex])
def test_an_expression_is_found_in_the_body(server, make):
    server.post("/").when(body(make(r"(?m)^id: \d+$"))).empty()

    assert matched(server, sent(b"a\nid: 12\nb"), sent(b"a id: 12"), sent(b"")) == [True, False, False]


@requirement("match:body:coded")
@pytest.mark.parametrize(
    ("coding", "code"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("deflate, gzip", lambda raw: gzip.compress(zlib.compress(raw))),
    ],
)
def test_conditions_see_the_body_decoded(server, coding, code):
    server.post("/").when(
        body('{"a": 1}') & body(b'{"a": 1}') & body(contains("a")) & json_body({"a": 1}) & json_path("$.a", 1)
    ).empty()

    assert matched(server, sent(code(b'{"a": 1}'), content_encoding=coding)) == [True]


@requirement("match:body:undecodable")
@pytest.mark.parametrize("condition", [body(contains("")), body(b"x"), json_body({}, partial=True), json_path("$")])
@pytest.mark.parametrize("coding", ["gzip", "br", "nonsense"])
def test_a_body_that_cannot_be_decoded_matches_nothing(server, condition, coding):
    server.post("/").when(condition).empty()

    (answer,) = ask(server, sent(b"x", content_encoding=coding))

    assert answer.status_code == 404
    assert coding in answer.text
    assert statuses(server, sent(b"x", content_encoding=coding)) == [404]


@requirement("match:json:exact")
def test_json_is_compared_by_value(server):
    server.post("/").when(json_body({"a": [1, {"b": None}], "c": "ü"})).empty()

    assert matched(
        server,
        sent(b'{"a":[1,{"b":null}],"c":"\\u00fc"}'),
        sent('\ufeff { "c" : "ü", "a" : [1 , {"b":null}] } '.encode()),
    ) == [True, True]
    assert (
        matched(
            server,
            *sent_json({"a": [1, {"b": None}]}, {"a": [{"b": None}, 1], "c": "ü"}, {"a": [1, {}], "c": "ü"}),
            sent(b"{"),
            sent(b""),
        )
        == [False] * 5
    )


@requirement("match:json:types")
@pytest.mark.parametrize(
    ("value", "yes", "no"),
    [
        (1, [1, 1.0], [True, "1", [1], None]),
        (0, [0, 0.0, -0.0], [False, "", None]),
        (True, [True], [1, "true", 1.0]),
        ("", [""], [0, False, None, []]),
        ([], [[]], [{}, None, [None]]),
    ],
)
def test_numbers_compare_by_value_and_are_no_truth_values(server, value, yes, no):
    server.post("/").when(json_body({"v": value})).empty()

    assert matched(server, *sent_json(*({"v": other} for other in yes))) == [True] * len(yes)
    assert matched(server, *sent_json(*({"v": other} for other in no))) == [False] * len(no)


@requirement("match:json:null")
def test_null_is_not_the_same_as_no_json(server):
    server.post("/").when(json_body(None)).empty()

    assert matched(server, sent(b"null"), sent(b""), sent(b"nil"), sent(b"{}")) == [True, False, False, False]


@requirement("match:json:partial")
def test_a_partial_body_may_have_more_keys_and_no_more_items(server):
    server.post("/").when(json_body({"a": {"b": 1}, "l": [{"x": 1}]}, partial=True)).empty()

    assert matched(server, *sent_json({"a": {"b": 1, "c": 2}, "l": [{"x": 1, "y": 2}], "z": 0})) == [True]
    assert matched(
        server,
        *sent_json(
            {"a": {"c": 2}, "l": [{"x": 1}]}, {"a": {"b": 1}, "l": [{"x": 1}, {"x": 1}]}, {"a": {"b": 1}, "l": []}
        ),
    ) == [False, False, False]


@requirement("match:json:as-sent")
def test_a_condition_means_what_a_client_sends_for_the_same_value(server):
    """Keys that are numbers become text, tuples lists; and the value is read once, when the condition is made."""
    value = {1: (1, 2), "n": {"x": 1}}
    server.post("/").when(json_body(value)).empty()
    as_sent = json.dumps(value).encode()
    value["n"] = "changed later"

    assert matched(server, sent(as_sent), *sent_json(value)) == [True, False]


@requirement("match:json:path")
@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        (json_path("$.a.b"), {"a": {"b": None}}, {"a": {}}),
        (json_path("$.items[*].id", 2), {"items": [{"id": 1}, {"id": 2}]}, {"items": [{"id": 1}]}),
        (json_path("$..model", "m"), {"x": [{"model": "m"}]}, {"model": "n"}),
        (json_path("$.items[?@.n > 3]"), {"items": [{"n": 4}]}, {"items": [{"n": 3}]}),
        (json_path("$.v", None), {"v": None}, {"v": 0}),
        (json_path("$.v", 1), {"v": 1.0}, {"v": True}),
    ],
)
def test_a_jsonpath_finds_something_or_this(server, condition, yes, no):
    server.post("/").when(condition).empty()

    assert matched(server, *sent_json(yes, no), sent(b"not json"), sent(b"")) == [True, False, False, False]


@requirement("match:json:schema")
def test_a_schema_accepts_the_body(server):
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 1}}}
    server.post("/").when(json_schema(schema)).empty()

    assert matched(server, *sent_json({"n": 1}, {"n": 0}, {}, []), sent(b"{"), sent(b"")) == [True] + [False] * 5


@requirement("match:json:schema")
def test_a_schema_says_its_own_draft(server):
    """A list as `items` meant a tuple until draft 2019-09."""
    server.post("/").when(
        json_schema({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]})
    ).empty()

    assert matched(server, *sent_json(["a", 1], [1])) == [True, False]


@requirement("match:json:schema-local")
def test_a_reference_to_another_document_is_not_fetched(server):
    """A document that is not there is an error of the route, not a request to somebody's server."""
    documents = server.get("/schema.json").json({})
    server.post("/").when(json_schema({"$ref": server.url("/schema.json")})).empty()

    (answer,) = ask(server, sent(b"1"))

    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_simulator.predicate")
    assert documents.call_count == 0
    with pytest.raises(VerificationError, match=r"a condition of POST / with body of a schema raised .*/schema\.json"):
        server.verify()


@requirement("match:form:fields")
def test_fields_of_a_form_are_matched_like_parameters(server):
    server.post("/").when(
        form({"name": "ann b", "tag": ["x", "y"], "note": None, "id": re.compile(r"^\d+$"), "debug": ABSENT})
    ).empty()

    assert matched(server, sent(b"id=7&note=&name=ann+b&tag=y&tag=x&more=1", **FORM)) == [True]
    assert (
        matched(
            server,
            sent(b"id=7&note=&name=ann&tag=y&tag=x", **FORM),
            sent(b"id=7&note=&name=ann+b&tag=x", **FORM),
            sent(b"id=7&name=ann+b&tag=y&tag=x", **FORM),
            sent(b"id=x&note=&name=ann+b&tag=y&tag=x", **FORM),
            sent(b"id=7&note=&name=ann+b&tag=y&tag=x&debug=1", **FORM),
        )
        == [False] * 5
    )


@requirement("match:form:content-type")
def test_only_what_says_so_is_a_form(server):
    server.post("/").when(form({"a": "1"})).empty()

    assert matched(
        server,
        sent(b"a=1", content_type="Application/X-WWW-form-urlencoded; charset=utf-8"),
        sent(b"a=1", content_type="text/plain"),
        sent(b"a=1"),
    ) == [True, False, False]


@requirement("match:multipart:fields")
def test_fields_of_a_multipart_form_are_matched(server):
    server.post("/").when(multipart({"name": "ann", "note": None, "raw": b"\xff"})).empty()
    whole = {"name": (None, "ann"), "note": (None, ""), "raw": (None, b"\xff")}

    assert matched(server, post("/", files=whole), post("/", files={**whole, "more": (None, "1")})) == [True, True]
    assert (
        matched(
            server,
            post("/", files={**whole, "name": (None, "bob")}),
            post("/", files={"name": (None, "ann"), "raw": (None, b"\xff")}),
            post("/", files={**whole, "name": ("name.txt", "ann")}),
            post("/", data={"name": "ann", "note": "", "raw": "x"}),
        )
        == [False] * 4
    )


@requirement("match:multipart:files")
def test_files_of_a_multipart_form_are_matched(server):
    server.post("/").when(multipart({"kind": "png"}, files={"image": b"\x89PNG\r\n--x", "any": None})).empty()
    fields, image = {"kind": "png"}, ("a.png", b"\x89PNG\r\n--x", "image/png")

    assert matched(server, post("/", data=fields, files={"image": image, "any": ("b", b"")})) == [True]
    assert (
        matched(
            server,
            post("/", data=fields, files={"image": ("a.png", b"other"), "any": ("b", b"")}),
            post("/", data=fields, files={"image": image}),
            post("/", data={**fields, "any": "b"}, files={"image": image}),
            sent(b"--b\r\n", content_type="multipart/form-data; boundary=b"),
            sent(b"garbage", content_type="multipart/form-data; boundary=b"),
            sent(b"", content_type="multipart/form-data"),
        )
        == [False] * 6
    )


@requirement("match:logic:and")
def test_both_must_hold(server):
    server.get("/").when(query("a") & query("b") & header("c")).empty()
    server.get("/again").when(query("a")).when(query("b")).empty()

    assert matched(server, get("/?a&b", headers={"c": "1"}), "/?a&b", get("/?a", headers={"c": "1"})) == [
        True,
        False,
        False,
    ]
    assert matched(server, "/again?a&b", "/again?a") == [True, False]


@requirement("match:logic:or")
def test_either_must_hold(server):
    server.get("/").when(query("a") | query("b") | header("c")).empty()

    assert matched(server, "/?a", "/?b", get("/", headers={"c": "1"}), "/?a&b", "/") == [True] * 4 + [False]


@requirement("match:logic:not")
def test_the_contrary_must_hold(server):
    server.get("/").when(~(query("a") & query("b"))).empty()
    server.get("/twice").when(~~query("a")).empty()

    assert matched(server, "/?a", "/?b", "/", "/?a&b", "/twice?a", "/twice") == [True] * 3 + [False, True, False]


@requirement("match:predicate:says")
def test_a_predicate_decides_by_the_captured_request(server):
    server.post("/").when(where(lambda request: request.json["n"] > 1 and request.headers["x"] == "y")).empty()

    assert matched(
        server, post("/", json={"n": 2}, headers={"x": "y"}), post("/", json={"n": 1}, headers={"x": "y"})
    ) == [True, False]


@requirement("match:predicate:raises")
def test_a_predicate_that_raises_is_told_to_client_and_test(server):
    def picky(request):
        raise LookupError("no tenant")

    server.get("/").when(where(picky)).empty()

    (answer,) = ask(server, "/")

    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_simulator.predicate")
    assert "raised LookupError: no tenant" in answer.json()["error"]["message"]
    with pytest.raises(VerificationError, match=r"a condition of GET / .*picky raised LookupError: no tenant"):
        server.verify()


#: Backtracks for longer than the universe is old on a text that ends unlike the expression.
CATASTROPHE = r"^(a|a)*(a|a)*(a|aa)*(a|aa)*$"
ENDLESS = "a" * 200 + "!"


@requirement("match:path:regex-timeout", "match:header:regex-timeout", "match:body:regex-timeout")
@pytest.mark.parametrize(
    ("path", "condition", "call"),
    [
        (re.compile("/" + CATASTROPHE[1:]), None, post("/" + ENDLESS)),
        ("/", header("x", re.compile(CATASTROPHE)), post("/", headers={"x": ENDLESS})),
        ("/", body(re.compile(CATASTROPHE)), post("/", content=ENDLESS)),
    ],
    ids=["path", "header", "body"],
)
def test_an_expression_that_takes_too_long_hurts_its_own_route_only(server, path, condition, call):
    """With the package ``regex`` installed: the request gets a 500 that names the route, others their answers."""
    pytest.importorskip("regex")
    route = server.post(path)
    (route if condition is None else route.when(condition)).empty()
    server.get("/other").text("alive")

    broken, other = ask(server, call, "/other")

    assert (broken.status_code, broken.json()["error"]["type"]) == (500, "api_simulator.predicate")
    assert other.text == "alive"
    with pytest.raises(VerificationError, match=r"a condition of POST .* took more than 1 s on \d+ characters"):
        server.verify()


@requirement("match:condition:refused")
@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (header, ["", "x"], "a name is text that is not empty"),
        (header, ["x", 1], "a value is text, an expression, contains"),
        (query, [{"a": 1}], "a value is text"),
        (query, [{}], "no parameter is named"),
        (partial(query, exact=True), ["a"], "exact=True needs all parameters"),
        (partial(query, exact=True), [{"a": None}], "with exact=True names and values are text"),
        (query, [{"a": ["x"], "b": []}], "'b' has an empty list"),
        (form, [{"a": []}], "'a' has an empty list"),
        (form, [{}], "no field is named"),
        (cookie, ["", "x"], "a name is text that is not empty"),
        (body, [None], "expected bytes, text"),
        (body, [ABSENT], "expected bytes, text"),
        (contains, [b"x"], "expected text"),
        (regex, ["("], "is no regular expression"),
        (regex, [b"x"], "expected a regular expression over text"),
        (json_body, [{"a": {1, 2}}], r"\$\.a: set is not a JSON type"),
        (json_path, ["$["], "is no JSONPath"),
        (json_schema, [{"type": "strange"}], "the schema itself is wrong at"),
        (multipart, [], "no field or file is named"),
        (multipart, [{"a": 1}], "'a' is text, bytes or None"),
        (basic_auth, ["a:b", "c"], "the user has no colon"),
        (bearer, [ABSENT], r"header\('authorization', ABSENT\)"),
        (where, ["yes"], "expected a function"),
        (glob, ["a/b"], "expected text that starts with '/' or"),
        (glob, ["/[z-a]"], "has a class that means nothing"),
    ],
)
def test_a_condition_that_means_nothing_is_refused_where_it_is_made(engine, make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)


@requirement("match:condition:refused")
def test_a_predicate_that_nobody_awaits_is_refused(engine):
    async def later(request):
        return False

    with pytest.raises(ValueError, match="whose answer nobody awaits"):
        where(later)


@requirement("match:condition:refused")
def test_conditions_join_with_conditions_only(engine):
    for join in (operator.and_, operator.or_):
        with pytest.raises(TypeError, match="a condition joins with conditions only"):
            join(header("a"), "b")
