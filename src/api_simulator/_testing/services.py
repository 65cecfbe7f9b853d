"""
The contract of a fake service, checked over a real socket: what a plug-in's own suite runs.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from api_simulator.errors import ApiSimulatorError, ConformanceError, OptionError
from api_simulator.http import MockHttpServer
from api_simulator.services import Service

#: Bodies that no API takes, and some that many do: none may make a service raise.
_BODIES = (b"", b"{", b"null", b"[]", b"{}", b'"text"', b"\xff\xfe", b'{"a": {"b": [1, 2, {"c": null}]}}', b"[" * 2_000)
_TIMEOUT_S = 30.0


@dataclass
class ServiceReport:
    """
    What the checks found.

    Attributes:
        service: Its name.

        passed: The sentences that hold.

        failed: The sentences that do not, each with what was found.
    """

    service: str
    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it for people."""
        lines = [f"the service {self.service!r}: {len(self.passed)} of {len(self.passed) + len(self.failed)} hold"]
        return "\n".join([*lines, *(f"  not so: {text}" for text in self.failed)])


def run_service_conformance(service: type[Service[Any]], **settings: object) -> ServiceReport:
    """
    Check that a service keeps the contract of services, each check on a server of its own.

    Args:
        service: The class.

        settings: With which it is made; those it has by default if there are none.

    Raises:
        ConformanceError: If something does not hold; the message lists all that does not.
    """
    if not (isinstance(service, type) and issubclass(service, Service)):
        raise OptionError(f"run_service_conformance: expected a subclass of Service, got {service!r}")
    report = ServiceReport(getattr(service, "name", service.__name__))
    for check in _CHECKS:
        sentence = (check.__doc__ or "").strip().rstrip(".")
        try:
            check(service, settings)
        except (AssertionError, ApiSimulatorError, OSError, AttributeError, TypeError) as error:
            report.failed.append(f"{sentence}: {error}")
        else:
            report.passed.append(sentence)
    if report.failed:
        raise ConformanceError(report.text())
    return report


# The checks: a docstring is the sentence that is reported


def _is_named(service: type[Service[Any]], _: dict[str, object]) -> None:
    """It has a name of lower-case letters, digits and underscores, and a docstring."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", service.name), f"name is {service.name!r}"
    assert (service.__doc__ or "").strip(), "the class has no docstring"


def _has_typed_settings(service: type[Service[Any]], _: dict[str, object]) -> None:
    """Its settings are a frozen dataclass in which everything has a default."""
    kind = service.settings_type
    assert dataclasses.is_dataclass(kind), f"settings_type is {kind!r}"
    assert kind.__dataclass_params__.frozen, f"{kind.__name__} can be changed"  # type: ignore[attr-defined]  # of every dataclass
    kind()


def _refuses_unknown_settings(service: type[Service[Any]], _: dict[str, object]) -> None:
    """It refuses a setting that it does not have, by name."""
    said = ""
    try:
        service.read_settings({"no_such_setting": 1})
    except OptionError as error:
        said = str(error)
    assert "no_such_setting" in said, f"said of 'no_such_setting': {said!r}"


def _registers_routes(service: type[Service[Any]], settings: dict[str, object]) -> None:
    """It registers routes, and a test need not call each of them."""
    with MockHttpServer(unused="fail") as server:
        service(server, **settings)
        assert len(server.routes) > 0, "there is no route"


def _survives_bad_bodies(service: type[Service[Any]], settings: dict[str, object]) -> None:
    """Bad input gets an answer of its own: no responder raises and nothing is answered with a 5xx."""
    with MockHttpServer(strict=False) as server:
        service(server, **settings)
        for method, path in _endpoints(server):
            for body in _BODIES:
                status, _ = _ask(server, method, path, body)
                assert status < 500, f"{method} {path} with {body[:30]!r} got {status}{_problems(server)}"
        assert not _problems(server), _problems(server)


def _refuses_unknown_paths(service: type[Service[Any]], settings: dict[str, object]) -> None:
    """A path that it does not have is an error in JSON, and stays unmatched."""
    with MockHttpServer(strict=False) as server:
        service(server, **settings)
        for _, path in _endpoints(server)[:5]:
            status, body = _ask(server, "GET", f"{path}/no-such-thing-here", b"")
            if not server.unmatched:
                continue  # a template of the service takes it
            assert status >= 400, f"{path}/no-such-thing-here got {status}"
            json.loads(body)


def _sees_its_requests(service: type[Service[Any]], settings: dict[str, object]) -> None:
    """It sees the requests to its routes, and forgets them at a reset without losing its routes."""
    with MockHttpServer(strict=False) as server:
        made = service(server, **settings)
        method, path = _endpoints(server)[0]
        before, _ = _ask(server, method, path, b"")
        assert len(made.requests) == 1, f"it saw {len(made.requests)} requests of 1"
        made.reset()
        assert made.requests == [], "it remembers requests after a reset"
        after, _ = _ask(server, method, path, b"")
        assert before == after, f"{method} {path} got {before} before and {after} after a reset"


def _answers_many_at_once(service: type[Service[Any]], settings: dict[str, object]) -> None:
    """It answers requests that come at the same time."""
    with MockHttpServer(strict=False) as server:
        service(server, **settings)
        jobs = [(method, path) for method, path in _endpoints(server) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda job: _ask(server, job[0], job[1], b"{}"), jobs))
        worst = max(status for status, _ in answers)
        assert worst < 500, f"one got {worst}{_problems(server)}"


def _shares_nothing(service: type[Service[Any]], settings: dict[str, object]) -> None:
    """Two of them on two servers share nothing."""
    with MockHttpServer(strict=False) as one, MockHttpServer(strict=False) as other:
        service(one, **settings)
        second = service(other, **settings)
        method, path = _endpoints(one)[0]
        _ask(one, method, path, b"")
        assert second.requests == [], "the second saw a request to the first"


_CHECKS: tuple[Callable[[type[Service[Any]], dict[str, object]], None], ...] = (
    _is_named,
    _has_typed_settings,
    _refuses_unknown_settings,
    _registers_routes,
    _survives_bad_bodies,
    _refuses_unknown_paths,
    _sees_its_requests,
    _answers_many_at_once,
    _shares_nothing,
)


# How a service is asked


def _endpoints(server: MockHttpServer) -> list[tuple[str, str]]:
    """Return method and path of each route, with a made-up segment for each parameter."""
    found = []
    for mounted in server.routes:
        method, _, path = str(mounted.route).partition(" ")
        found.append(("GET" if method == "*" else method, re.sub(r"\{[^}]*\}", "x", path.partition(" ")[0])))
    return found


def _ask(server: MockHttpServer, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_TIMEOUT_S)
    try:
        # Whatever the service asks for in its fields, it has to say so, not to fall over.
        connection.request(method, path, body, {"Content-Type": "application/json", "Authorization": "Bearer x"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _problems(server: MockHttpServer) -> str:
    return "".join(f"\n    {problem.text}" for problem in server.verdict(expectations=False).problems)
