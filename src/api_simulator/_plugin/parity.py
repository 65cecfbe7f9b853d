"""
Run a test once on a socket and once without, and fail it where the two tell different stories.

Both runs are inside one ``pytest_runtest_protocol``: as two items they could land on two workers of
xdist, and nobody would see them together.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import runtestprotocol

from api_simulator._core import timeline
from api_simulator._engines.base import SOCKET_ENGINES, open_engine

if TYPE_CHECKING:
    from api_simulator._core.messages import CapturedRequest
    from api_simulator._plugin.session import ItemState
    from api_simulator.http import MockHttpServer

IN_PROCESS = "inprocess"
_COLUMN = 78


class ParityRun:
    """One of the two runs of a test, and what is known about it when it is over."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.reports: list[pytest.TestReport] = []
        self.servers: list[MockHttpServer] = []
        self.started_ns = 0
        self._endings: dict[str, str] = {}

    def note(self, report: pytest.TestReport, call: pytest.CallInfo[None], state: ItemState) -> None:
        """Remember how a phase ended, and which servers the test had."""
        raised = f" by {call.excinfo.type.__name__}" if call.excinfo is not None else ""
        self._endings[str(report.when)] = f"{report.outcome}{raised}"
        self.servers, self.started_ns = state.servers, state.started_ns

    @property
    def title(self) -> str:
        """Where it ran, and by which engine: virtual time has another than the one asked for."""
        if self.engine == IN_PROCESS:
            return "in the process"
        names = dict.fromkeys(server.engine for server in self.servers) or [open_engine(self.engine).name]
        return f"on a socket ({', '.join(names)})"

    @property
    def ending(self) -> dict[str, str]:
        """How each phase ended, the exception's type included."""
        return self._endings

    def requests(self) -> list[str]:
        """Return what was asked, a line each, without what differs from run to run."""
        return [_told(request, server) for server in self.servers for request in server.simulation.journal.kept()]

    def timeline(self) -> list[str]:
        """Return what happened at the servers, a line each."""
        events = timeline.merge(self.servers)
        return timeline.render(events, start_ns=self.started_ns).splitlines()


RUN = pytest.StashKey[ParityRun]()


def run_on_both(item: pytest.Item, nextitem: pytest.Item | None, socket_engine: str) -> bool:
    """Run *item* on both transports and log one set of reports."""
    if socket_engine not in ("auto", *SOCKET_ENGINES):
        socket_engine = "auto"
    runs = [ParityRun(socket_engine), ParityRun(IN_PROCESS)]
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for run in runs:
        item.stash[RUN] = run
        try:
            run.reports = runtestprotocol(item, nextitem=nextitem, log=False)
        finally:
            del item.stash[RUN]
    _judge(*runs)
    for report in runs[0].reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _judge(first: ParityRun, second: ParityRun) -> None:
    """Make the first run's report a failure if the second differs from it."""
    differences = [*_ending_differences(first, second), *_request_differences(first, second)]
    if not differences and not any(run.servers for run in (first, second)) and first.ending.get("setup") == "passed":
        differences = ["parity=True compares what happens at mock_http_server, and the test does not use it"]
    if not differences:
        return
    report = next((report for report in first.reports if report.when == "call"), first.reports[0])
    texts = ["the two transports tell different stories:", *(f"  {line}" for line in differences), ""]
    texts += _side_by_side((first.title, first.timeline()), (second.title, second.timeline()))
    for run in (first, second):
        texts += [f"\n{run.title}: {text}" for failed in run.reports if (text := failed.longreprtext)]
    report.outcome = "failed"
    report.longrepr = "\n".join(texts)
    # Or pytest would take it for an expected failure.
    if hasattr(report, "wasxfail"):
        del report.wasxfail


def _ending_differences(first: ParityRun, second: ParityRun) -> list[str]:
    phases = dict.fromkeys((*first.ending, *second.ending))
    found = [(phase, first.ending.get(phase, "not run"), second.ending.get(phase, "not run")) for phase in phases]
    return [f"{phase}: {one} {first.title}, {other} {second.title}" for phase, one, other in found if one != other]


def _request_differences(first: ParityRun, second: ParityRun) -> list[str]:
    # Counted, not compared in order: requests at the same time may come in any.
    ones, others = Counter(first.requests()), Counter(second.requests())
    return [
        f"only {run.title}: {line}{f' ({count} times)' if count > 1 else ''}"
        for run, extra in ((first, ones - others), (second, others - ones))
        for line, count in extra.items()
    ]


def _told(request: CapturedRequest, server: MockHttpServer) -> str:
    body = request.raw_body.replace(f":{server.port}".encode(), b":PORT")
    boundary = re.search(r"boundary=\"?([^\";]+)", request.headers.get("content-type", ""))
    if boundary is not None:
        # Drawn anew by the client for each request.
        body = body.replace(boundary.group(1).encode("latin-1", "replace"), b"BOUNDARY")
    target = request.raw_target.replace(f":{server.port}", ":PORT")
    status = "no answer" if request.status is None else request.status
    fields = ", ".join(sorted(request.headers))
    return f"{request.method} {target} -> {status}; {len(body)} bytes {body[:200]!r}; fields {fields}"


def _side_by_side(left: tuple[str, list[str]], right: tuple[str, list[str]]) -> list[str]:
    rows = zip_longest([left[0], "", *left[1]], [right[0], "", *right[1]], fillvalue="")
    width = min(_COLUMN, max(len(line) for line in (left[0], *left[1])))
    return [f"{one[:width]:<{width}} | {other}".rstrip() for one, other in rows]
