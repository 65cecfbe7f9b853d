"""Answers as bytes: every byte of the forms, and the framing that holds for all of them."""

import io
import string
from http.client import HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.specs import ResponseSpec
from api_simulator._core.wire import CONTINUE, bad_request_bytes, closes_connection, response_bytes
from tests._core.captured import captured

GET = captured()
HEAD = captured("HEAD")
CLOSE = captured(keep_alive=False)
OLD = captured(http_version="1.0", keep_alive=False)
OLD_KEPT = captured(http_version="1.0", keep_alive=True)


@pytest.mark.parametrize(
    ("spec", "request_", "wire"),
    [
        (ResponseSpec(), GET, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (
            ResponseSpec(body={"a": "é"}),
            GET,
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"a":"\xc3\xa9"}',
        ),
        (
            ResponseSpec(201, "né"),
            GET,
            b"HTTP/1.1 201 Created\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nn\xc3\xa9",
        ),
        (
            ResponseSpec(body=b"\r\n\0"),
            GET,
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\n\r\n\0",
        ),
        (
            ResponseSpec(headers=[("x-B", "1"), ("X-A", "2"), ("x-B", "3")]),
            GET,
            b"HTTP/1.1 200 OK\r\nx-B: 1\r\nX-A: 2\r\nx-B: 3\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            ResponseSpec(body="null", headers={"content-TYPE": "application/json"}),
            GET,
            b"HTTP/1.1 200 OK\r\ncontent-TYPE: application/json\r\nContent-Length: 4\r\n\r\nnull",
        ),
        (
            ResponseSpec(headers={"Server": "mine", "Date": "today"}),
            GET,
            b"HTTP/1.1 200 OK\r\nServer: mine\r\nDate: today\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            ResponseSpec(body="hi"),
            HEAD,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        ),
        (ResponseSpec(), CLOSE, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        (ResponseSpec(), OLD, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        (ResponseSpec(), OLD_KEPT, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"),
        (
            ResponseSpec(headers={"connection": "Close"}),
            OLD_KEPT,
            b"HTTP/1.1 200 OK\r\nconnection: Close\r\nContent-Length: 0\r\n\r\n",
        ),
        (ResponseSpec(204), GET, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (ResponseSpec(304, headers={"ETag": '"1"'}), GET, b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'),
        (ResponseSpec(204), CLOSE, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        (ResponseSpec(299), GET, b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"),
        (ResponseSpec(reason="Très"), GET, b"HTTP/1.1 200 Tr\xe8s\r\nContent-Length: 0\r\n\r\n"),
        (ResponseSpec(headers={"X": "é"}), GET, b"HTTP/1.1 200 OK\r\nX: \xe9\r\nContent-Length: 0\r\n\r\n"),
        (
            ResponseSpec(headers={"X": "日"}),
            GET,
            b"HTTP/1.1 200 OK\r\nX: \xe6\x97\xa5\r\nContent-Length: 0\r\n\r\n",
        ),
        (ResponseSpec(headers={"X": ""}), GET, b"HTTP/1.1 200 OK\r\nX: \r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=[
        "empty",
        "json",
        "text",
        "bytes",
        "repeated headers",
        "own content type",
        "server and date on request",
        "head",
        "close",
        "1.0",
        "1.0 kept",
        "own connection",
        "204",
        "304",
        "204 close",
        "no reason",
        "own reason",
        "latin-1",
        "utf-8",
        "empty value",
    ],
)
def test_an_answer_is_these_bytes(spec, request_, wire):
    """No ``Server`` and no ``Date`` that nobody asked for, in any of them."""
    assert response_bytes(spec, request_) == wire


def test_each_form_is_made_once_and_none_is_taken_for_another():
    spec = ResponseSpec(body="x")
    forms = [GET, HEAD, CLOSE, OLD, OLD_KEPT, captured("HEAD", keep_alive=False)]

    first = [response_bytes(spec, request) for request in forms]
    second = [response_bytes(spec, request) for request in forms]

    # 1.0 without keep-alive looks like 1.1 with close; all others differ.
    assert len(set(first)) == 5
    assert all(one is two for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("headers", "request_", "closes"),
    [
        ({}, GET, False),
        ({}, CLOSE, True),
        ({}, OLD_KEPT, False),
        ({"Connection": "close"}, GET, True),
        ({"connection": "Upgrade, Close"}, GET, True),
        ({"Connection": "keep-alive"}, GET, False),
        ({"Connection": "keep-alive"}, CLOSE, True),
        ({"X": "close"}, GET, False),
    ],
)
def test_the_connection_closes_by_the_clients_or_the_specs_word(headers, request_, closes):
    assert closes_connection(ResponseSpec(headers=headers), request_) == closes


def test_bad_input_is_answered_with_what_was_wrong():
    assert bad_request_bytes("no 日") == (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 24\r\nConnection: close\r\n\r\n400 Bad Request: no \xe6\x97\xa5\n"
    )


def test_continue_is_an_interim_answer_without_fields():
    assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"


class _Received:
    """What http.client reads an answer from, in place of a socket: the bytes are already there."""

    def __init__(self, data):
        self.stream = io.BytesIO(data)

    def makefile(self, mode):
        return self.stream


_values = st.text(string.ascii_letters + string.digits + string.punctuation + "é", min_size=1, max_size=10)


@given(
    status=st.integers(200, 999),
    body=st.none() | st.binary(max_size=50) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    headers=st.lists(st.tuples(st.sampled_from(["X-A", "x-a", "Server", "Content-Type"]), _values), max_size=4),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    version=st.sampled_from(["1.0", "1.1"]),
    keep_alive=st.booleans(),
)
def test_http_client_reads_every_answer_to_its_exact_end(status, body, headers, method, version, keep_alive):
    """Content-Length is the length of the body, and the fields arrive as given, by another's parser."""
    spec = ResponseSpec(status, None if status in (204, 304) else body, headers)
    wire = response_bytes(spec, captured(method, http_version=version, keep_alive=keep_alive))

    answer = HTTPResponse(_Received(wire + b"NEXT"), method=method)  # type: ignore[arg-type]
    answer.begin()
    content = answer.read()

    assert answer.status == status
    assert content == (b"" if method == "HEAD" else spec.content)
    assert wire.endswith(b"\r\n\r\n" + content)
    assert [pair for pair in answer.getheaders() if pair in headers] == headers
    if status not in (204, 304):
        assert answer.getheader("Content-Length") == str(len(spec.content))
    assert answer.will_close == (not keep_alive)
