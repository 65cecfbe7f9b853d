"""
The state of a run and of a test: settings, servers, ports of ended tests, requests that came too late.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from api_simulator._core import live
from api_simulator._engines.base import ENVIRONMENT_VARIABLE, checked_engine_name, open_engine

if TYPE_CHECKING:
    from api_simulator._core.messages import CapturedRequest
    from api_simulator._engines.base import Engine
    from api_simulator.http import MockHttpServer

#: Ports of ended tests that stay bound, so that a late request is told to its own test.
KEPT_PORTS = 64
MARKER = "api_simulator"
_MARKER_OPTIONS = ("strict", "engine", "parity")


# Settings


def marker_options(item: pytest.Item) -> dict[str, Any]:
    """Return what the test's marker says; fail for what it has no option for."""
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return {}
    where = f"{item.nodeid}: @pytest.mark.{MARKER}"
    unknown = [repr(value) for value in marker.args] + [name for name in marker.kwargs if name not in _MARKER_OPTIONS]
    if unknown:
        pytest.fail(f"{where} has no option {unknown[0]}; it takes {', '.join(_MARKER_OPTIONS)}", pytrace=False)
    for name in ("strict", "parity"):
        if not isinstance(marker.kwargs.get(name, True), bool):
            pytest.fail(f"{where}: {name} is True or False, got {marker.kwargs[name]!r}", pytrace=False)
    return dict(marker.kwargs)


def _is_strict(config: pytest.Config, marked: dict[str, Any]) -> bool:
    if "strict" in marked:
        return bool(marked["strict"])
    option = config.getoption("api_simulator_strict")
    return option == "yes" if option is not None else bool(config.getini("api_simulator_strict"))


def engine_name(config: pytest.Config, marked: dict[str, Any]) -> str:
    """Return the engine by precedence: marker, command line, environment, ini."""
    __tracebackhide__ = True
    choices = [
        ("@pytest.mark.api_simulator(engine=)", marked.get("engine")),
        ("--api-simulator-engine", config.getoption("api_simulator_engine")),
        (ENVIRONMENT_VARIABLE, os.environ.get(ENVIRONMENT_VARIABLE)),
    ]
    for origin, value in choices:
        if value:
            return checked_engine_name(value, origin=origin)
    return checked_engine_name(config.getini("api_simulator_engine"), origin="ini option api_simulator_engine")


# State


class Session:
    """What outlives a test: the engine's threads, ports of ended tests, requests that came too late."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.late: list[tuple[str, str]] = []
        self._engines: list[Engine] = []
        self._retired: deque[MockHttpServer] = deque()

    def new_server(self, marked: dict[str, Any], **options: Any) -> MockHttpServer:
        """Start a server with the run's settings, which *options* override."""
        __tracebackhide__ = True
        from api_simulator.http import MockHttpServer

        options.setdefault("strict", _is_strict(self.config, marked))
        options.setdefault("unused", self.config.getini("api_simulator_unused"))
        options.setdefault("seed", self.config.getoption("api_simulator_seed"))
        if options.get("engine") is None:
            options["engine"] = engine_name(self.config, marked)
        engine = open_engine(options["engine"])
        if engine not in self._engines:
            # One hold per engine and session: from now on a server costs a listener, not a thread.
            engine.hold()
            self._engines.append(engine)
        return MockHttpServer(**options).start()

    def retire(self, server: MockHttpServer, nodeid: str) -> None:
        """Keep the port of an ended test and note who still calls it."""

        def on_late(request: CapturedRequest) -> None:
            self.late.append((nodeid, f"{request.method} {request.raw_target}"))

        server.retire(on_late)
        self._retired.append(server)
        if len(self._retired) > KEPT_PORTS:
            self._retired.popleft().close()

    def finish(self) -> None:
        """Close all ports and let the engines end their threads."""
        while self._retired:
            self._retired.popleft().close()
        for source in live.everything():
            # What a test forgot to close: a port, a thread or a temporary folder must not outlive the run.
            source.close()
        while self._engines:
            self._engines.pop().release()


class ItemState:
    """What is known about the test that runs: when it began, its marker and servers, its verdict so far."""

    def __init__(self) -> None:
        self.started_ns = time.monotonic_ns()
        self.marked: dict[str, Any] = {}
        self.servers: list[MockHttpServer] = []
        self.verdict = ""


_SESSION = pytest.StashKey[Session]()
_ITEM = pytest.StashKey[ItemState]()


def session_of(config: pytest.Config) -> Session:
    """Return the state of the run, made on first use."""
    session = config.stash.get(_SESSION, None)
    if session is None:
        session = config.stash[_SESSION] = Session(config)
    return session


def state_of(item: pytest.Item) -> ItemState:
    """Return the state of a test, made on first use."""
    state = item.stash.get(_ITEM, None)
    if state is None:
        state = new_state(item)
    return state


def new_state(item: pytest.Item) -> ItemState:
    """Begin a test anew: forget what is known about it."""
    state = item.stash[_ITEM] = ItemState()
    return state


def bypass_proxy(patch: pytest.MonkeyPatch) -> None:
    """Add 127.0.0.1 to NO_PROXY: a proxy of the developer's machine must not see the test's requests."""
    lower, upper = os.environ.get("no_proxy", ""), os.environ.get("NO_PROXY", "")
    # Clients that find both read the lower one only: a new one must not hide what the other says.
    for name, hosts in (("no_proxy", lower or upper), ("NO_PROXY", upper or lower)):
        # "*" means every host to urllib and requests only while it stands alone.
        if hosts.strip() != "*" and "127.0.0.1" not in hosts.split(","):
            patch.setenv(name, f"{hosts},127.0.0.1" if hosts else "127.0.0.1")
