"""
Clients whose calls block: httpx and httpx2, requests, and the two of the standard library.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import requests

from tests.clients.client import PATIENCE_S, Answer, Capability, Client, GoneAwayError, breaking_off


class HttpxClient(Client):
    """
    ``Client`` of httpx or httpx2, which have the same interface.

    Args:
        library: The module.
    """

    cannot: ClassVar[Mapping[Capability, str]] = {
        "wait-for-continue": "sends an Expect header like any other and the body at once"
    }

    def __init__(self, url: str, library: Any) -> None:
        super().__init__(url)
        self.timeout_error = library.ReadTimeout
        self._library = library

    def open(self) -> None:
        self._client = self._library.Client(base_url=self.url)

    def close(self) -> None:
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        return httpx_answer(self._client.request(method, path, content=body, headers=headers, timeout=timeout_s))

    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        return httpx_answer(self._client.post(path, json=value, headers=headers))

    def leave_inside_upload(self, path: str, part: bytes) -> None:
        with pytest.raises(GoneAwayError):
            self._client.post(path, content=breaking_off(part))


def httpx_answer(response: Any) -> Answer:
    """Return a response of httpx or httpx2 as an answer."""
    return Answer(response.status_code, dict(response.headers), response.content)


class RequestsClient(Client):
    """``Session`` of requests."""

    timeout_error = requests.exceptions.ReadTimeout
    cannot: ClassVar[Mapping[Capability, str]] = {
        "wait-for-continue": "sends an Expect header like any other and the body at once"
    }

    def open(self) -> None:
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        return self._answer(
            self._session.request(method, self.url + path, data=body, headers=headers, timeout=timeout_s)
        )

    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        return self._answer(self._session.post(self.url + path, json=value, headers=headers, timeout=PATIENCE_S))

    def leave_inside_upload(self, path: str, part: bytes) -> None:
        with pytest.raises(GoneAwayError):
            self._session.post(self.url + path, data=breaking_off(part), timeout=PATIENCE_S)

    @staticmethod
    def _answer(response: requests.Response) -> Answer:
        return Answer(response.status_code, lower_case(response.headers.items()), response.content)


class UrllibClient(Client):
    """``urlopen`` of ``urllib.request``."""

    timeout_error = TimeoutError
    cannot: ClassVar[Mapping[Capability, str]] = {
        "keep-alive": "sends Connection: close with every request",
        "wait-for-continue": "sends an Expect header like any other and the body at once",
    }

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        request = urllib.request.Request(self.url + path, body, dict(headers or {}), method=method)
        try:
            response = urllib.request.urlopen(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return Answer(response.status, lower_case(response.headers.items()), response.read())

    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        fields = {"Content-Type": "application/json", **headers}
        return self.send("POST", path, body=json.dumps(value).encode(), headers=fields)

    def leave_inside_upload(self, path: str, part: bytes) -> None:
        request = urllib.request.Request(self.url + path, breaking_off(part), method="POST")
        with pytest.raises(GoneAwayError):
            urllib.request.urlopen(request, timeout=PATIENCE_S)


class HttpClientClient(Client):
    """``HTTPConnection`` of ``http.client``."""

    timeout_error = TimeoutError

    def open(self) -> None:
        parts = urlsplit(self.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)

    def close(self) -> None:
        self._connection.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        connection = self._connection
        connection.request(method, path, body, dict(headers or {}))
        connection.sock.settimeout(timeout_s)
        try:
            return self._read_answer()
        except TimeoutError:
            # It stays in the middle of an exchange otherwise, and refuses the next one.
            connection.close()
            raise

    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        fields = {"Content-Type": "application/json", **headers}
        return self.send("POST", path, body=json.dumps(value).encode(), headers=fields)

    def send_after_continue(self, path: str, body: bytes) -> Answer:
        connection = self._connection
        self._send_head(path, {"Content-Length": str(len(body)), "Expect": "100-continue"})
        # http.client skips interim answers while it looks for the final one, so this one is read from its socket.
        interim = b""
        while not interim.endswith(b"\r\n\r\n"):
            received = connection.sock.recv(1)
            assert received, f"the connection ended after {interim!r}"
            interim += received
        assert interim.startswith(b"HTTP/1.1 100 "), interim
        connection.send(body)
        return self._read_answer()

    def leave_inside_upload(self, path: str, part: bytes) -> None:
        self._send_head(path, {"Content-Length": str(len(part) + 1)})
        self._connection.send(part)
        self._connection.close()

    def leave_before_answer(self, path: str, arrived: Callable[[], object]) -> None:
        self._connection.request("GET", path)
        arrived()
        self._connection.close()

    def _send_head(self, path: str, headers: Mapping[str, str]) -> None:
        self._connection.putrequest("POST", path)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()

    def _read_answer(self) -> Answer:
        with self._connection.getresponse() as response:
            return Answer(response.status, lower_case(response.getheaders()), response.read())


def lower_case(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return header fields by name in lower case."""
    return {name.lower(): value for name, value in fields}
