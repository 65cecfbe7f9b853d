"""
The pytest plugin: fixtures, options, verdicts in the phase they belong to, reports on failure.

Loaded in every pytest run of an environment that has this package installed, used or not. So it
imports nothing beyond pytest and light parts of the standard library; each fixture imports what it
needs, and hooks look in ``sys.modules`` before they ask for more.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from api_simulator._core.messages import CapturedRequest
    from api_simulator._core.verify import VerificationReport
    from api_simulator._engines.base import Engine
    from api_simulator.claude import FakeClaudeCLI
    from api_simulator.http import MockHttpServer
    from api_simulator.process import FakePrograms

#: Ports of ended tests that stay bound, so that a late request is told to its own test.
KEPT_PORTS = 64
MARKER = "api_simulator"
_MARKER_OPTIONS = ("strict", "engine")
_WORKER_KEY = "api_simulator_late"


# Options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the command-line and ini options."""
    group = parser.getgroup("api-simulator", "fake servers and programs")
    group.addoption("--api-simulator-engine", metavar="NAME", help="engine of mock HTTP servers: auto, native, aiohttp")
    group.addoption(
        "--api-simulator-strict",
        choices=("yes", "no"),
        help="whether a request that no route matches fails its test (default: ini api_simulator_strict, or yes)",
    )
    parser.addini("api_simulator_engine", "engine of mock HTTP servers: auto, native, aiohttp", default="auto")
    parser.addini("api_simulator_strict", "fail a test for requests that no route matched", type="bool", default=True)
    parser.addini("api_simulator_unused", "routes that are never called: list or fail", default="list")
    parser.addini("api_simulator_late", "requests that arrive after their test: list or fail the run", default="list")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and refuse option values that do not exist."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(strict=True, engine='auto'): settings of api-simulator's mock_http_server for one test",
    )
    for name in ("api_simulator_unused", "api_simulator_late"):
        if config.getini(name) not in ("list", "fail"):
            raise pytest.UsageError(f"ini option {name}: expected 'list' or 'fail', got {config.getini(name)!r}")
    try:
        config.getini("api_simulator_strict")
    except (ValueError, pytest.UsageError) as error:
        # pytest converts a bool when it is asked for: without this line every test would fail by itself.
        raise pytest.UsageError(f"ini option api_simulator_strict: expected true or false: {error}") from None
    config.stash[_SESSION] = _Session(config)


def _marker_options(item: pytest.Item) -> dict[str, Any]:
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return {}
    where = f"{item.nodeid}: @pytest.mark.{MARKER}"
    unknown = [repr(value) for value in marker.args] + [name for name in marker.kwargs if name not in _MARKER_OPTIONS]
    if unknown:
        pytest.fail(f"{where} has no option {unknown[0]}; it takes {', '.join(_MARKER_OPTIONS)}", pytrace=False)
    strict = marker.kwargs.get("strict", True)
    if not isinstance(strict, bool):
        pytest.fail(f"{where}: strict is True or False, got {strict!r}", pytrace=False)
    return dict(marker.kwargs)


def _is_strict(config: pytest.Config, marked: dict[str, Any]) -> bool:
    if "strict" in marked:
        return bool(marked["strict"])
    option = config.getoption("api_simulator_strict")
    return option == "yes" if option is not None else bool(config.getini("api_simulator_strict"))


def _engine_name(config: pytest.Config, marked: dict[str, Any]) -> str:
    """Return the engine by precedence: marker, command line, environment, ini."""
    __tracebackhide__ = True
    from api_simulator._engines.base import ENVIRONMENT_VARIABLE, checked_engine_name

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


class _Session:
    """What outlives a test: the engine's threads, ports of ended tests, requests that came too late."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.late: list[tuple[str, str]] = []
        self._engines: list[Engine] = []
        self._retired: deque[MockHttpServer] = deque()

    def new_server(self, marked: dict[str, Any], **options: Any) -> MockHttpServer:
        """Start a server with the run's settings, which *options* override."""
        __tracebackhide__ = True
        from api_simulator._engines.base import open_engine
        from api_simulator.http import MockHttpServer

        options.setdefault("strict", _is_strict(self.config, marked))
        options.setdefault("unused", self.config.getini("api_simulator_unused"))
        if options.get("engine") is None:
            options["engine"] = _engine_name(self.config, marked)
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
        while self._engines:
            self._engines.pop().release()


class _ItemState:
    """What is known about the test that runs: when it began, its marker and servers, its verdict so far."""

    def __init__(self) -> None:
        self.started_ns = time.monotonic_ns()
        self.marked: dict[str, Any] = {}
        self.servers: list[MockHttpServer] = []
        self.verdict = ""


_SESSION = pytest.StashKey[_Session]()
_STATE = pytest.StashKey[_ItemState]()


def _state(item: pytest.Item) -> _ItemState:
    state = item.stash.get(_STATE, None)
    if state is None:
        state = item.stash[_STATE] = _ItemState()
    return state


def _loaded(name: str) -> ModuleType | None:
    """Return a module of this package if somebody has imported it: unused parts stay unloaded."""
    return sys.modules.get(f"api_simulator.{name}")


# Fixtures


@pytest.fixture
def mock_http_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockHttpServer]:
    """
    A real HTTP server for one test, on a fresh port of 127.0.0.1.

    An unmatched request, a missed ``expect`` or a responder that raises fails the test. For a wider
    scope take ``mock_http_server_factory``.
    """
    __tracebackhide__ = True
    item: pytest.Item = request.node
    session = request.config.stash[_SESSION]
    # The test's own monkeypatch: what it sets and what the test sets are undone in one order.
    _bypass_proxy(monkeypatch)
    server = session.new_server(_state(item).marked)
    _state(item).servers.append(server)
    yield server
    session.retire(server, item.nodeid)


@pytest.fixture(scope="session")
def mock_http_server_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., MockHttpServer]]:
    """
    A function that starts servers for fixtures of any scope; it takes the options of ``MockHttpServer``.

    Use each in a ``with`` block of your own fixture; what is still open at the end of the session
    is closed.
    """
    session = request.config.stash[_SESSION]
    servers: list[MockHttpServer] = []

    def new_server(**options: Any) -> MockHttpServer:
        __tracebackhide__ = True
        servers.append(session.new_server({}, **options))
        return servers[-1]

    with pytest.MonkeyPatch.context() as patch:
        _bypass_proxy(patch)
        yield new_server
    for server in servers:
        server.close()


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
def fake_program() -> Iterator[FakePrograms]:
    """
    A function that puts a stand-in for a program on PATH, for the rest of the test: ``fake_program("git")``.

    An invocation that none of its scripts fits fails the test.
    """
    __tracebackhide__ = True
    from api_simulator.process import FakePrograms

    with FakePrograms() as programs:
        yield programs


def _bypass_proxy(patch: pytest.MonkeyPatch) -> None:
    """Add 127.0.0.1 to NO_PROXY: a proxy of the developer's machine must not see the test's requests."""
    lower, upper = os.environ.get("no_proxy", ""), os.environ.get("NO_PROXY", "")
    # Clients that find both read the lower one only: a new one must not hide what the other says.
    for name, hosts in (("no_proxy", lower or upper), ("NO_PROXY", upper or lower)):
        # "*" means every host to urllib and requests only while it stands alone.
        if hosts.strip() != "*" and "127.0.0.1" not in hosts.split(","):
            patch.setenv(name, f"{hosts},127.0.0.1" if hosts else "127.0.0.1")


# Verdicts


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Note when the test began, and refuse a marker that asks for what does not exist."""
    # Or this frame would stand in the traceback of every fixture that fails, in suites that use nothing of this.
    __tracebackhide__ = True
    state = item.stash[_STATE] = _ItemState()
    state.marked = _marker_options(item)
    try:
        return (yield)
    except BaseException:
        # Judged now, or the teardown would be blamed for what a fixture's set-up asked.
        state.verdict = _judge(item, expectations=False)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the call phase for traffic that was not as expected, unless the test has failed by itself."""
    __tracebackhide__ = True
    try:
        result = yield
    except BaseException:
        # The test's own failure stays the primary one; the verdict goes into its report.
        _state(item).verdict = _judge(item, expectations=False)
        raise
    verdict = _judge(item, expectations=True)
    if verdict:
        # Kept for the report too: unittest puts its own failure in the place of this one, and that is right.
        _state(item).verdict = verdict
        pytest.fail(verdict, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the teardown for unmatched requests that arrived during it."""
    __tracebackhide__ = True
    try:
        result = yield
    except BaseException:
        _state(item).verdict = _judge(item, expectations=False)
        raise
    verdict = _judge(item, expectations=False)
    if verdict:
        pytest.fail(f"during fixture teardown: {verdict}", pytrace=False)
    return result


def _judge(item: pytest.Item, *, expectations: bool) -> str:
    """Return what is wrong with the traffic of the running test, each problem once; empty if nothing is."""
    http = _loaded("http._server")
    live = _loaded("_core.live")
    if http is None or live is None:
        return ""
    state = _state(item)
    reports = [server.verdict(expectations=expectations) for server in state.servers]
    # Wider servers: call counts are judged by their owners, problems are charged to the running test.
    wider = [server for server in live.of_type(http.MockHttpServer) if server not in state.servers]
    reports += [server.verdict(expectations=False, since_ns=state.started_ns) for server in wider]
    # Only the marker: options and arguments were settled when the server was made.
    strict = state.marked.get("strict", True)
    return "\n".join(text for report in reports if (text := _text(report, strict=strict)))


def _text(report: VerificationReport, *, strict: bool) -> str:
    for problem in report.problems:
        problem.reported = True
    if not strict:
        report.problems = [problem for problem in report.problems if problem.kind != "unmatched"]
    return report.text()


# Reports


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the timeline and the verdict to the report of a failed phase."""
    report = yield
    if report.failed:
        _explain(item, report)
    _state(item).verdict = ""
    if report.when == "teardown":
        # An item lives as long as the session; its servers and their journals must not.
        item.stash[_STATE] = _ItemState()
    return report


def _explain(item: pytest.Item, report: pytest.TestReport) -> None:
    live, timeline = _loaded("_core.live"), _loaded("_core.timeline")
    if live is None or timeline is None:
        return
    state = _state(item)
    if state.verdict and state.verdict not in report.longreprtext:
        report.sections.append(("api-simulator: what else was wrong", state.verdict))
    known = [source for source in live.everything() if source not in state.servers]
    events = timeline.merge([*known, *state.servers], since_ns=state.started_ns)
    if events:
        report.sections.append(("api-simulator timeline", timeline.render(events, start_ns=state.started_ns)))
    unused = [text for server in state.servers for text in server.verdict().unused if text not in report.longreprtext]
    if unused and report.when == "call":
        report.sections.append(("api-simulator routes never called", "\n".join(unused)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List requests that arrived after their test had ended."""
    late = config.stash[_SESSION].late
    if not late:
        return
    terminalreporter.section("api-simulator: requests after the end of their test")
    counted: dict[tuple[str, str], int] = {}
    for entry in late:
        counted[entry] = counted.get(entry, 0) + 1
    for (nodeid, line), count in counted.items():
        terminalreporter.line(f"{nodeid}: {line}{f' ({count} times)' if count > 1 else ''} was reset")
    if config.getini("api_simulator_late") == "list":
        terminalreporter.line("wait for these requests in the test, or make them failures: api_simulator_late = fail")
    else:
        terminalreporter.line("the run fails (api_simulator_late = fail): wait for these requests in the test")


# Session


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close what is left, hand late requests to the xdist controller, and let them fail the run if asked to."""
    state = session.config.stash[_SESSION]
    state.finish()
    worker_output = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output[_WORKER_KEY] = state.late
    if state.late and session.config.getini("api_simulator_late") == "fail" and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the late requests that an xdist worker has seen."""
    output = getattr(node, "workeroutput", None) or {}
    late = node.config.stash[_SESSION].late
    late.extend((str(nodeid), str(line)) for nodeid, line in output.get(_WORKER_KEY, ()))
