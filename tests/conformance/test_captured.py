"""What is captured of a request: every view, the bytes behind it, where and when it came."""

import asyncio
import gzip
import zlib
from collections.abc import MutableMapping

import pytest

from api_simulator._core import bodies
from api_simulator.errors import BodyError
from api_simulator.http import CapturedRequest, ResponseSpec
from tests.conformance.asking import Wire, ask, get, post, send_raw
from tests.conformance.manifest import requirement

#: How a raw request names a connection that the server is to end, so that reading ends too.
CLOSE = b"Connection: close\r\n"


def capture(server, data):
    """Send the bytes of one request and return what was captured of it."""
    send_raw(server, data)
    return server.get_requests()[-1]


@requirement("captured:form:mapping")
def test_a_captured_request_is_an_object_and_a_dict(server):
    server.post("/{id}").empty()
    ask(server, post("/7?a=1", json={"n": 1}, headers={"Cookie": "c=d"}))

    (request,) = server.get_requests()

    assert isinstance(request, CapturedRequest)
    assert {
        key: request[key] for key in ("method", "path", "query_string", "raw_target", "http_version", "status")
    } == {
        "method": "POST",
        "path": "/7",
        "query_string": "a=1",
        "raw_target": "/7?a=1",
        "http_version": "1.1",
        "status": 200,
    }
    assert [key for key in request if request[key] is not getattr(request, key) and key != "received_at"] == []
    assert (dict(request)["json"], request["query"]["a"], request["cookies"]["c"]) == ({"n": 1}, "1", "d")
    with pytest.raises(KeyError, match=r"'bdoy': a captured request has method, path, query"):
        request["bdoy"]
    assert not isinstance(request, MutableMapping)


@requirement("captured:target:raw")
@pytest.mark.parametrize("target", ["/a%20b%2F?x=%31&y", "/%61//../b/./?", "/a;b=c/!$&'()*+,@:", "/?a[]={1}|2"])
def test_the_target_is_kept_as_received(server, target):
    request = capture(server, b"GET " + target.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert request.raw_target == target


@requirement("captured:target:not-utf8")
def test_bytes_of_a_target_that_are_not_utf8_are_encoded(server):
    request = capture(server, b"GET /caf\xe9/\xc3\xbc?\xff HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (request.raw_target, request.path) == ("/caf%E9/ü?%FF", "/caf%E9/ü")


HEAD = b"POST /a HTTP/1.1\r\nHOST:x\r\nX-Odd:  \t two  spaces \t\r\nx-odd:\r\nContent-length: 5\r\n\r\n"


@requirement("captured:head:raw")
@pytest.mark.parametrize(
    "pieces", [[HEAD + b"hello"], [HEAD, b"hello"], [HEAD[:20], HEAD[20:50], HEAD[50:] + b"hel", b"lo"]]
)
def test_the_head_is_kept_as_received(server, pieces):
    """Spaces, case and order are those on the wire, however the head was cut into packets."""
    server.post("/a").text("end")
    with Wire(server) as wire:
        for piece in pieces:
            wire.send(piece)
        wire.read_until(b"end")

    (request,) = server.get_requests()

    assert request.raw_head == HEAD


@requirement("captured:head:pipelined")
def test_each_of_several_requests_in_a_packet_has_its_own_head(server):
    server.any("/a").empty()
    other = b"GET /a HTTP/1.1\r\nhost:  x\r\n" + CLOSE + b"\r\n"

    send_raw(server, HEAD + b"hello" + other)

    assert [request.raw_head for request in server.get_requests()] == [HEAD, other]


@requirement("captured:head:pipelined")
def test_a_head_behind_the_end_of_a_body_begins_where_it_begins(server):
    server.any("/a").text("end")
    other = b"GET /a HTTP/1.1\r\nhost:  x\r\n\r\n"
    with Wire(server) as wire:
        wire.send(HEAD + b"he")
        server.wait_until(lambda: server.connections.open == 1)
        wire.send(b"llo" + other)
        wire.read_until(b"end")
        server.wait_for_requests(2)

    assert [request.raw_head for request in server.get_requests()] == [HEAD, other]


@requirement("captured:headers:raw")
def test_fields_are_kept_in_order_and_case(server):
    request = capture(server, b"GET / HTTP/1.1\r\nHost: x\r\nB: 2\r\na: 1\r\nb:\r\nA: \xff\r\n\r\n")

    assert request.raw_headers == ((b"Host", b"x"), (b"B", b"2"), (b"a", b"1"), (b"b", b""), (b"A", b"\xff"))


@requirement("captured:headers:view")
def test_fields_are_found_in_any_case_and_joined(server):
    ask(server, get("/", headers=[("X-B", "2"), ("x-a", "1, 2"), ("X-A", "3")]))

    headers = server.get_requests()[0].headers

    assert (headers["X-a"], headers["x-A"], headers.get("x-b"), headers.get("x-c")) == ("1, 2, 3", "1, 2, 3", "2", None)
    assert headers.getall("X-A") == ["1, 2", "3"]
    assert "X-B" in headers
    assert [name for name in headers if name.startswith("x-")] == ["x-b", "x-a"]


@requirement("captured:headers:encodings")
def test_values_are_read_as_utf8_or_latin1(server):
    request = capture(server, b"GET / HTTP/1.1\r\nHost: x\r\nA: gr\xc3\xbcn\r\nB: gr\xfcn\r\n\r\n")

    assert (request.headers["a"], request.headers["b"]) == ("grün", "grün")


@requirement("captured:query:view")
def test_the_query_has_first_values_and_all_values(server):
    ask(server, "/?a=1&b=&a=2&c&d=%C3%BC+x")

    (request,) = server.get_requests()

    assert dict(request.query) == {"a": "1", "b": "", "c": "", "d": "ü x"}
    assert (request.query.getall("a"), request.query.getall("z")) == (["1", "2"], [])
    assert request.query_string == "a=1&b=&a=2&c&d=%C3%BC+x"


@requirement("captured:cookies:view")
def test_cookies_have_first_values_and_all_values(server):
    request = capture(server, b'GET / HTTP/1.1\r\nHost: x\r\nCookie: a=1; b="q=x";a=2\r\ncookie: c=\r\n\r\n')

    assert dict(request.cookies) == {"a": "1", "b": '"q=x"', "c": ""}
    assert request.cookies.getall("a") == ["1", "2"]


@requirement("captured:body:views")
@pytest.mark.parametrize(
    ("content", "content_type", "text", "value"),
    [
        (b'{"a": [1]}', "text/plain", '{"a": [1]}', {"a": [1]}),
        ("grün".encode(), "text/plain", "grün", None),
        (b"gr\xfcn", "text/plain; charset=latin-1", "grün", None),
        (b"gr\xfcn", "text/plain", "gr\ufffdn", None),
        (b"x", "text/plain; charset=unheard-of", "x", None),
        (b"", "application/json", "", None),
        (b"null", "application/json", "null", None),
        (b"{", "application/json", "{", None),
        (b"[" * 100_000, "application/json", "[" * 100_000, None),
    ],
    ids=["json", "utf-8", "latin-1", "not-utf8", "unknown-charset", "empty", "null", "broken", "deep"],
)
def test_a_body_is_bytes_text_and_json(server, content, content_type, text, value):
    ask(server, post("/", content=content, headers={"Content-Type": content_type}))

    (request,) = server.get_requests()

    assert (request.body, request.raw_body, request.text, request.json) == (content, content, text, value)


@requirement("captured:body:coded")
@pytest.mark.parametrize(
    ("coding", "raw"),
    [
        ("gzip", gzip.compress(b"hello")),
        ("gzip", gzip.compress(b"hel") + gzip.compress(b"lo")),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", zlib.compress(b"hello")[2:-4]),
        ("deflate, gzip", gzip.compress(zlib.compress(b"hello"))),
    ],
    ids=["gzip", "gzip-members", "deflate", "deflate-bare", "both"],
)
def test_body_is_decoded_and_raw_body_is_not(server, coding, raw):
    ask(server, post("/", content=raw, headers={"Content-Encoding": coding}))

    (request,) = server.get_requests()

    assert (request.body, request.text, request.raw_body) == (b"hello", "hello", raw)


@requirement("captured:body:undecodable")
@pytest.mark.parametrize(
    ("coding", "raw", "message"),
    [
        ("br", b"x", "Content-Encoding 'br' is not known here"),
        ("gzip", b"no gzip at all", "the gzip body is broken"),
        ("gzip", gzip.compress(b"hello")[:-4], "the gzip body ends too early"),
    ],
    ids=["unknown", "broken", "cut-off"],
)
def test_a_body_that_cannot_be_decoded_says_why(server, coding, raw, message):
    ask(server, post("/", content=raw, headers={"Content-Encoding": coding}))

    (request,) = server.get_requests()

    assert (request.raw_body, request.json) == (raw, None)
    for view in ("body", "text"):
        with pytest.raises(BodyError, match=message):
            request[view]


@requirement("captured:body:bomb")
def test_a_bomb_is_not_expanded(server):
    """A kilobyte for a megabyte, again and again: decoding ends at the bound, not at the end."""
    piece = bytes(4 * 1024 * 1024)
    bomb = gzip.compress(piece, mtime=0) * (bodies.MAX_DECODED_BYTES // len(piece) + 1)
    ask(server, post("/", content=bomb, headers={"Content-Encoding": "gzip"}))

    (request,) = server.get_requests()

    with pytest.raises(BodyError, match="grows beyond"):
        _ = request.body
    assert request.raw_body == bomb


@requirement("captured:version:as-sent")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_version_is_the_clients(server, version):
    assert capture(server, b"GET / HTTP/%s\r\nHost: x\r\n\r\n" % version.encode()).http_version == version


@requirement("captured:connection:place")
def test_a_request_knows_its_connection_and_its_place_on_it(server):
    ask(server, "/a", "/b")
    ask(server, "/c")

    assert [(r.path, r.connection_id, r.connection_index) for r in server.get_requests()] == [
        ("/a", 1, 0),
        ("/b", 1, 1),
        ("/c", 2, 0),
    ]


@requirement("captured:number:order")
def test_requests_are_numbered_from_one(server):
    ask(server, "/a", "/b")
    server.reset()
    ask(server, "/c")

    assert [(request.path, request.number) for request in server.get_requests()] == [("/c", 1)]


@requirement("captured:stamps:order")
def test_stamps_are_in_the_order_of_what_they_mean(server):
    server.post("/a").delay(20).text("hi")
    ask(server, post("/a", content=b"x" * 100_000), post("/a"))
    server.wait_until(lambda: all(request.answered_ns for request in server.get_requests()))

    first, second = server.get_requests()

    for request in (first, second):
        assert request.accepted_ns <= request.head_ns <= request.received_ns
        assert request.answered_ns - request.received_ns >= 20_000_000
        assert request.received_at == request.epoch_s(request.received_ns)
    assert first.accepted_ns == second.accepted_ns
    assert first.answered_ns <= second.head_ns


@requirement("captured:stamps:upload")
def test_the_end_of_the_head_is_stamped_before_a_slow_body(server):
    server.post("/a").text("end")
    server.get("/b").text("other")
    with Wire(server) as wire:
        wire.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
        server.wait_until(lambda: server.connections.open == 1)
        ask(server, "/b")
        wire.send(b"llo")
        wire.read_until(b"end")

    between, slow = server.get_requests()

    assert slow.head_ns <= between.received_ns <= slow.received_ns


@requirement("captured:status:answered")
def test_a_request_knows_its_answer(server):
    spec = ResponseSpec(418, {"short": True}, {"X-A": "1"})
    server.register("GET", "/a", spec)
    server.get("/asked").respond(lambda request: spec)
    server.get("/reset").reset_connection()
    ask(server, "/a", "/asked", "/unmatched")
    send_raw(server, b"GET /reset HTTP/1.1\r\nHost: x\r\n\r\n")

    found = server.get_requests()

    assert [request.status for request in found[:3]] == [418, 418, 404]
    assert [request.answer is spec for request in found[:2]] == [True, True]
    assert [request.route is None for request in found] == [False, False, True, False]
    assert "-> 418" in repr(found[0])


@requirement("captured:aborted:by-client")
@pytest.mark.parametrize("answer", ["delay", "hold", "hang", "large", "responder"])
def test_a_client_that_goes_away_is_noted(server, answer):
    server.get("/delay").delay(600_000).empty()
    server.get("/hold").empty().hold()
    server.get("/hang").hang()
    server.get("/large").content(b"x" * 50_000_000)

    async def never_ending(request):
        await asyncio.get_running_loop().create_future()

    server.get("/responder").respond(never_ending)
    with Wire(server) as wire:
        wire.send(f"GET /{answer} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        (request,) = server.wait_for_requests(1)

    server.wait_until(lambda: request.aborted)

    assert request.answered_ns is None
    assert request.aborted_ns >= request.received_ns


@requirement("captured:aborted:by-client")
def test_a_client_that_stays_is_not(server):
    server.get("/").text("hi")
    ask(server, "/")

    (request,) = server.get_requests()

    assert (request.aborted, request.aborted_ns) == (False, None)


@requirement("captured:params:of-route")
def test_path_params_are_those_of_the_route_that_answered(server):
    server.get("/{first}/{second}").text("template")
    server.get("/a/{other:int}").text("typed")

    ask(server, "/a/7", "/a/b", "/x")

    assert [dict(request.path_params) for request in server.get_requests()] == [
        {"other": 7},
        {"first": "a", "second": "b"},
        {},
    ]
