"""The names and behaviours of ``api_simulator.http`` that users' suites call; run from an installed wheel too."""

import asyncio
import json
import time
import urllib.error
import urllib.request

import pytest

from api_simulator.http import MockHttpServer, MockResponseSpec, ResponseSpec


def call(url, *, method="GET", data=None, headers=None):
    """Return status, headers and body of one request; errors of HTTP are answers too."""
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_spec_has_two_names():
    assert MockResponseSpec is ResponseSpec


def test_spec_takes_keywords_and_sends_json(mock_http_server):
    """dict and list bodies are JSON; headers are a list of 2-tuples."""
    spec = MockResponseSpec(status=201, body={"id": 1}, headers=[("X-One", "1"), ("X-Two", "2")], delay_ms=0)
    mock_http_server.register("GET", "/dict", spec)
    mock_http_server.register("GET", "/list", MockResponseSpec(body=[1, 2]))

    status, headers, body = call(mock_http_server.url + "/dict")

    assert (status, json.loads(body)) == (201, {"id": 1})
    assert (headers["x-one"], headers["x-two"]) == ("1", "2")
    assert headers["content-type"] == "application/json"
    assert json.loads(call(mock_http_server.url + "/list")[2]) == [1, 2]


def test_delay_is_never_short(mock_http_server):
    mock_http_server.register("GET", "/slow", MockResponseSpec(delay_ms=80))

    started = time.monotonic()
    call(mock_http_server.url + "/slow")

    assert time.monotonic() - started >= 0.08


def test_url_is_text_and_can_be_called(mock_http_server):
    url = mock_http_server.url

    assert isinstance(url, str)
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith("/")
    assert mock_http_server.url() == url
    assert mock_http_server.url("/a/b") == f"{url}/a/b"


def test_register_in_the_older_keyword_form(mock_http_server):
    mock_http_server.register(
        "POST", "/v1/x", json={"ok": True}, status=202, delay_seconds=0.03, headers={"X-Old": "yes"}
    )

    started = time.monotonic()
    status, headers, body = call(mock_http_server.url("/v1/x"), method="POST", data=b"{}")

    assert time.monotonic() - started >= 0.03
    assert (status, headers["X-Old"], json.loads(body)) == (202, "yes", {"ok": True})


def test_sequence_repeats_its_last_spec(mock_http_server):
    mock_http_server.register_sequence("GET", "/quota", [MockResponseSpec(status=429), MockResponseSpec(status=200)])

    got = [call(mock_http_server.url("/quota"))[0] for _ in range(4)]

    assert got == [429, 200, 200, 200]


def test_sequence_in_the_older_form(mock_http_server):
    mock_http_server.register_sequence(
        "GET", "/quota", responses=[{"status": 503, "delay_seconds": 0.0}, {"json": {"left": 3}, "status": 200}]
    )

    first, second = (call(mock_http_server.url("/quota")) for _ in range(2))

    assert (first[0], second[0], json.loads(second[2])) == (503, 200, {"left": 3})


def test_captured_requests_work_as_dicts_and_as_objects(mock_http_server):
    mock_http_server.register("POST", "/v1/messages", MockResponseSpec(body={}))
    sent = {"model": "m", "text": "grüße"}
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}

    call(mock_http_server.url("/v1/messages?beta=true"), method="POST", data=json.dumps(sent).encode(), headers=headers)

    (request,) = mock_http_server.get_requests()
    assert request["headers"]["authorization"] == request.headers["authorization"] == "Bearer k"
    assert all(name == name.lower() for name in request["headers"])
    assert (request["method"], request["path"], request["query"]["beta"]) == ("POST", "/v1/messages", "true")
    assert request["body"] == json.dumps(sent).encode()
    assert request["json"] == sent
    assert request["text"] == json.dumps(sent)


def test_json_of_a_body_that_is_none_is_none(mock_http_server):
    mock_http_server.register("POST", "/", MockResponseSpec())

    call(mock_http_server.url("/"), method="POST", data=b"plain")

    assert mock_http_server.get_requests()[0]["json"] is None


def test_requests_are_filtered_and_counted(mock_http_server):
    mock_http_server.register("*", "/a", MockResponseSpec())
    mock_http_server.register("GET", "/b", MockResponseSpec())
    call(mock_http_server.url("/a"))
    call(mock_http_server.url("/a"), method="POST", data=b"")
    call(mock_http_server.url("/b"))

    assert mock_http_server.request_count() == 3
    assert mock_http_server.request_count("GET") == 2
    assert mock_http_server.request_count(method="GET", path="/a") == 1
    assert mock_http_server.request_count(path="/a") == 2
    assert [request["path"] for request in mock_http_server.get_requests(method="GET")] == ["/a", "/b"]
    assert mock_http_server.get_requests("DELETE") == []


def test_reset_forgets_and_keeps_the_port(mock_http_server):
    mock_http_server.register("GET", "/a", MockResponseSpec())
    before = str(mock_http_server.url)
    call(mock_http_server.url("/a"))

    mock_http_server.reset()

    assert mock_http_server.url == before
    assert (mock_http_server.request_count(), mock_http_server.get_requests()) == (0, [])
    assert call(mock_http_server.url("/a"))[0] == 404
    mock_http_server.expect_unmatched(1)


def test_a_client_in_the_tests_own_event_loop_is_answered(mock_http_server):
    """The server lives on another thread, so that a client and the test may share a loop."""
    mock_http_server.register("GET", "/", MockResponseSpec(body="hi"))

    async def ask():
        reader, writer = await asyncio.open_connection(mock_http_server.host, mock_http_server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    assert asyncio.run(ask()).endswith(b"\r\n\r\nhi")


def test_names_can_be_replaced(monkeypatch):
    """Users monkeypatch names in these modules: each must be a real attribute."""
    monkeypatch.setattr("api_simulator.http.MockHttpServer", object)
    monkeypatch.setattr("api_simulator.claude.FakeClaudeCLI", object)


def test_importorskip_finds_the_modules():
    assert pytest.importorskip("api_simulator.http").MockHttpServer is MockHttpServer
    assert pytest.importorskip("api_simulator.claude").FakeClaudeCLI


def test_the_former_extension_module_has_its_names():
    from api_simulator import _api_simulator_py as former
    from api_simulator.claude import FakeClaudeCLI, SessionResult

    assert former.PyResponseSpec is MockResponseSpec
    assert former.PyMockServer is MockHttpServer
    assert former.PyFakeClaudeCLI is FakeClaudeCLI
    assert former.PySessionResult is SessionResult


def test_server_works_without_pytest_fixtures():
    with MockHttpServer(engine="aiohttp", host="127.0.0.1", port=0) as server:
        server.register("GET", "/", MockResponseSpec(body={"a": 1}))

        assert json.loads(call(server.url + "/")[2]) == {"a": 1}
