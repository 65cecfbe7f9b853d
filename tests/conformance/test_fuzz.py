"""
What nobody thought of: arbitrary bytes, good requests with a few bytes changed, packets cut anywhere.

The default run looks at a few hundred inputs; ``pytest -m soak`` at many thousands.
"""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_simulator.http import MockHttpServer
from tests.conformance.asking import Wire, send_raw
from tests.conformance.manifest import requirement

#: The server is shared by the examples on purpose: it must live on after each, and be reset before the next.
_SHARED = [HealthCheck.function_scoped_fixture]
BRIEF = settings(max_examples=150, deadline=None, suppress_health_check=_SHARED, derandomize=True, database=None)
LONG = settings(max_examples=20_000, deadline=None, suppress_health_check=_SHARED, database=None)

#: Answers whatever was sent before it, and ends the connection.
FAREWELL = b"GET /farewell HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

GOOD = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /a%20b?c=d&e HTTP/1.1\r\nHost: x\r\nA: b\r\na:  c \r\nCookie: d=e; f\r\n\r\n",
    b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GARBAGE /can HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
    b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
    b'POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}',
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nnot",
]
#: Bytes that mean something in HTTP, and some that must not.
TELLING = [b"\r\n", b"\n", b"\r", b" ", b":", b"\t", b"\0", b"\xff", b"0", b";", b",", b"/", b"%", b"Host: y\r\n"]
TELLING += [
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\n",
]

requests = st.sampled_from(GOOD)
noise = st.one_of(st.binary(min_size=1, max_size=200), st.lists(st.sampled_from(TELLING), max_size=12).map(b"".join))


@st.composite
def mutants(draw):
    """A good request in which bytes are removed, doubled or replaced."""
    data = draw(requests)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 6)))
        data = data[:start] + draw(st.sampled_from([b"", data[start:end] * 2, *TELLING])) + data[end:]
    return data


@st.composite
def cut(draw, data):
    """*data* in packets."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True) if start < end]


@pytest.fixture
def server(engine):
    """A server with every kind of route, so that input meets conditions too."""
    with MockHttpServer(engine=engine, strict=False) as running:
        yield running


def prepare(server):
    server.reset()
    server.any("/{path:path}").text("any")
    server.post("/a").text("posted")
    server.get("/slow").delay(5).text("slow")


def check_alive(server, before):
    """A request on a new connection is answered and recorded, whatever others have sent."""
    assert b" 200 OK\r\n" in send_raw(server, FAREWELL)
    assert server.get_requests()[before:][-1].path == "/farewell"


def check_bytes(server, pieces):
    """Send *pieces* and check that the connection ends, that nothing is lost, and that the server lives on."""
    prepare(server)
    with Wire(server) as wire:
        # What is sent after a refusal is nobody's.
        with suppress(OSError):
            for piece in pieces:
                wire.send(piece)
            wire.end_sending()
        answers = wire.read_to_end()
    server.wait_until(lambda: server.connections.open == 0)

    found = server.get_requests()
    # What was answered is recorded, and what was recorded was a whole request.
    assert sum(answers.count(status) for status in (b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found")) <= len(found)
    assert answers.count(b"HTTP/1.1 400 Bad Request") <= len(server.malformed) <= 1
    assert [request.number for request in found] == list(range(1, len(found) + 1))
    for request in found:
        assert request.raw_head.endswith(b"\r\n\r\n")
        assert repr(request)
        assert request.path.startswith(("/", "*")) or request.method == "CONNECT"
    assert server.verdict(expectations=False).ok
    check_alive(server, len(found))


@requirement("fuzz:input:bytes")
@BRIEF
@given(data=st.lists(noise, min_size=1, max_size=5))
def test_any_bytes_leave_the_server_alive(server, data):
    check_bytes(server, data)


@requirement("fuzz:input:mutants")
@BRIEF
@given(data=st.lists(st.one_of(requests, mutants()), min_size=1, max_size=3).map(b"".join).flatmap(cut))
def test_changed_requests_leave_the_server_alive(server, data):
    check_bytes(server, data)


def check_cut(server, sent, pieces):
    """Send whole requests in *pieces*, and check that exactly they are captured, whatever the cuts."""
    prepare(server)
    with Wire(server) as wire:
        for piece in pieces:
            wire.send(piece)
        answers = wire.read_to_end()

    assert server.malformed == []
    captured = [(request.method, request.raw_target) for request in server.get_requests()]
    assert captured == [tuple(data.decode().split(" ")[:2]) for data in [*sent, FAREWELL]]
    assert answers.count(b"HTTP/1.1 ") == len(sent) + 1


@requirement("fuzz:input:pieces")
@BRIEF
@given(data=st.data())
def test_cuts_between_packets_change_nothing(server, data):
    """Each request is captured with its method and target, and answered once."""
    sent = data.draw(st.lists(requests, min_size=1, max_size=4))

    check_cut(server, sent, data.draw(cut(b"".join(sent) + FAREWELL)))


@requirement("fuzz:input:pieces")
@BRIEF
@given(data=st.data())
def test_cuts_change_nothing_behind_an_answer_that_takes_time(server, data):
    sent = [b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", *data.draw(st.lists(requests, min_size=1, max_size=3))]

    check_cut(server, sent, data.draw(cut(b"".join(sent) + FAREWELL)))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("fuzz:input:bytes")
@LONG
@given(data=st.lists(noise, min_size=1, max_size=8))
def test_many_bytes_leave_the_server_alive(server, data):
    check_bytes(server, data)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("fuzz:input:mutants")
@LONG
@given(data=st.lists(st.one_of(requests, mutants()), min_size=1, max_size=6).map(b"".join).flatmap(cut))
def test_many_changed_requests_leave_the_server_alive(server, data):
    check_bytes(server, data)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("fuzz:input:pieces")
@LONG
@given(data=st.data())
def test_many_cuts_between_packets_change_nothing(server, data):
    sent = data.draw(st.lists(requests, min_size=1, max_size=8))

    check_cut(server, sent, data.draw(cut(b"".join(sent) + FAREWELL)))
