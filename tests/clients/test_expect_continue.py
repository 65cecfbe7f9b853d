"""
``Expect: 100-continue`` (RFC 9110, section 10.1.1): the server asks for the body before it comes.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from api_simulator.http import MockHttpServer, ResponseSpec
from tests.clients.client import PATIENCE_S, Client, needs

BODY = b"sent only when asked for"


@pytest.fixture
def connection(mock_http_server: MockHttpServer) -> Iterator[socket.socket]:
    """A bare connection to the server: only it shows what is on the wire at which moment."""
    with socket.create_connection((mock_http_server.host, mock_http_server.port), PATIENCE_S) as connection:
        yield connection


def _head(version: str = "1.1", expectation: str = "100-continue") -> bytes:
    lines = [f"POST /upload HTTP/{version}", "Host: test", f"Expect: {expectation}", f"Content-Length: {len(BODY)}"]
    return "\r\n".join([*lines, "", ""]).encode()


def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = connection.recv(1)
        assert received, f"the connection ended after {head!r}"
        head += received
    return head


@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
def test_interim_answer_comes_before_the_body(
    mock_http_server: MockHttpServer, connection: socket.socket, expectation: str
) -> None:
    """The head alone brings ``100 Continue``, the body brings the final answer; so on each request of a connection."""
    mock_http_server.register("POST", "/upload", ResponseSpec(201))

    for count in range(2):
        connection.sendall(_head(expectation=expectation))
        interim = _read_head(connection)
        captured_before_body = mock_http_server.request_count()
        connection.sendall(BODY)
        final = _read_head(connection)

        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert captured_before_body == count
        assert final == b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    assert [request.body for request in mock_http_server.get_requests()] == [BODY, BODY]


def test_http_10_gets_no_interim_answer(mock_http_server: MockHttpServer, connection: socket.socket) -> None:
    """The expectation of an HTTP/1.0 client is ignored, as RFC 9110, section 10.1.1, demands: 1.0 has no 1xx."""
    mock_http_server.register("POST", "/upload", ResponseSpec(201))

    connection.sendall(_head(version="1.0"))
    # When a later connection has been served, the server has seen the head that came before.
    with socket.create_connection((mock_http_server.host, mock_http_server.port), PATIENCE_S) as later:
        later.sendall(_head())
        _read_head(later)
        later.sendall(BODY)
        _read_head(later)
    connection.sendall(BODY)

    assert _read_head(connection).startswith(b"HTTP/1.1 201 Created\r\n")


def test_client_waits_for_the_interim_answer(mock_http_server: MockHttpServer, client: Client) -> None:
    """A client that holds its body back until it is asked gets asked."""
    needs(client, "wait-for-continue")
    mock_http_server.register("POST", "/upload", ResponseSpec(201, "done"))

    answer = client.send_after_continue("/upload", BODY)

    (request,) = mock_http_server.get_requests()
    assert (answer.status, answer.body) == (201, b"done")
    assert (request.headers["expect"], request.body) == ("100-continue", BODY)


def test_interim_answer_is_not_taken_as_final(mock_http_server: MockHttpServer, client: Client) -> None:
    """A client that says ``Expect: 100-continue``, waiting or not, ends with the final answer and a usable session."""
    mock_http_server.register("POST", "/upload", ResponseSpec(201, "done"))

    answers = [client.send("POST", "/upload", body=BODY, headers={"Expect": "100-continue"}) for _ in range(2)]

    assert [(answer.status, answer.body) for answer in answers] == [(201, b"done")] * 2
    captured = [(request.headers["expect"], request.body) for request in mock_http_server.get_requests()]
    assert captured == [("100-continue", BODY)] * 2
