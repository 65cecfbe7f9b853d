"""Whole answers on the wire: bodies, fields, framing, content coding, interim answers."""

import gzip
import json

import pytest

from api_simulator.http import ResponseSpec
from tests.conformance.manifest import requirement
from tests.conformance.raw import Wire, call
from tests.libraries import either as httpx

# Bodies


@requirement("answer:body:json")
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"a": [1, None, True]}, b'{"a":[1,null,true]}'),
        ([], b"[]"),
        ({}, b"{}"),
        (0, b"0"),
        (False, b"false"),
        (1.5, b"1.5"),
        ({"ü": "🐍"}, '{"ü":"🐍"}'.encode()),
    ],
    ids=repr,
)
def test_values_are_sent_as_compact_json(server, value, sent):
    server.register("GET", "/", ResponseSpec(body=value))

    reply = call(server)

    assert (reply.body, reply.get("content-type")) == (sent, "application/json")


@requirement("answer:body:json")
def test_the_short_form_for_json_takes_every_value(server):
    for name, value in {"null": None, "text": "t", "list": [1]}.items():
        server.get(f"/{name}").json(value)

    for name, sent in {"null": b"null", "text": b'"t"', "list": b"[1]"}.items():
        reply = call(server, f"/{name}")
        assert (reply.body, reply.get("content-type")) == (sent, "application/json")


@requirement("answer:body:text")
def test_text_is_sent_as_utf8(server):
    server.get("/").text("grüße\r\n")

    reply = call(server)

    assert (reply.body, reply.get("content-type")) == ("grüße\r\n".encode(), "text/plain; charset=utf-8")


@requirement("answer:body:bytes")
def test_bytes_are_sent_as_they_are(server):
    every_byte = bytes(range(256))
    server.get("/").content(every_byte)
    server.get("/png").content(every_byte, content_type="image/png")

    assert (call(server).body, call(server).get("content-type")) == (every_byte, "application/octet-stream")
    assert (call(server, "/png").body, call(server, "/png").get("content-type")) == (every_byte, "image/png")


@requirement("answer:body:none")
def test_no_body_has_length_zero_and_no_type(server):
    server.get("/").empty()

    assert call(server).fields == [("Content-Length", "0")]


@requirement("answer:body:later-change")
def test_a_value_changed_after_registration_is_sent_as_registered(server):
    value = {"n": [1]}
    server.get("/").json(value)

    value["n"].append(2)

    assert json.loads(call(server).body) == {"n": [1]}


# Heads


@requirement("answer:head:own-content-type")
@pytest.mark.parametrize("name", ["Content-Type", "content-type"])
def test_an_own_content_type_takes_the_place_of_the_bodys(server, name):
    server.register("GET", "/", ResponseSpec(body={}, headers={name: "application/problem+json"}))

    assert call(server).all("content-type") == ["application/problem+json"]


@requirement("answer:head:order-and-case")
def test_fields_keep_their_order_their_case_and_their_repetitions(server):
    fields = [("X-bbb", "2"), ("Set-Cookie", "a=1"), ("x-AAA", ""), ("set-cookie", "b=2"), ("X-bbb", "1")]
    server.register("GET", "/", ResponseSpec(headers=fields))

    assert call(server).fields == [*fields, ("Content-Length", "0")]


@requirement("answer:head:numbers")
def test_a_number_is_sent_in_digits(server):
    server.register("GET", "/", ResponseSpec(429, headers={"Retry-After": 7}))

    assert call(server).get("retry-after") == "7"


@requirement("answer:head:nothing-added")
def test_no_field_is_added_but_those_of_the_body(server):
    server.get("/").text("x")
    server.register("GET", "/own", ResponseSpec(headers={"Server": "mine", "Date": "today"}))

    assert call(server).fields == [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "1")]
    assert call(server, "/own").fields[:2] == [("Server", "mine"), ("Date", "today")]


@requirement("answer:head:beyond-ascii")
@pytest.mark.parametrize(("value", "sent"), [("é", b"\xe9"), ("🐍", "🐍".encode())])
def test_values_beyond_ascii_are_latin1_or_else_utf8(server, value, sent):
    server.register("GET", "/", ResponseSpec(headers={"X-Name": value}, reason=value))

    with Wire(server) as wire:
        wire.ask()
        head = wire.read_until(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 " + sent + b"\r\nX-Name: " + sent + b"\r\n")


@requirement("answer:head:reason")
@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (ResponseSpec(404), b"HTTP/1.1 404 Not Found\r\n"),
        (ResponseSpec(422), b"HTTP/1.1 422 Unprocessable Content\r\n"),
        (ResponseSpec(200, reason="Fine By Me"), b"HTTP/1.1 200 Fine By Me\r\n"),
        (ResponseSpec(200, reason=""), b"HTTP/1.1 200 \r\n"),
        (ResponseSpec(599), b"HTTP/1.1 599 \r\n"),
        (ResponseSpec(999), b"HTTP/1.1 999 \r\n"),
    ],
    ids=lambda value: value.decode().strip() if isinstance(value, bytes) else "",
)
def test_status_lines(server, spec, line):
    server.register("GET", "/", spec)

    with Wire(server) as wire:
        wire.ask()
        assert wire.read_until(b"\r\n") == line


# Framing


@requirement("answer:framing:head")
def test_head_gets_the_fields_of_get_and_no_body(server):
    server.get("/").headers({"X-A": "1"}).text("hello")

    with Wire(server) as wire:
        head, get = wire.call(method="HEAD"), wire.call()

    assert head.fields == get.fields
    assert (head.body, get.body) == (b"", b"hello")


@requirement("answer:framing:no-content")
@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_content_have_no_length_and_end_with_their_head(server, status):
    server.register("GET", "/", ResponseSpec(status, headers={"ETag": '"1"'}))

    with Wire(server) as wire:
        replies = [wire.call(), wire.call()]

    assert [(reply.status, reply.fields) for reply in replies] == [(status, [("ETag", '"1"')])] * 2


@requirement("answer:framing:same-bytes")
def test_a_spec_is_the_same_bytes_every_time(server):
    spec = ResponseSpec(201, {"b": 1, "a": 2}, {"X-A": "é"})
    server.register("GET", "/a", spec)
    server.register("POST", "/b", spec)
    seen = set()

    for path, method in (("/a", "GET"), ("/b", "POST"), ("/a", "GET")):
        with Wire(server) as wire:
            wire.ask(path, method, "Connection: close")
            seen.add(wire.rest())

    assert len(seen) == 1


@requirement("answer:framing:large")
def test_a_body_larger_than_the_socket_buffers_arrives_whole(server):
    content = bytes(range(256)) * 80_000
    server.get("/").content(content)

    with Wire(server) as wire:
        assert wire.call().body == content
        assert wire.call().body == content


# Redirects


@requirement("answer:redirect:location")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_says_where_to(server, status):
    server.get("/old").redirect("/new?a=1", status=status)

    reply = call(server, "/old")

    assert (reply.status, reply.get("location"), reply.body) == (status, "/new?a=1", b"")


@requirement("answer:redirect:location")
def test_a_client_follows_a_redirect_with_its_body(server):
    """307, the default, keeps method and body."""
    server.post("/old").redirect("/new")
    new = server.post("/new").empty()

    answer = httpx.post(server.url("/old"), content=b"payload", follow_redirects=True)

    assert answer.status_code == 200
    assert [request.body for request in new.requests] == [b"payload"]


# Interim answers


@requirement("answer:informational:order")
def test_interim_answers_come_first_in_their_order(server):
    server.get("/").informational(103, {"Link": "</a.css>"}).informational(102).text("final")

    with Wire(server) as wire:
        replies = [wire.call(), wire.reply(), wire.reply()]
        again = wire.call()

    assert [(reply.status, reply.reason, reply.fields) for reply in replies[:2]] == [
        (103, "Early Hints", [("Link", "</a.css>")]),
        (102, "Processing", []),
    ]
    assert (replies[2].status, replies[2].body) == (200, b"final")
    assert again.status == 103


@requirement("answer:informational:order")
def test_an_interim_100_may_be_sent_unasked(server):
    server.get("/").informational(100).text("final")

    with Wire(server) as wire:
        assert wire.call().status == 100
        assert wire.reply().body == b"final"


@requirement("answer:informational:http-10")
def test_an_http_10_client_gets_no_interim_answer(server):
    server.get("/").informational(103).text("final")

    assert call(server, version="1.0").status == 200


# Content coding


@requirement("answer:gzip:negotiated")
@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ([], False),
        ([""], False),
        (["gzip"], True),
        (["GZip"], True),
        (["x-gzip"], True),
        (["deflate, br"], False),
        (["br, gzip;q=0.5"], True),
        (["gzip;q=0"], False),
        (["gzip; q=0.000"], False),
        (["gzip ; Q=1"], True),
        (["*"], True),
        (["*;q=0"], False),
        (["gzip;q=0, *"], False),
        (["gzip, *;q=0"], True),
        (["br", "gzip"], True),
        (["identity"], False),
        (["gzip;q=nonsense"], False),
    ],
    ids=repr,
)
def test_gzip_is_sent_to_those_who_accept_it(server, accepted, is_packed):
    server.get("/").gzip().text("same " * 100)

    reply = call(server, "/", "GET", *(f"Accept-Encoding: {value}" for value in accepted))

    assert reply.get("content-encoding") == ("gzip" if is_packed else None)
    assert reply.get("vary") == "Accept-Encoding"
    assert (gzip.decompress(reply.body) if is_packed else reply.body) == b"same " * 100


@requirement("answer:gzip:empty")
@pytest.mark.parametrize("status", [200, 204, 304])
def test_what_has_no_body_is_not_compressed(server, status):
    server.register("GET", "/", ResponseSpec(status, gzip=True))

    with Wire(server) as wire:
        replies = [wire.call("/", "GET", "Accept-Encoding: gzip") for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(status, b"")] * 2
    assert replies[0].get("content-encoding") is None


@requirement("answer:gzip:head")
def test_head_tells_the_length_of_the_compressed_body(server):
    server.get("/").gzip().text("same " * 100)

    with Wire(server) as wire:
        head, get = (wire.call("/", method, "Accept-Encoding: gzip") for method in ("HEAD", "GET"))

    assert head.fields == get.fields
    assert head.get("content-length") == str(len(get.body))
