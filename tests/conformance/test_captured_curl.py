"""The command that sends a captured request again, run by a shell."""

import shutil
import subprocess

import pytest

from tests.conformance.asking import PATIENCE_S, Call, ask, get, post, send_raw
from tests.conformance.manifest import requirement

#: Fields that belong to the connection or the framing: the command's own are as good.
_NOT_COMPARED = {"host", "content-length", "transfer-encoding", "connection"}

CALLS = {
    "get": get("/a?x=1&y=%20z", headers={"X-One": "1", "Accept": "a/b"}),
    "json": post("/a", json={"text": 'it\'s "quoted" $HOME `id` \\ !'}),
    "at-sign": post("/a", content=b"@/etc/hostname", headers={"Content-Type": "text/plain"}),
    "dash": post("/a", content=b"--help", headers={"Content-Type": "text/plain"}),
    "bytes": post("/a", content=bytes(range(256)), headers={"Content-Type": "a/b"}),
    "lines": post("/a", content=b"a\r\nb\n\n", headers={"Content-Type": "a/b"}),
    "percent-bytes": post("/a", content=b"\xff%s%d\\n%%", headers={"Content-Type": "a/b"}),
    "no-content-type": post("/a", content=b"hello"),
    "no-body": post("/a"),
    "get-with-body": get("/a", content=b"hello", headers={"Content-Type": "a/b"}),
    "put": Call("PUT", "/a", {"content": b"x", "headers": {"Content-Type": "a/b"}}),
    "head": Call("HEAD", "/a", {"headers": {"Accept": "*/*"}}),
    "delete": Call("DELETE", "/a"),
    "repeated-field": get("/a", headers=[("X", "1"), ("x", "2")]),
    "empty-field": get("/a", headers={"X-Empty": ""}),
    "field-from-utf8": get("/a", headers=[(b"X", "grün".encode())]),
    "coded": post("/a", content=b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip", "Content-Type": "a/b"}),
}

TARGETS = {
    "brackets": b"/a?ids[]=1&ids[]=2",
    "braces": b"/a/{id}?x={1,2}",
    "dots": b"/a/../b/./c",
    "quote": b"/it's?a='b'",
    "utf-8": "/grün?ü=1".encode(),
    "double-slash": b"//a//b",
}


def resent(server, request):
    """Run the command of *request* by a shell and return what the server captured of that."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = request.as_curl(server.url)
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=PATIENCE_S, check=False)

    assert done.returncode == 0, (command, done.stderr)
    (_, again) = server.get_requests()
    return again


def fields(request):
    """Return the fields that a client chooses, as a sorted list."""
    return sorted((n.lower(), v) for n, v in request.raw_headers if n.decode().lower() not in _NOT_COMPARED)


@requirement("captured:curl:same-request")
@pytest.mark.parametrize("name", CALLS)
def test_the_command_sends_the_same_request(server, name):
    """Method, target, fields and body: nothing lost, nothing added."""
    ask(server, CALLS[name])
    (request,) = server.get_requests()

    again = resent(server, request)

    assert (again.method, again.raw_target, again.raw_body) == (request.method, request.raw_target, request.raw_body)
    assert fields(again) == fields(request)


@requirement("captured:curl:same-request")
@pytest.mark.parametrize("name", TARGETS)
def test_the_command_asks_for_the_same_target(server, name):
    """curl has a notation of its own for URLs, and tidies up paths."""
    send_raw(server, b"GET " + TARGETS[name] + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: u\r\nAccept: a/b\r\n\r\n")
    (request,) = server.get_requests()

    again = resent(server, request)

    # Bytes that are not ASCII arrive percent-encoded, as RFC 3986 wants them: the same target, spelled better.
    assert (again.path, dict(again.query)) == (request.path, dict(request.query))
    assert again.raw_target == request.raw_target or not request.raw_target.isascii()
