"""
A router of respx whose answers are a server's: for suites that are written with respx.
"""

from __future__ import annotations

import importlib
from contextvars import ContextVar
from typing import Any

from api_simulator._engines._inprocess._answering import answer, answer_async
from api_simulator._engines._inprocess._connections import Pool
from api_simulator._engines._inprocess._serving import InProcessServing
from api_simulator.errors import MissingExtraError

_ON_A_LOOP: ContextVar[bool] = ContextVar("api_simulator_respx_on_a_loop", default=False)


def router(serving: InProcessServing) -> Any:
    """
    Return a router that gives every request to *serving*.

    Raises:
        MissingExtraError: If respx is not installed.
    """
    try:
        respx = importlib.import_module("respx")
    except ModuleNotFoundError:
        raise MissingExtraError(
            "respx_router() needs the package 'respx', which is not installed; install api-simulator[httpx]"
        ) from None
    # Patches httpx's transports, not httpcore's: those requests have lost the client's timeouts. Which routes
    # were called is judged by the server.
    made = _router_class(respx)(assert_all_called=False, using="httpx")
    pool = Pool(serving)

    def give(request: Any) -> Any:
        return answer_async(pool, request) if _ON_A_LOOP.get() else answer(pool, request)

    made.route().mock(side_effect=give)
    # What `with` goes back to when the block ends.
    made.snapshot()
    return made


def _router_class(respx: Any) -> Any:
    async def aresolve(self: Any, request: Any) -> Any:
        # respx calls a side effect the same way for both kinds of clients, and awaits what can be awaited.
        token = _ON_A_LOOP.set(True)
        try:
            return await respx.MockRouter.aresolve(self, request)
        finally:
            _ON_A_LOOP.reset(token)

    return type("ServerRouter", (respx.MockRouter,), {"aresolve": aresolve})
