"""How requests are read from the wire, and what becomes of what is none."""

import pytest

from api_simulator.http import MockHttpServer
from tests.conformance.asking import Wire, ask, send_raw
from tests.conformance.manifest import requirement

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server(engine):
    """A server that answers ``/`` with text, so that reading knows where an answer ends."""
    with MockHttpServer(engine=engine, strict=False) as running:
        running.any("/").text("end")
        running.get("/slow").delay(30).text("slow")
        yield running


def bodies(server, data):
    """Send *data* and return the bodies that were captured of it."""
    send_raw(server, data)
    assert server.malformed == []
    return [request.raw_body for request in server.get_requests()]


@requirement("parse:body:length")
@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
def test_a_body_of_a_given_length_is_read_to_its_end(server, size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    assert bodies(server, POST + b"Content-Length: %d\r\n\r\n" % size + body + GET) == [body, b""]


@requirement("parse:body:chunked")
@pytest.mark.parametrize(
    "pieces", [[], [b"a"], [b"hello ", b"world"], [b"0\r\n\r\n", b"GET / HTTP/1.1\r\n"], [b"x" * 300_000] * 3]
)
def test_a_chunked_body_is_read_to_its_end(server, pieces):
    """What looks like an end inside a chunk is none."""
    chunks = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces)

    assert bodies(server, CHUNKED + chunks + b"0\r\n\r\n" + GET) == [b"".join(pieces), b""]


@requirement("parse:body:chunk-details")
@pytest.mark.parametrize(
    "chunks",
    [
        b"3;name=value\r\nabc\r\n0\r\n\r\n",
        b'3;name="quoted";flag\r\nabc\r\n0;last\r\n\r\n',
        b'3;name="\\"; ,\xff";other=\r\nabc\r\n0\r\n\r\n',
        b"0003\r\nabc\r\n000\r\n\r\n",
        b"3\r\nabc\r\n0\r\nTrailer-Field: 1\r\nOther: 2\r\n\r\n",
    ],
    ids=["extension", "quoted-extension", "quoted-pair", "zeros", "trailers"],
)
def test_extensions_and_trailers_are_read_over(server, chunks):
    assert bodies(server, CHUNKED + chunks + GET) == [b"abc", b""]


@requirement("parse:body:trailers-apart")
def test_trailers_of_one_request_are_no_fields_of_the_next(server):
    send_raw(server, CHUNKED + b"3\r\nabc\r\n0\r\nTrailer-Field: 1\r\n\r\n" + GET)

    assert "trailer-field" not in server.get_requests()[1].headers


@requirement("parse:body:none")
@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE", b"GET"])
def test_without_length_there_is_no_body(server, method):
    assert bodies(server, GET.replace(b"GET", method) + GET) == [b"", b""]


@requirement("parse:pipeline:order")
def test_pipelined_requests_are_answered_in_their_order(server):
    for name in "abc":
        server.get(f"/{name}").text(name)
    server.get("/b").delay(20).text("b")

    with Wire(server) as wire:
        wire.send(b"".join(GET.replace(b"/ ", b"/%c " % name) for name in b"abcab") + LAST_GET)
        answers = wire.read_to_end()

    ends = [answer.rpartition(b"\r\n\r\n")[2] for answer in answers.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert ends == [b"a", b"b", b"c", b"a", b"b", b"end"]
    assert [request.path for request in server.get_requests()] == ["/a", "/b", "/c", "/a", "/b", "/"]


@requirement("parse:pipeline:behind-slow")
@pytest.mark.parametrize(
    "behind",
    [GET + LAST_GET, GET + LAST_GET.replace(b"GET", b"BREW"), GET + GET + b"garbage\r\n\r\n"],
    ids=["known", "unknown-method", "garbage"],
)
@pytest.mark.parametrize("together", [True, False], ids=["one-packet", "two-packets"])
def test_no_request_is_lost_behind_one_that_takes_long(server, behind, together):
    """Good requests are answered, however strange the next one and however they share packets."""
    slow = GET.replace(b"/ ", b"/slow ")
    with Wire(server) as wire:
        wire.send(slow + behind if together else slow)
        if not together:
            server.wait_for_requests(1)
            wire.send(behind)
        answers = wire.read_to_end()

    assert [request.path for request in server.get_requests()] == ["/slow", "/", "/"]
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.count(b"HTTP/1.1 400 ") == len(server.malformed) == behind.count(b"garbage")


@requirement("parse:target:absolute")
@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://elsewhere/a/b?x=1", "/a/b", "x=1"),
        (b"http://elsewhere:80", "/", ""),
        (b"http://elsewhere?x=1", "/", "x=1"),
        (b"https://elsewhere/a%20b", "/a b", ""),
    ],
)
def test_the_absolute_form_is_matched_by_path_and_query(server, target, path, query):
    """As a client sends it that takes the server for a proxy."""
    server.get(path).text("by path")

    answer = send_raw(server, b"GET " + target + b" HTTP/1.1\r\nHost: elsewhere\r\n\r\n")

    (request,) = server.get_requests()
    assert answer.endswith(b"by path")
    assert (request.raw_target, request.path, request.query_string) == (target.decode(), path, query)


@requirement("parse:target:authority")
def test_the_authority_form_is_captured(server):
    answer = send_raw(server, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")

    (request,) = server.get_requests()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert (request.method, request.raw_target) == ("CONNECT", "example.org:443")


@requirement("parse:method:token")
@pytest.mark.parametrize("method", [b"BREW", b"M-SEARCH", b"X!#$%&'*+-.^_`|~9", b"Q" * 40])
def test_any_token_is_a_method(server, method):
    send_raw(server, GET.replace(b"GET", method) + GET)

    assert [request.method for request in server.get_requests()] == [method.decode(), "GET"]


@requirement("parse:head:split")
def test_a_head_may_come_byte_by_byte(server):
    with Wire(server) as wire:
        for byte in b"BREW / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n":
            wire.send(bytes([byte]))
        wire.read_until(b"end")

    (request,) = server.get_requests()
    assert (request.method, dict(request.headers)) == ("BREW", {"host": "x", "a": "b"})


@requirement("parse:head:split")
@pytest.mark.parametrize("begun", [1, 3, 20, 40])
@pytest.mark.parametrize("method", [b"GARBAGE", b"HEADER", b"GET"])
def test_a_head_that_begins_in_the_packet_of_another_request_is_whole(server, method, begun):
    """Also if its method is known to no parser, so that it is read a second time: by its first letters too."""
    other = LAST_GET.replace(b"GET", method)
    with Wire(server) as wire:
        wire.send(GET + other[:begun])
        server.wait_for_requests(1)
        wire.send(other[begun:])
        wire.read_to_end()

    first, second = server.get_requests()
    assert (first.method, second.method, second.raw_head) == ("GET", method.decode(), other)
    assert server.malformed == []


@requirement("parse:head:empty-lines")
def test_empty_lines_before_a_request_are_skipped(server):
    """Some clients end a body with a line end that belongs to nothing."""
    send_raw(server, b"\r\n" + GET + b"\r\n\r\n" + GET)

    assert server.request_count() == 2
    assert server.malformed == []


def fields(count):
    return b"".join(b"Field-%d: x\r\n" % number for number in range(count))


@requirement("parse:head:limits")
@pytest.mark.parametrize(
    ("head", "is_read"),
    [
        (b"GET /?%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 60_000), True),
        (b"GET /?%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 70_000), False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: %b\r\n\r\n" % (b"a" * 60_000), True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: %b\r\n\r\n" % (b"a" * 70_000), False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + fields(900) + b"\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + fields(1_100) + b"\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"A: %b\r\n" % (b"a" * 50_000)) * 4 + b"\r\n", True),
    ],
    ids=["target", "long-target", "field", "long-field", "fields", "many-fields", "large-head"],
)
def test_a_head_is_read_up_to_the_limits(server, head, is_read):
    answer = send_raw(server, head)

    assert answer.startswith(b"HTTP/1.1 200 " if is_read else b"HTTP/1.1 400 ")
    assert (server.request_count(), len(server.malformed)) == ((1, 0) if is_read else (0, 1))


@requirement("parse:head:limits")
def test_a_head_without_end_is_refused_before_it_has_ended(server):
    """Its client never stops sending: the server does not keep what it will refuse anyway."""
    with Wire(server) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 80_000)

        assert wire.read_to_end().startswith(b"HTTP/1.1 400 ")


#: Requests that are none, by the requirement that says so.
REFUSED = {
    "parse:framing:ambiguous": {
        "length-and-coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "coding-and-length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "two-lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "list-of-lengths": POST + b"Content-Length: 3, 4\r\n\r\nabcd",
        "signed-length": POST + b"Content-Length: +3\r\n\r\nabc",
        "negative-length": POST + b"Content-Length: -3\r\n\r\nabc",
        "length-with-underscore": POST + b"Content-Length: 1_0\r\n\r\nabcdefghij",
        "length-in-hexadecimal": POST + b"Content-Length: 0x3\r\n\r\nabc",
        "empty-length": POST + b"Content-Length:\r\n\r\nabc",
        "space-before-colon": POST + b"Content-Length : 3\r\n\r\nabc",
    },
    "parse:framing:coding": {
        "unknown": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "chunked-not-last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "two-fields": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "chunked-twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "chunked-in-two-fields": CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "http-1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "vertical-tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "empty": POST + b"Transfer-Encoding:\r\n\r\n",
    },
    "parse:framing:chunks": {
        "no-number": CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n",
        "prefix": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        "negative": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
        "underscore": CHUNKED + b"1_0\r\nabc\r\n0\r\n\r\n",
        "too-short": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
        "too-long": CHUNKED + b"5\r\nabc\r\n0\r\n\r\n",
        "bare-line-feed": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
        "empty-line": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    },
    "parse:framing:extensions": {
        "blank": CHUNKED + b"3; a\r\nabc\r\n0\r\n\r\n",
        "blank-before": CHUNKED + b"3 ;a\r\nabc\r\n0\r\n\r\n",
        "nothing": CHUNKED + b"3;\r\nabc\r\n0\r\n\r\n",
        "no-token": CHUNKED + b"3;a/b\r\nabc\r\n0\r\n\r\n",
        "no-token-in-value": CHUNKED + b"3;a=b,c\r\nabc\r\n0\r\n\r\n",
        "not-ascii": CHUNKED + b"3;a=\xff\r\nabc\r\n0\r\n\r\n",
        "open-quotes": CHUNKED + b'3;a="b\r\nabc\r\n0\r\n\r\n',
        "behind-quotes": CHUNKED + b'3;a="b"c\r\nabc\r\n0\r\n\r\n',
        "last-chunk": CHUNKED + b"3\r\nabc\r\n0;a b\r\n\r\n",
    },
    "parse:syntax:line-ends": {
        "bare-line-feeds": b"GET / HTTP/1.1\nHost: x\n\n",
        "bare-line-feed-after-line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
        "bare-line-feed-after-field": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
        "bare-carriage-return": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
        "carriage-return-in-value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    },
    "parse:syntax:folding": {
        "space": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "tab": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
        "first-field": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    },
    "parse:syntax:fields": {
        "no-colon": b"GET / HTTP/1.1\r\nHost: x\r\nfield\r\n\r\n",
        "no-name": b"GET / HTTP/1.1\r\nHost: x\r\n: value\r\n\r\n",
        "space-in-name": b"GET / HTTP/1.1\r\nHost: x\r\na b: value\r\n\r\n",
        "nul-in-value": b"GET / HTTP/1.1\r\nHost: x\r\nA: a\0b\r\n\r\n",
        "nul-in-name": b"GET / HTTP/1.1\r\nHost: x\r\nA\0: a\r\n\r\n",
        "name-not-ascii": b"GET / HTTP/1.1\r\nHost: x\r\n\xc3\xbc: a\r\n\r\n",
    },
    "parse:syntax:host": {
        "missing": b"GET / HTTP/1.1\r\nA: b\r\n\r\n",
        "twice": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    },
    "parse:syntax:request-line": {
        "garbage": b"\0\1\2\3\r\n\r\n",
        "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
        "http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "no-token": b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "no-version": b"GET / \r\nHost: x\r\n\r\n",
        "strange-version": b"GET / HTTQ/1.1\r\nHost: x\r\n\r\n",
        "long-version": b"GET / HTTP/1.11\r\nHost: x\r\n\r\n",
        "space-in-target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "two-spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "two-spaces-before-version": b"GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
        "old-version": b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
        "new-version": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "tab": b"GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n",
        "relative-target": b"GET a/b HTTP/1.1\r\nHost: x\r\n\r\n",
        "nul-in-target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    },
}


def refused(requirement_id):
    """Parametrise a test by the refused requests of a requirement."""
    return pytest.mark.parametrize("data", REFUSED[requirement_id].values(), ids=REFUSED[requirement_id].keys())


def check_refusal(server, data):
    """Send *data* between good requests, and check that only it is refused."""
    answers = send_raw(server, GET + data + GET)

    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 1, "the request after it must not be answered"
    assert answers.partition(b"end")[2].startswith(b"HTTP/1.1 400 Bad Request\r\n")
    (malformed,) = server.malformed
    assert malformed.error
    assert data[:10] in malformed.raw or malformed.raw.startswith(data.partition(b" HTTP")[0])
    assert [(request.method, request.raw_body) for request in server.get_requests()] == [("GET", b"")]
    assert [answer.text for answer in ask(server, "/")] == ["end"]


@requirement("parse:framing:ambiguous")
@refused("parse:framing:ambiguous")
def test_a_length_that_can_be_read_in_two_ways_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:framing:coding")
@refused("parse:framing:coding")
def test_a_coding_that_does_not_end_in_chunked_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:framing:chunks")
@refused("parse:framing:chunks")
def test_a_broken_chunk_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:framing:extensions")
@refused("parse:framing:extensions")
def test_a_chunk_extension_that_is_none_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:refusal:begun-chunk")
@pytest.mark.parametrize("begun", [b"x", b"3 ", b"3;a/", b"3\r\nabc\r\n3 ", b"0\r\n:"])
def test_a_line_of_a_chunked_body_is_refused_before_it_has_ended(server, begun):
    """Its client waits for the answer before it sends the rest."""
    with Wire(server) as wire:
        wire.send(CHUNKED + begun)

        assert wire.read_to_end().startswith(b"HTTP/1.1 400 ")


@requirement("parse:syntax:line-ends")
@refused("parse:syntax:line-ends")
def test_a_line_that_does_not_end_in_crlf_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:syntax:folding")
@refused("parse:syntax:folding")
def test_a_folded_field_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:syntax:fields")
@refused("parse:syntax:fields")
def test_a_field_that_is_none_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:syntax:host")
@refused("parse:syntax:host")
def test_a_request_without_its_one_host_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:syntax:request-line")
@refused("parse:syntax:request-line")
def test_a_line_that_is_no_request_line_is_refused(server, data):
    check_refusal(server, data)


@requirement("parse:syntax:exact-line")
@pytest.mark.parametrize("line", [b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET /", b"GET /HTTP/1.1"])
def test_a_request_line_has_three_parts_and_two_spaces(server, line):
    check_refusal(server, line + b"\r\nHost: x\r\n\r\n")


@requirement("parse:refusal:in-time")
@pytest.mark.parametrize("begun", [b"G(T / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01 hello", b"GET / HTTQ\r\n"])
def test_what_can_be_no_request_is_malformed_at_the_end_of_the_connection_at_the_latest(server, begun):
    answers = send_raw(server, begun)
    server.wait_until(lambda: server.malformed)

    assert answers == b"" or answers.startswith(b"HTTP/1.1 400 ")
    assert (len(server.malformed), server.request_count()) == (1, 0)


@requirement("parse:syntax:host")
def test_http_1_0_needs_no_host(server):
    assert send_raw(server, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@requirement("parse:refusal:slow-parser")
@pytest.mark.parametrize("theme", [theme for theme in REFUSED if theme != "parse:framing:extensions"])
def test_the_method_changes_nothing_about_what_is_refused(server, theme):
    """An engine may read methods that it does not know with another parser: that one must be as strict."""
    check_slow_refusals(server, theme)


@requirement("parse:refusal:slow-extensions")
def test_the_method_changes_nothing_about_chunk_extensions(server):
    check_slow_refusals(server, "parse:framing:extensions")


def check_slow_refusals(server, theme):
    for name, data in REFUSED[theme].items():
        method, space, rest = data.partition(b" ")
        if method in (b"GET", b"POST"):
            answers = send_raw(server, b"BREW" + space + rest)
            assert answers.startswith(b"HTTP/1.1 400 "), name
    assert server.get_requests() == []


@requirement("parse:refusal:answer")
def test_a_refusal_says_why_and_ends_the_connection(server):
    answer = send_raw(server, b"GET / HTTP/1.1\r\nHost x\r\n\r\n" + GET)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nConnection: close" in head
    assert b"Content-Length: %d" % len(body) in head
    assert server.malformed[0].error in body.decode()


@requirement("parse:refusal:kept")
def test_what_is_refused_is_kept_with_the_reason(server):
    send_raw(server, b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n")

    (malformed,) = server.malformed
    assert malformed.raw.startswith(b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n")
    assert "A : b" in malformed.error
    assert "A : b" in repr(malformed)


@requirement("parse:refusal:kept")
def test_of_endless_garbage_only_the_beginning_is_kept(server):
    send_raw(server, b"\0" + b"x" * 1_000_000)

    (malformed,) = server.malformed
    assert malformed.raw.startswith(b"\0xxx")
    assert len(malformed.raw) <= 65_536


@requirement("parse:refusal:others-unhurt")
def test_a_refusal_hurts_nobody_else(server):
    with Wire(server) as other:
        other.send(GET[:10])
        send_raw(server, b"garbage\r\n\r\n")
        other.send(GET[10:])

        assert other.read_until(b"end").startswith(b"HTTP/1.1 200 ")
    assert len(server.malformed) == 1


@requirement("parse:refusal:others-unhurt")
def test_good_requests_before_garbage_are_answered(server):
    answers = send_raw(server, GET + b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"garbage\r\n\r\n")

    assert answers.count(b"HTTP/1.1 200 OK") == server.request_count() == 3
    assert answers.count(b"HTTP/1.1 400 ") == len(server.malformed) == 1


@requirement("parse:end:inside-request")
@pytest.mark.parametrize(
    "part",
    [
        GET[:3],
        GET[:-2],
        GET[:-1],
        POST + b"Content-Length: 9\r\n\r\nabc",
        CHUNKED,
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3\r\nab",
    ],
    ids=["line", "fields", "last-byte", "length", "no-chunk", "no-last-chunk", "in-chunk"],
)
@pytest.mark.parametrize("before", [b"", GET], ids=["first", "second"])
def test_a_request_that_was_cut_off_is_no_request(server, before, part):
    """Neither the first of a connection, nor one that begins in the packet of another."""
    send_raw(server, before + part)
    server.wait_until(lambda: server.malformed)

    (malformed,) = server.malformed
    assert malformed.raw.startswith(part[:3])
    assert server.request_count() == (before != b"")
