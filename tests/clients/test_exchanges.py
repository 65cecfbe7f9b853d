"""
What clients send arrives, and what the server answers is what clients show.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import time

from api_simulator.http import MockHttpServer, ResponseSpec
from tests.clients.client import Client, needs


def test_requests_of_a_client_share_a_connection(mock_http_server: MockHttpServer, client: Client) -> None:
    """A client that keeps its connection is met on it again."""
    needs(client, "keep-alive")
    mock_http_server.register("GET", "/a", ResponseSpec(body="first"))
    mock_http_server.register("GET", "/b", ResponseSpec(body="second"))

    answers = client.send_in_a_row([("GET", "/a"), ("GET", "/b")])

    first, second = mock_http_server.get_requests()
    assert [answer.body for answer in answers] == [b"first", b"second"]
    assert second.connection_id == first.connection_id
    assert (first.connection_index, second.connection_index) == (0, 1)


def test_connection_close_ends_the_connection(mock_http_server: MockHttpServer, client: Client) -> None:
    """A client that says ``Connection: close`` comes back on a new connection."""
    mock_http_server.register("GET", "/a", ResponseSpec(body="bye"))

    answers = client.send_in_a_row([("GET", "/a"), ("GET", "/a")], headers={"Connection": "close"})

    first, second = mock_http_server.get_requests()
    assert [(answer.body, answer.headers["connection"]) for answer in answers] == [(b"bye", "close")] * 2
    assert second.connection_id != first.connection_id
    assert (first.connection_index, second.connection_index) == (0, 0)


def test_json_is_captured_as_sent(mock_http_server: MockHttpServer, client: Client) -> None:
    """JSON and header fields are captured as the client sent them, and the answer's JSON is what was registered."""
    sent: dict[str, object] = {"text": "grüße 🐍", "numbers": [0, -1, 2.5], "nothing": None, "deep": {"": [[], {}]}}
    fields = {"X-Api-Key": "k-1", "Accept": "*/*;q=0.5", "User-Agent": "claim/1 (a; b)"}
    mock_http_server.register("POST", "/v1/messages", ResponseSpec(201, {"id": "ü"}, {"X-Request-Id": "r-1"}))

    answer = client.send_json("/v1/messages", sent, headers=fields)

    (request,) = mock_http_server.get_requests("POST", "/v1/messages")
    assert request.json == sent
    assert request.headers["content-type"] == "application/json"
    assert {name: request.headers[name] for name in fields} == fields
    assert (answer.status, json.loads(answer.body)) == (201, {"id": "ü"})
    assert (answer.headers["content-type"], answer.headers["x-request-id"]) == ("application/json", "r-1")


def test_large_upload_is_captured_whole(mock_http_server: MockHttpServer, client: Client, ten_megabytes: bytes) -> None:
    """A body of 10 MB arrives byte for byte."""
    mock_http_server.register("POST", "/upload", ResponseSpec(204))

    answer = client.send("POST", "/upload", body=ten_megabytes)

    (request,) = mock_http_server.get_requests()
    assert answer.status == 204
    assert _hash(request.body) == _hash(request.raw_body) == _hash(ten_megabytes)


def test_large_download_is_received_whole(
    mock_http_server: MockHttpServer, client: Client, ten_megabytes: bytes
) -> None:
    """An answer of 10 MB arrives byte for byte."""
    mock_http_server.register("GET", "/download", ResponseSpec(body=ten_megabytes))

    answer = client.send("GET", "/download")

    assert answer.headers["content-length"] == str(len(ten_megabytes))
    assert _hash(answer.body) == _hash(ten_megabytes)


def test_gzipped_body_is_kept_and_decoded(mock_http_server: MockHttpServer, client: Client) -> None:
    """A compressed body is captured twice: as received, and decoded."""
    plain = json.dumps({"repeated": ["same"] * 1000}).encode()
    packed = gzip.compress(plain, mtime=0)
    mock_http_server.register("POST", "/packed", ResponseSpec(204))

    client.send(
        "POST", "/packed", body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
    )

    (request,) = mock_http_server.get_requests()
    assert request.raw_body == packed
    assert request.body == plain
    assert request.json == {"repeated": ["same"] * 1000}


def test_head_has_the_fields_of_get_and_no_body(mock_http_server: MockHttpServer, client: Client) -> None:
    """HEAD is answered by the GET route: same fields, no body, and the next answer is not mistaken for one."""
    mock_http_server.register("GET", "/page", ResponseSpec(body="x" * 1234, headers={"ETag": '"1"'}))

    head, get = client.send_in_a_row([("HEAD", "/page"), ("GET", "/page")])

    assert [request.method for request in mock_http_server.get_requests()] == ["HEAD", "GET"]
    assert (head.status, head.body, get.body) == (200, b"", b"x" * 1234)
    assert head.headers == get.headers
    assert (head.headers["content-length"], head.headers["etag"]) == ("1234", '"1"')


def test_rate_limit_ends_after_two_refusals(mock_http_server: MockHttpServer, client: Client) -> None:
    """A sequence is played to the client in its order, with status, fields and body of each answer."""
    refusal = ResponseSpec(429, {"error": {"type": "rate_limit_error"}}, {"Retry-After": 1})
    route = mock_http_server.register_sequence("POST", "/v1/messages", [refusal, refusal, ResponseSpec(body={"ok": 1})])

    answers = [client.send("POST", "/v1/messages", body=b"{}") for _ in range(3)]

    assert [answer.status for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["1", "1", None]
    assert json.loads(answers[0].body) == {"error": {"type": "rate_limit_error"}}
    assert json.loads(answers[2].body) == {"ok": 1}
    assert [request.status for request in route.requests] == [429, 429, 200]


def test_delay_is_not_short(mock_http_server: MockHttpServer, client: Client) -> None:
    """A client waits for a delayed answer at least as long as the delay."""
    mock_http_server.register("GET", "/slow", ResponseSpec(body="late", delay_ms=100))

    started_ns = time.monotonic_ns()
    answer = client.send("GET", "/slow")
    took_ms = (time.monotonic_ns() - started_ns) / 1e6

    assert answer.body == b"late"
    assert took_ms >= 100


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
