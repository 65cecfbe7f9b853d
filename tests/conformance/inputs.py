"""
Bytes for a server that are not all requests, and what must hold whatever they are.
"""

from contextlib import suppress

from tests.conformance.asking import Wire, send_raw

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
