"""The aiohttp engine at the level of bytes: framing, order, broken input, ends of connections."""

import socket
import threading

import pytest

from api_simulator.http import MockHttpServer, MockResponseSpec


@pytest.fixture
def server():
    with MockHttpServer(engine="aiohttp", strict=False) as running:
        running.register("*", "/", MockResponseSpec(body="hi"))
        yield running


class Wire:
    """A raw connection: what is sent and received is what is on the wire."""

    def __init__(self, server):
        self.socket = socket.create_connection((server.host, server.port), timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read_until(self, end):
        """Read until the bytes received end with *end*."""
        data = b""
        while not data.endswith(end):
            piece = self.socket.recv(65536)
            assert piece, f"the server closed the connection after {data!r}"
            data += piece
        return data

    def read_to_end(self):
        data = b""
        while piece := self.socket.recv(65536):
            data += piece
        return data


@pytest.fixture
def wire(server):
    with Wire(server) as connection:
        yield connection


HI = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi"
HI_CLOSE = HI.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
HI_KEEP = HI.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", HI),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", HI_KEEP),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", HI[:-2]),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", HI),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", HI),
        (b"GET http://elsewhere/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n", HI),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", HI),
    ],
    ids=["1.1", "1.0-keep-alive", "head", "length", "chunked", "absolute-form", "unregistered-method"],
)
def test_request_is_answered_and_the_connection_kept(server, wire, request_bytes, answer):
    """Each form of request gets its answer, twice on one connection."""
    for _ in range(2):
        wire.send(request_bytes)

        assert wire.read_until(answer[-4:]) == answer
    assert [(r.connection_id, r.connection_index) for r in server.get_requests()] == [(1, 0), (1, 1)]


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"],
    ids=["1.1-close", "1.0"],
)
def test_connection_ends_when_the_client_wants_it(wire, request_bytes):
    wire.send(request_bytes)

    assert wire.read_to_end() == HI_CLOSE


def test_body_split_at_every_byte_is_captured_whole(server, wire):
    request = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n"

    for byte in request:
        wire.send(bytes([byte]))
    wire.read_until(b"hi")

    assert server.get_requests()[0].raw_body == b"a\r\n\r\n"


def test_pipelined_requests_are_answered_in_order(server, wire):
    """A slow answer holds back those after it; none is lost or swapped."""
    server.register("GET", "/slow", MockResponseSpec(body="slow", delay_ms=50))

    wire.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)

    answers = wire.read_until(b"hi" + HI)
    assert answers.index(b"slow") < answers.index(b"hi")
    assert [request.path for request in server.get_requests()] == ["/slow", "/", "/"]


def test_interim_answer_comes_before_the_body(server, wire):
    """A client that asks whether to go on is told so, then gets its final answer (RFC 9110, section 10.1.1)."""
    wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert wire.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    wire.send(b"abc")

    assert wire.read_until(b"hi") == HI
    assert server.get_requests()[0].body == b"abc"


@pytest.mark.parametrize(
    ("garbage", "named"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls hello\r\n\r\n", "HTTPS"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "header"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", "Content-Length"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", ""),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ""),
    ],
    ids=["tls", "space-before-colon", "bad-length", "long-target", "bad-chunk"],
)
def test_malformed_input_gets_400_and_the_server_lives_on(server, wire, garbage, named):
    """What is no HTTP is answered with 400, kept in ``malformed``, and hurts nobody else."""
    wire.send(garbage)

    assert wire.read_to_end().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    (malformed,) = server.malformed
    assert named.lower() in malformed.error.lower()
    assert malformed.raw
    assert server.get_requests() == []
    with Wire(server) as other:
        other.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert other.read_until(b"hi") == HI


def test_good_requests_before_garbage_are_answered_and_captured(server, wire):
    """A mistake takes nothing with it that came before it."""
    wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"@@@ garbage\r\n\r\n")

    answers = wire.read_to_end()

    assert answers.startswith(HI + HI + b"HTTP/1.1 400 Bad Request\r\n")
    assert server.request_count() == 2
    assert len(server.malformed) == 1


def test_garbage_behind_a_request_still_being_answered_waits_its_turn(server, wire):
    server.register("GET", "/slow", MockResponseSpec(body="slow", delay_ms=50))
    wire.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    server.wait_for_requests(1)

    wire.send(b"\0\0\0 garbage\r\n\r\n")

    answers = wire.read_to_end()
    assert answers.index(b"slow") < answers.index(b"400 Bad Request")
    assert len(server.malformed) == 1


def test_request_cut_off_by_the_client_is_told_apart_from_a_whole_one(server):
    """A head or body that never came to its end is no captured request."""
    with Wire(server) as cut:
        cut.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    with Wire(server) as cut:
        cut.send(b"GET / HT")
    with Wire(server) as after:
        after.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        after.read_until(b"hi")

    assert server.request_count() == 1
    server.wait_until(lambda: len(server.malformed) == 2)
    assert sorted(malformed.error for malformed in server.malformed) == [
        "the client went away inside the body",
        "the connection ended inside a request",
    ]


def test_client_that_goes_away_is_noted_on_its_request(server):
    server.register("GET", "/slow", MockResponseSpec(delay_ms=60_000))
    with Wire(server) as impatient:
        impatient.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        (request,) = server.wait_for_requests(1)
    server.close()

    assert request.aborted
    assert request.answered_ns is None


def test_upgrade_is_answered_like_any_request_and_ends_the_connection(server, wire):
    wire.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    assert wire.read_to_end() == HI_CLOSE


def test_target_that_is_not_utf8_is_captured(server, wire):
    wire.send(b"GET /caf\xe9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert b" 404 " in wire.read_to_end()
    assert server.unmatched[0].raw_target == "/caf%E9"


def test_answer_larger_than_the_socket_buffer_arrives_whole(server, wire):
    server.register("GET", "/large", MockResponseSpec(body=b"x" * 20_000_000))

    wire.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert wire.read_to_end().count(b"x") >= 20_000_000


def test_closing_ends_idle_and_busy_connections(server):
    server.register("GET", "/slow", MockResponseSpec(delay_ms=60_000))
    with Wire(server) as idle, Wire(server) as busy:
        idle.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.read_until(b"hi")
        busy.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_requests(2)

        server.close()

        assert idle.read_to_end() == b""
        with pytest.raises(ConnectionResetError):
            busy.read_to_end()


def test_two_hundred_connections_at_once_are_all_answered(server):
    def ask(answers):
        with Wire(server) as client:
            for _ in range(5):
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                answers.append(client.read_until(b"hi"))

    answers: list[bytes] = []
    threads = [threading.Thread(target=ask, args=(answers,)) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [HI] * 1000
    assert server.request_count() == 1000
