"""A server for a test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api_simulator.http import MockHttpServer


@pytest.fixture
def server() -> Iterator[MockHttpServer]:
    """
    A running server whose traffic is judged only if the test says so.

    Not the plugin's fixture: what that adds is tested with the plugin.
    """
    running = MockHttpServer(strict=False).start()
    yield running
    running.close()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loops on which every async claim of this folder is made."""
    backend: str = request.param
    return backend
