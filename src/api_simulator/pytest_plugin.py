"""
The pytest plugin's entry: options, fixtures, and the hooks that notice when it is used.

Loaded in every pytest run of an environment that has this package installed, used or not. So it is
small, and imports nothing beyond pytest and light parts of the standard library; what it does when
it is used is in ``api_simulator._plugin``, loaded when a test asks for a fixture or has imported the
package by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from api_simulator.claude import FakeClaudeCLI
    from api_simulator.codex import FakeCodexCLI
    from api_simulator.http import ConnectFault, MockHttpServer
    from api_simulator.process import FakePrograms
    from api_simulator.services import FakeServices
    from api_simulator.virtual_time import VirtualClock

MARKER = "api_simulator"
_FIXTURES = frozenset(
    {
        "mock_http_server",
        "mock_http_server_factory",
        "fake_claude",
        "fake_codex",
        "fake_program",
        "fake_service",
        "refused_port",
        "silent_port",
        "unanswered_port",
        "virtual_clock",
    }
)
_HOOKS = "api_simulator_hooks"


# Options


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the command-line and ini options."""
    _import_without_rewriting(pluginmanager)
    group = parser.getgroup("api-simulator", "fake servers and programs")
    group.addoption(
        "--api-simulator-engine", metavar="NAME", help="engine of mock HTTP servers: auto, native, aiohttp, inprocess"
    )
    group.addoption(
        "--api-simulator-strict",
        choices=("yes", "no"),
        help="whether a request that no route matches fails its test (default: ini api_simulator_strict, or yes)",
    )
    group.addoption(
        "--api-simulator-seed",
        metavar="N",
        type=int,
        default=0,
        help="seed of random delays and faults; a failed test's report names it (default: 0)",
    )
    group.addoption(
        "--api-simulator-parity",
        action="store_true",
        help="run each test of mock_http_server on a socket and in the process, and fail where the two differ",
    )
    parser.addini(
        "api_simulator_engine", "engine of mock HTTP servers: auto, native, aiohttp, inprocess", default="auto"
    )
    parser.addini("api_simulator_strict", "fail a test for requests that no route matched", type="bool", default=True)
    parser.addini("api_simulator_unused", "routes that are never called: list or fail", default="list")
    parser.addini("api_simulator_late", "requests that arrive after their test: list or fail the run", default="list")


def _import_without_rewriting(pluginmanager: pytest.PytestPluginManager) -> None:
    """
    Have pytest import this package as Python does, but for what asserts.

    It rewrites the assertions of every module of a distribution that has a plug-in. There are none here outside
    ``api_simulator.testing``, and importing in that way doubles the time to the first server.
    """
    # There is no public way out; where pytest no longer has this set, it only stays slow.
    marked = getattr(getattr(pluginmanager, "rewrite_hook", None), "_must_rewrite", None)
    if not isinstance(marked, set) or "api_simulator" not in marked:
        return
    marked.discard("api_simulator")
    # Not those that are imported already, of which pytest would warn: a run within a run.
    asserting = {"api_simulator.testing", "api_simulator._testing"} - set(sys.modules)
    # Also forgets what was decided by the set until now.
    pytest.register_assert_rewrite(*sorted(asserting))


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and refuse option values that do not exist."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(strict=True, engine='auto', parity=False, virtual_time=False): settings of mock_http_server and of "
        "time for one test",
    )
    for name in ("api_simulator_unused", "api_simulator_late"):
        if config.getini(name) not in ("list", "fail"):
            raise pytest.UsageError(f"ini option {name}: expected 'list' or 'fail', got {config.getini(name)!r}")
    try:
        config.getini("api_simulator_strict")
    except (ValueError, pytest.UsageError) as error:
        # pytest converts a bool when it is asked for: without this line every test would fail by itself.
        raise pytest.UsageError(f"ini option api_simulator_strict: expected true or false: {error}") from None


# Use


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Load the other hooks before the first test that needs them."""
    if _is_used() or item.get_closest_marker(MARKER) or not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        _activate(item.config)
    return (yield)


# pytest looks at names with its own prefix only.
@pytest.hookimpl(specname="pytest_runtest_protocol", tryfirst=True)
def pytest_runtest_protocol_in_parity(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test on both transports if its marker or the command line says so."""
    marker = item.get_closest_marker(MARKER)
    wanted = marker.kwargs.get("parity") if marker is not None else None
    if wanted is None:
        wanted = item.config.getoption("api_simulator_parity") and "mock_http_server" in getattr(
            item, "fixturenames", ()
        )
    # Anything but these two is refused where the marker is read.
    if wanted is not True:
        return None
    from api_simulator._plugin.parity import run_on_both
    from api_simulator._plugin.session import engine_name

    return run_on_both(item, nextitem, engine_name(item.config, dict(marker.kwargs) if marker else {}))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report of a failed phase say what happened, also to a server that the test imported by itself."""
    # Without it nothing here can have raised.
    if call.excinfo is not None and "api_simulator.errors" in sys.modules and not item.config.getoption("fulltrace"):
        from api_simulator._plugin.tracebacks import end_at_the_caller

        end_at_the_caller(call.excinfo)
    report = yield
    if _is_used():
        from api_simulator._plugin.hooks import reported

        reported(item, report, call)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the late requests that an xdist worker has seen."""
    late = (getattr(node, "workeroutput", None) or {}).get("api_simulator_late", ())
    if late:
        _activate(node.config)
        from api_simulator._plugin.session import session_of

        session_of(node.config).late.extend((str(nodeid), str(line)) for nodeid, line in late)


def _is_used() -> bool:
    # What a server or a fake program registers itself in; without it there is nothing to judge or to tell.
    return "api_simulator._core.live" in sys.modules


def _activate(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin(_HOOKS):
        from api_simulator._plugin import hooks, virtual_time

        config.pluginmanager.register(hooks, _HOOKS)
        config.pluginmanager.register(virtual_time, f"{_HOOKS}_virtual_time")


# Fixtures


@pytest.fixture
def mock_http_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockHttpServer]:
    """
    A real HTTP server for one test, on a fresh port of 127.0.0.1.

    An unmatched request, a missed ``expect`` or a responder that raises fails the test. For a wider
    scope take ``mock_http_server_factory``.
    """
    __tracebackhide__ = True
    from api_simulator._plugin.session import bypass_proxy, session_of, state_of

    item: pytest.Item = request.node
    session = session_of(request.config)
    if "virtual_clock" in request.fixturenames:
        # First, whatever the order of the names: the server takes the clock that runs.
        request.getfixturevalue("virtual_clock")
    # The test's own monkeypatch: what it sets and what the test sets are undone in one order.
    bypass_proxy(monkeypatch)
    server = session.new_server(state_of(item).marked)
    state_of(item).servers.append(server)
    yield server
    session.retire(server, item.nodeid)


@pytest.fixture
def virtual_clock(request: pytest.FixtureRequest) -> Iterator[VirtualClock]:
    """
    A clock that the test and its servers share: waits end at once, and each is seen at its full length.

    ``virtual_clock.elapsed`` are the seconds gone by, ``sleeps`` who slept how long, ``advance(s)`` goes on.
    """
    from api_simulator._plugin.virtual_time import start_clock

    clock = start_clock(request.node)
    yield clock
    clock.stop()


@pytest.fixture(scope="session")
def mock_http_server_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., MockHttpServer]]:
    """
    A function that starts servers for fixtures of any scope; it takes the options of ``MockHttpServer``.

    Use each in a ``with`` block of your own fixture. What is still open at the end of the session is
    closed, and judged as leaving the block would have judged it.
    """
    from api_simulator._plugin.hooks import fail_with, text_of
    from api_simulator._plugin.session import bypass_proxy, session_of

    session = session_of(request.config)
    servers: list[MockHttpServer] = []

    def new_server(**options: Any) -> MockHttpServer:
        __tracebackhide__ = True
        servers.append(session.new_server({}, **options))
        return servers[-1]

    with pytest.MonkeyPatch.context() as patch:
        bypass_proxy(patch)
        yield new_server
    verdicts = []
    for server in servers:
        if server.is_running:
            server.close()
            verdicts.append(text_of(server.verdict(), strict=True))
    if any(verdicts):
        fail_with("servers that were never closed: " + "\n".join(filter(None, verdicts)))


@pytest.fixture
def fake_claude() -> Iterator[FakeClaudeCLI]:
    """
    A stand-in for the ``claude`` program, not yet on PATH.

    ``with fake_claude:`` puts it there, ``fake_claude.run()`` runs it, ``fake_claude.executable`` is its path.
    """
    from api_simulator.claude import FakeClaudeCLI

    cli = FakeClaudeCLI()
    try:
        yield cli
    finally:
        cli.close()


@pytest.fixture
def fake_codex() -> Iterator[FakeCodexCLI]:
    """
    A stand-in for the ``codex`` program, not yet on PATH.

    ``with fake_codex:`` puts it there, ``fake_codex.run()`` runs it, ``fake_codex.executable`` is its path.
    """
    from api_simulator.codex import FakeCodexCLI

    cli = FakeCodexCLI()
    # As fake_claude: it can be run and entered again after its block, and is closed here.
    cli._closes_at_exit = False
    try:
        yield cli
    finally:
        cli.close()


@pytest.fixture
def fake_program() -> Iterator[FakePrograms]:
    """
    A function that puts a stand-in for a program on PATH, for the rest of the test: ``fake_program("git")``.

    An invocation that none of its scripts fits fails the test.
    """
    __tracebackhide__ = True
    from api_simulator.process import FakePrograms

    with FakePrograms() as programs:
        yield programs


@pytest.fixture
def fake_service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServices]:
    """
    A function that starts a ready-made fake service on a server of its own: ``fake_service("anthropic")``.

    Settings are keywords. A request that the service does not know fails the test, as on ``mock_http_server``.
    """
    __tracebackhide__ = True
    from api_simulator._plugin.session import bypass_proxy, session_of, state_of
    from api_simulator.services._fixture import start_service

    item: pytest.Item = request.node
    session, servers = session_of(request.config), state_of(item).servers
    bypass_proxy(monkeypatch)
    started: list[MockHttpServer] = []

    def new_server(name: str) -> MockHttpServer:
        started.append(session.new_server(state_of(item).marked, name=name))
        servers.append(started[-1])
        return started[-1]

    def start(name: str, **settings: Any) -> Any:
        __tracebackhide__ = True
        return start_service(new_server, name, settings)

    yield start
    for server in started:
        session.retire(server, item.nodeid)


@pytest.fixture
def refused_port() -> Iterator[ConnectFault]:
    """An address at which connecting is refused; it has ``url``, ``host`` and ``port``."""
    from api_simulator.http import RefusedPort

    with RefusedPort() as fault:
        yield fault


@pytest.fixture
def silent_port() -> Iterator[ConnectFault]:
    """An address at which connecting works and nothing is ever answered."""
    from api_simulator.http import SilentPort

    with SilentPort() as fault:
        yield fault


@pytest.fixture
def unanswered_port() -> Iterator[ConnectFault]:
    """An address at which connecting never completes (Linux; elsewhere the test is skipped)."""
    from api_simulator.errors import UnsupportedPlatformError
    from api_simulator.http import UnansweredPort

    try:
        fault = UnansweredPort()
    except UnsupportedPlatformError as error:
        pytest.skip(str(error))
    with fault:
        yield fault
