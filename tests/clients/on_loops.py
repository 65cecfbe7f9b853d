"""
Clients that live on an event loop: httpx and httpx2 on asyncio and on trio, aiohttp.

Each gets a loop of its own on a thread of its own; the claims call into it and block, and to go
away means what it means in async code: the task is cancelled.
"""

from __future__ import annotations

import io
import threading
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any, ClassVar, Literal, TypeAlias

import aiohttp
import anyio
from anyio.from_thread import start_blocking_portal

from tests.clients.blocking import httpx_answer, lower_case
from tests.clients.client import PATIENCE_S, Answer, Capability, Client

Loop: TypeAlias = Literal["asyncio", "trio"]


class LoopClient(Client):
    """A client whose calls are coroutines."""

    loop: Loop = "asyncio"

    def open(self) -> None:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal(self.loop))
            self._session = stack.enter_context(
                self._portal.wrap_async_context_manager(self._portal.call(self._new_session))
            )
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    @abstractmethod
    async def _new_session(self) -> AbstractAsyncContextManager[Any]:
        """Return what the client calls its session; called on the loop."""

    @abstractmethod
    async def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None, timeout_s: float
    ) -> Answer:
        """Send a request whose *body* is bytes, None or an async iterator of bytes."""

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        return self._portal.call(lambda: self._request(method, path, body, headers, timeout_s))

    def leave_inside_upload(self, path: str, part: bytes) -> None:
        sent = threading.Event()

        async def stalling() -> AsyncIterator[bytes]:
            yield part
            sent.set()
            await anyio.sleep_forever()

        def wait() -> None:
            assert sent.wait(PATIENCE_S), "the client did not ask for the second part of the body"

        self._leave(lambda: self._request("POST", path, stalling(), None, PATIENCE_S), wait)

    def leave_before_answer(self, path: str, arrived: Callable[[], object]) -> None:
        self._leave(lambda: self._request("GET", path, None, None, PATIENCE_S), arrived)

    def _leave(self, call: Callable[[], Awaitable[Answer]], arrived: Callable[[], object]) -> None:
        task = self._portal.start_task_soon(call)
        try:
            arrived()
        finally:
            task.cancel()


class AsyncHttpxClient(LoopClient):
    """
    ``AsyncClient`` of httpx or httpx2, which have the same interface.

    Args:
        library: The module.

        loop: What it runs on.
    """

    cannot: ClassVar[Mapping[Capability, str]] = {
        "wait-for-continue": "sends an Expect header like any other and the body at once"
    }

    def __init__(self, url: str, library: Any, loop: Loop) -> None:
        super().__init__(url)
        self.timeout_error = library.ReadTimeout
        self.loop = loop
        self._library = library

    async def _new_session(self) -> AbstractAsyncContextManager[Any]:
        session: AbstractAsyncContextManager[Any] = self._library.AsyncClient(base_url=self.url)
        return session

    async def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None, timeout_s: float
    ) -> Answer:
        return httpx_answer(await self._session.request(method, path, content=body, headers=headers, timeout=timeout_s))

    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        async def post() -> Answer:
            return httpx_answer(await self._session.post(path, json=value, headers=headers))

        return self._portal.call(post)


class AiohttpClient(LoopClient):
    """``ClientSession`` of aiohttp."""

    timeout_error = aiohttp.ServerTimeoutError

    async def _new_session(self) -> AbstractAsyncContextManager[Any]:
        return aiohttp.ClientSession(self.url)

    async def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None, timeout_s: float
    ) -> Answer:
        # aiohttp warns of large bodies given as bytes, and wants a file.
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        timeout = aiohttp.ClientTimeout(total=None, sock_read=timeout_s)
        return await self._exchange(method, path, data=data, headers=headers, timeout=timeout)

    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        return self._portal.call(lambda: self._exchange("POST", path, json=value, headers=headers))

    def send_after_continue(self, path: str, body: bytes) -> Answer:
        return self._portal.call(lambda: self._exchange("POST", path, data=io.BytesIO(body), expect100=True))

    async def _exchange(self, method: str, path: str, **options: Any) -> Answer:
        async with self._session.request(method, path, **options) as response:
            return Answer(response.status, lower_case(response.headers.items()), await response.read())
