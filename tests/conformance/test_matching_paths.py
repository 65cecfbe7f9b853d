"""Which paths a route means: literal, template, expression, glob."""

import re
from uuid import UUID

import pytest

from api_simulator.http import ResponseSpec, glob, path_regex
from tests.conformance.asking import matched, send_raw
from tests.conformance.manifest import requirement

AN_ID = "0b8ef2f4-9a0c-4e5c-8b7a-0a1b2c3d4e5f"


def raw_get(server, target):
    """GET exactly this target, which clients would tidy up, and say whether a route answered."""
    return send_raw(server, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def params_of(server, target):
    """GET *target* and return the parameters of the template that answered it."""
    assert raw_get(server, target.encode())
    return dict(server.get_requests()[-1].path_params)


@requirement("match:path:literal")
def test_a_literal_path_is_the_whole_path_in_its_case(server):
    server.get("/a/b").empty()

    assert matched(server, "/a/b", "/a", "/a/b/c", "/A/b", "/a//b") == [True, False, False, False, False]


@requirement("match:path:trailing-slash")
def test_a_trailing_slash_matters(server):
    server.get("/a").empty()
    server.get("/b/").empty()

    assert matched(server, "/a", "/a/", "/b/", "/b") == [True, False, True, False]


@requirement("match:path:percent-decoded")
@pytest.mark.parametrize("registered", ["/a b/ü", "/a%20b/%C3%BC", "/%61 b/%c3%bc"])
@pytest.mark.parametrize("sent", [b"/a%20b/%C3%BC", b"/%61%20%62/%c3%bc", "/a%20b/ü".encode()])
def test_paths_agree_when_they_agree_decoded(server, registered, sent):
    """However either side spells it."""
    server.get(registered).empty()

    assert raw_get(server, sent)
    assert server.get_requests()[0].path == "/a b/ü"


@requirement("match:path:encoded-slash")
def test_an_encoded_slash_separates_nothing(server):
    server.get("/files/{name}").empty()
    server.get("/x%2fy").empty()

    assert params_of(server, "/files/a%2Fb") == {"name": "a%2Fb"}
    assert params_of(server, "/files/a%2fb") == {"name": "a%2Fb"}
    assert [raw_get(server, target) for target in (b"/x%2Fy", b"/x/y", b"/files/a/b")] == [True, False, False]


@requirement("match:path:not-utf8")
def test_bytes_that_are_not_utf8_stay_encoded(server):
    server.get("/caf%E9").empty()
    server.get("/b/{name}").empty()

    assert raw_get(server, b"/caf%E9")
    assert params_of(server, "/b/%FF") == {"name": "%FF"}


@requirement("match:path:not-utf8")
def test_only_those_bytes_stay_encoded(server):
    server.get("/a b/{name}").empty()

    assert params_of(server, "/a%20b/%FF") == {"name": "%FF"}


@requirement("match:path:asterisk")
def test_the_asterisk_of_options_is_a_path(server):
    server.options("*").empty()

    assert send_raw(server, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@requirement("match:path:template")
def test_a_parameter_is_one_segment_or_a_part_of_it(server):
    server.get("/users/{id}/posts/{post_id}").empty()
    server.get("/v{version}.{kind}").empty()

    assert params_of(server, "/users/ann%20b/posts/7") == {"id": "ann b", "post_id": "7"}
    assert params_of(server, "/v2.json") == {"version": "2", "kind": "json"}
    assert matched(server, "/users//posts/7", "/users/a/b/posts/7", "/users/a/posts/7/") == [False, False, False]


@requirement("match:path:template-types")
@pytest.mark.parametrize(
    ("kind", "texts", "refused"),
    [
        ("str", {"a": "a", "1": "1"}, ["", "a/b"]),
        ("int", {"7": 7, "-12": -12, "007": 7}, ["x", "1.5", "", "+1", "1_0"]),
        ("float", {"1.5": 1.5, "-2": -2.0, "0.10": 0.1}, ["x", "1.", ".5", "1e3", "nan"]),
        ("uuid", {AN_ID: UUID(AN_ID), AN_ID.upper(): UUID(AN_ID)}, ["x", AN_ID[:-1], AN_ID.replace("-", "")]),
        ("path", {"a": "a", "a/b//c": "a/b//c", "a%0Ab": "a\nb"}, [""]),
    ],
)
def test_a_typed_parameter_takes_its_texts_and_gives_its_values(server, kind, texts, refused):
    server.get(f"/x/{{value:{kind}}}").empty()

    assert [params_of(server, f"/x/{text}")["value"] for text in texts] == list(texts.values())
    assert [text for text in refused if raw_get(server, f"/x/{text}".encode())] == []


@requirement("match:path:template-braces")
def test_doubled_braces_are_literal(server):
    server.get("/{{id}}").text("literal")
    server.get("/a/{{{id}}}").empty()

    assert [raw_get(server, target) for target in (b"/{id}", b"/%7Bid%7D", b"/7")] == [True, True, False]
    assert params_of(server, "/a/{7}") == {"id": "7"}


@requirement("match:path:regex")
@pytest.mark.parametrize("make", [re.compile, path_regex])
def test_an_expression_matches_the_whole_decoded_path(server, make):
    server.get(make(r"/users/[a-z ]+")).empty()

    assert matched(server, "/users/ann", "/users/ann%20b", "/users/ann/x", "/x/users/ann") == [True, True, False, False]


@requirement("match:path:regex-groups")
def test_named_groups_are_parameters(server):
    server.get(re.compile(r"/(?P<kind>users|posts)/(?P<id>\d+)(?:\.(?P<format>\w+))?")).empty()

    assert params_of(server, "/users/12") == {"kind": "users", "id": "12", "format": None}
    assert params_of(server, "/posts/1.json") == {"kind": "posts", "id": "1", "format": "json"}


@requirement("match:path:regex-flags")
def test_an_expression_keeps_its_flags(server):
    server.get(re.compile("/USERS", re.IGNORECASE)).empty()

    assert matched(server, "/users", "/Users", "/user") == [True, True, False]


@requirement("match:path:glob")
@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/a/*", ["/a/b", "/a/"], ["/a", "/a/b/c"]),
        ("/a/*.json", ["/a/x.json", "/a/.json"], ["/a/xjson", "/a/b/x.json"]),
        ("/a/**", ["/a/", "/a/b", "/a/b/c/"], ["/a", "/b/a/"]),
        ("/**/x", ["/x", "/a/x", "/a/b/x"], ["/ax", "/a/bx"]),
        ("/a?c", ["/abc", "/a%20c"], ["/ac", "/a/c", "/abbc"]),
        ("/[a-c]1", ["/a1", "/c1"], ["/d1", "/A1", "/a"]),
        ("/a[!x]b", ["/ayb"], ["/axb", "/a/b"]),
        ("/a.b+(c)", ["/a.b+(c)"], ["/axb+(c)"]),
        ("**.png", ["/a.png", "/a/b.png"], ["/a.jpg"]),
    ],
)
def test_a_glob_stands_for_paths(server, pattern, yes, no):
    server.get(glob(pattern)).empty()

    assert [path for path in yes if not matched(server, path)[0]] == []
    assert [path for path in no if matched(server, path)[0]] == []


@requirement("match:path:query-ignored")
def test_a_path_without_query_matches_whatever_the_query(server):
    server.get("/a").empty()

    assert matched(server, "/a", "/a?", "/a?b=1&c=2") == [True, True, True]


@requirement("match:path:refused")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a", "did you mean '/a'"),
        ("http://x/a", "is a whole URL"),
        ("/a#b", "has a fragment"),
        ("/{a", "has a single brace"),
        ("/{a}/{a}", "is used twice"),
        ("/{1}", "is no name"),
        ("/{a:hex}", "has an unknown type; there are str, int, float, uuid, path"),
        (7, "expected text that starts with '/'"),
    ],
)
def test_a_path_that_can_match_nothing_is_refused_where_it_is_registered(server, path, message):
    with pytest.raises(ValueError, match=message):
        server.register("GET", path, ResponseSpec())
