"""
Clients that go away before they have their answer: the server notes it and lives on.
"""

from __future__ import annotations

import socket

import pytest

from api_simulator.http import MockHttpServer, ResponseSpec
from tests.clients.client import PATIENCE_S, SHORT_S, Client, until

#: Longer than a test may take: an answer that nobody waits for to the end.
NEVER_MS = 600_000


def test_leaving_inside_an_upload_is_noted(mock_http_server: MockHttpServer, client: Client) -> None:
    """A request whose body never ended is malformed input, not a request; the next one is answered."""
    mock_http_server.register("POST", "/upload", ResponseSpec(201))
    mock_http_server.register("GET", "/next", ResponseSpec(body="alive"))

    client.leave_inside_upload("/upload", b"x" * 1000)
    until(lambda: mock_http_server.malformed, "the broken upload to be noted")
    answer = client.send("GET", "/next")

    (malformed,) = mock_http_server.malformed
    assert "the client went away inside the body" in malformed.error
    assert malformed.raw.startswith(b"POST /upload")
    assert answer.body == b"alive"
    assert [request.path for request in mock_http_server.get_requests()] == ["/next"]


def test_leaving_before_the_answer_is_noted(mock_http_server: MockHttpServer, client: Client) -> None:
    """A request whose client did not wait for the answer is captured as aborted; the next one is answered."""
    mock_http_server.register("GET", "/slow", ResponseSpec(delay_ms=NEVER_MS))
    mock_http_server.register("GET", "/next", ResponseSpec(body="alive"))

    client.leave_before_answer("/slow", lambda: mock_http_server.wait_for_requests(1, PATIENCE_S, path="/slow"))
    (request,) = mock_http_server.wait_for_requests(1, PATIENCE_S, path="/slow")
    until(lambda: request.aborted, "the request to be noted as aborted")
    answer = client.send("GET", "/next")

    (following,) = mock_http_server.get_requests(path="/next")
    assert request.answered_ns is None
    assert (answer.body, following.aborted) == (b"alive", False)


def test_delay_longer_than_its_timeout_raises_the_clients_own_error(
    mock_http_server: MockHttpServer, client: Client
) -> None:
    """A client told to wait less than the delay gives up in its own way, and the server takes note."""
    mock_http_server.register("GET", "/slow", ResponseSpec(delay_ms=NEVER_MS))

    with pytest.raises(client.timeout_error):
        client.send("GET", "/slow", timeout_s=SHORT_S)

    (request,) = mock_http_server.wait_for_requests(1, PATIENCE_S)
    until(lambda: request.aborted, "the request to be noted as aborted")


def test_leaving_inside_a_large_answer_is_noted(mock_http_server: MockHttpServer, ten_megabytes: bytes) -> None:
    """A request whose client read only the beginning of the answer is captured as aborted, not as answered."""
    mock_http_server.register("GET", "/download", ResponseSpec(body=ten_megabytes))

    with socket.create_connection((mock_http_server.host, mock_http_server.port), PATIENCE_S) as connection:
        connection.sendall(b"GET /download HTTP/1.1\r\nHost: test\r\n\r\n")
        beginning = connection.recv(100)

    (request,) = mock_http_server.wait_for_requests(1, PATIENCE_S)
    assert beginning.startswith(b"HTTP/1.1 200 OK\r\n")
    until(lambda: request.aborted or request.answered_ns is not None, "the request to end")
    assert request.aborted
