"""
The hooks of a run that uses the package: verdicts in the phase they belong to, reports on failure.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from api_simulator._core import live, timeline
from api_simulator._plugin.parity import RUN
from api_simulator._plugin.session import marker_options, new_state, session_of, state_of

if TYPE_CHECKING:
    from api_simulator._core.verify import VerificationReport

WORKER_KEY = "api_simulator_late"


# Verdicts


# Innermost: pytest's own plugins must have prepared the test before this one may refuse it.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Note when the test began, and refuse a marker that asks for what does not exist."""
    # Or this frame would stand in the traceback of every fixture that fails, in suites that use nothing of this.
    __tracebackhide__ = True
    state = new_state(item)
    # Not left to stamps: those of a server in virtual time may be later than anything of this test.
    live.forget_closed()
    state.marked = marker_options(item)
    parity = item.stash.get(RUN, None)
    if parity is not None:
        state.marked["engine"] = parity.engine
    # Judged now, or the teardown would be blamed for what a fixture's set-up asked.
    with judging_failures(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the call phase for traffic that was not as expected, unless the test has failed by itself."""
    __tracebackhide__ = True
    with judging_failures(item):
        result = yield
    verdict = judge(item, expectations=True)
    if verdict:
        # Kept for the report too: unittest puts its own failure in the place of this one, and that is right.
        state_of(item).verdict = verdict
        fail_with(verdict)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the teardown for unmatched requests that arrived during it."""
    __tracebackhide__ = True
    with judging_failures(item):
        result = yield
    verdict = judge(item, expectations=False)
    if verdict:
        fail_with(f"during fixture teardown: {verdict}")
    return result


@contextlib.contextmanager
def judging_failures(item: pytest.Item) -> Iterator[None]:
    """Judge the traffic when the phase fails by itself: its failure stays the primary one, the verdict is reported."""
    try:
        yield
    except BaseException:
        state_of(item).verdict = judge(item, expectations=False)
        raise


def fail_with(text: str) -> NoReturn:
    """Fail with *text* alone; this frame is not hidden, or pytest would say that all of them are."""
    pytest.fail(text, pytrace=False)


def judge(item: pytest.Item, *, expectations: bool) -> str:
    """Return what is wrong with the traffic and the programs of the running test, each problem once."""
    return "\n".join(text for text in (*_servers(item, expectations=expectations), *_programs()) if text)


def _servers(item: pytest.Item, *, expectations: bool) -> Iterator[str]:
    http = sys.modules.get("api_simulator.http._server")
    if http is None:
        return
    state = state_of(item)
    reports = [server.verdict(expectations=expectations) for server in state.servers]
    # Wider servers: call counts are judged by their owners, problems are charged to the running test.
    wider = [server for server in live.of_type(http.MockHttpServer) if server not in state.servers]
    reports += [server.verdict(expectations=False, since_ns=state.started_ns) for server in wider]
    # Only the marker: options and arguments were settled when the server was made.
    strict = state.marked.get("strict", True)
    yield from (text_of(report, strict=strict) for report in reports)


def _programs() -> Iterator[str]:
    process = sys.modules.get("api_simulator.process")
    if process is not None:
        yield from (program.verdict() for program in live.of_type(process.FakeProgram))


def text_of(report: VerificationReport, *, strict: bool) -> str:
    """Return what a verdict says, and remember that it was said."""
    for problem in report.problems:
        problem.reported = True
    if not strict:
        report.problems = [problem for problem in report.problems if problem.kind != "unmatched"]
    return report.text()


# Reports


def explain(item: pytest.Item, report: pytest.TestReport) -> None:
    """Attach the timeline and the verdict to the report of a failed phase."""
    state = state_of(item)
    if state.verdict and state.verdict not in report.longreprtext:
        report.sections.append(("api-simulator: what else was wrong", state.verdict))
    known = [source for source in live.everything() if source not in state.servers]
    events = timeline.merge([*known, *state.servers], since_ns=state.started_ns)
    if events:
        seeds = {server.seed for server in state.servers if server.uses_chance}
        title = f"api-simulator timeline{''.join(f' (seed {seed})' for seed in sorted(seeds))}"
        report.sections.append((title, timeline.render(events)))
    untouched = [text for name, value in getattr(item, "funcargs", {}).items() if (text := _untouched(name, value))]
    if untouched and report.when == "call":
        report.sections.append(("api-simulator fakes that nobody could find", "\n".join(untouched)))
    unused = [text for server in state.servers for text in server.verdict().unused if text not in report.longreprtext]
    if unused and report.when == "call":
        report.sections.append(("api-simulator routes never called", "\n".join(unused)))


def _untouched(name: str, value: object) -> str:
    """Return what to say of a fixture that is a fake program which was never on PATH, nothing of all others."""
    staged = sys.modules.get("api_simulator.process._staged")
    if staged is None or not isinstance(value, staged.StagedProgram) or not value.is_untouched:
        return ""
    return f"{name} was never put on PATH, so another program of its name was found, or none: use `with {name}:`"


def reported(item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Complete the report of a phase, and forget what is known about a test that is over."""
    if report.failed:
        explain(item, report)
    parity = item.stash.get(RUN, None)
    if parity is not None:
        parity.note(report, call, state_of(item))
    state_of(item).verdict = ""
    if report.when == "teardown":
        # An item lives as long as the session; its servers and their journals must not.
        new_state(item)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show how two captured requests differ, or a captured request and a dict, where ``==`` says that they do."""
    from api_simulator._core.differences import request_differences
    from api_simulator._core.messages import CapturedRequest

    if op != "==" or not any(isinstance(side, CapturedRequest) for side in (left, right)):
        return None
    lines = request_differences(left, right)
    return [f"{left!r} == {right!r}", *lines]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List requests that arrived after their test had ended."""
    late = session_of(config).late
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
    state = session_of(session.config)
    state.finish()
    worker_output = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output[WORKER_KEY] = state.late
    if state.late and session.config.getini("api_simulator_late") == "fail" and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
