"""
The clients that every claim of this folder is made for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from api_simulator.http import MockHttpServer
from tests.clients.blocking import HttpClientClient, HttpxClient, RequestsClient, UrllibClient
from tests.clients.client import Client
from tests.clients.curl import CurlClient
from tests.clients.on_loops import AiohttpClient, AsyncHttpxClient
from tests.libraries import httpx, httpx2, needs

CLIENTS: dict[str, Callable[[str], Client]] = {
    "httpx2": lambda url: HttpxClient(url, httpx2),
    "httpx2-asyncio": lambda url: AsyncHttpxClient(url, httpx2, "asyncio"),
    "httpx2-trio": lambda url: AsyncHttpxClient(url, httpx2, "trio"),
    "httpx": lambda url: HttpxClient(url, httpx),
    "httpx-asyncio": lambda url: AsyncHttpxClient(url, httpx, "asyncio"),
    "httpx-trio": lambda url: AsyncHttpxClient(url, httpx, "trio"),
    "requests": RequestsClient,
    "aiohttp": AiohttpClient,
    "urllib": UrllibClient,
    "http.client": HttpClientClient,
    "curl": CurlClient,
}


def _with_parity(name: str) -> object:
    """Let a client that needs no socket make each claim on both transports, which must tell one story."""
    if not name.startswith("httpx"):
        return name
    return pytest.param(name, marks=[pytest.mark.api_simulator(parity=True), needs(name.partition("-")[0])])


@pytest.fixture(params=map(_with_parity, CLIENTS))
def client(request: pytest.FixtureRequest, mock_http_server: MockHttpServer) -> Iterator[Client]:
    """A client of ``mock_http_server``, one after the other of :data:`CLIENTS`."""
    with CLIENTS[request.param](mock_http_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def ten_megabytes() -> bytes:
    """Bytes without a pattern: a part that is lost, doubled or moved shows in their hash."""
    return random.Random(10).randbytes(10 * 1024 * 1024)
