"""The kit that services are made of: settings, catalogue, life on a server, conformance, plug-ins that misbehave."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from api_simulator import hookspecs, plugins
from api_simulator.errors import ConformanceError, EngineUnavailableError, OptionError, PluginError, ServiceError
from api_simulator.http import MockHttpServer, ResponseSpec
from api_simulator.services import NoSettings, Service, service_class, service_names
from api_simulator.testing import run_service_conformance
from tests.libraries import either as httpx


@dataclasses.dataclass(frozen=True, kw_only=True)
class CounterSettings:
    start: int = 0
    step: float = 1.0
    names: tuple[str, ...] | None = None
    loud: bool = False


class Counter(Service[CounterSettings]):
    """Counts its calls."""

    name = "counter"
    settings_type = CounterSettings

    def begin(self):
        self.count = self.settings.start

    def mount(self):
        self.register("GET", "/count", self._answer)

    def _answer(self, _):
        with self.lock:
            self.count += 1
            return ResponseSpec(body={"count": self.count})


# Settings


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"sart": 1}, "the service 'counter' has no setting 'sart'; did you mean 'start'?"),
        ({"zzz": 1}, "has no setting 'zzz'; it has start, step, names, loud"),
        ({"start": "1"}, "start: expected int, got '1'"),
        ({"start": True}, "start: expected int, got True"),
        ({"start": 1.5}, "start: expected int, got 1.5"),
        ({"loud": 1}, "loud: expected bool, got 1"),
        ({"names": ["a", 1]}, r"names: expected .*str.*None.*, got \['a', 1\]"),
    ],
)
def test_a_wrong_setting_is_refused_and_no_server_is_left(fake_service, given, complaint):
    with pytest.raises(OptionError, match=complaint):
        Counter.read_settings(given)


def test_settings_take_what_files_can_hold():
    settings = Counter.read_settings({"step": 2, "names": ["a", "b"]})

    assert (settings.step, settings.names) == (2.0, ("a", "b"))


# The catalogue


def test_an_unknown_service_is_refused_with_the_nearest(fake_service):
    with pytest.raises(ServiceError, match="there is no 'claude_qouta'; did you mean 'claude_quota'"):
        fake_service("claude_qouta")


def test_a_wrong_setting_of_the_fixture_is_refused(fake_service):
    with pytest.raises(OptionError, match="did you mean 'api_keys'"):
        fake_service("anthropic", api_key=("k",))


class Offering:
    """A plug-in that offers services."""

    def __init__(self, **places):
        self.places = places

    @hookspecs.hookimpl
    def api_simulator_services(self):
        return self.places


def test_a_service_of_a_plugin_is_found_by_its_name():
    with plugins.registered(Offering(counter=f"{__name__}:Counter")):
        assert "counter" in service_names()


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("no_such_module_at_all:X", "cannot be loaded: No module named"),
        ("api_simulator.http:MockHttpServer", "is no subclass of api_simulator.services.Service"),
        ("api_simulator.http", "is no subclass"),
        ("api_simulator.services.claude_quota:ClaudeQuotaService", "the class .* calls itself 'claude_quota'"),
    ],
)
def test_a_place_that_is_no_service_is_an_error_that_names_it(place, complaint):
    with plugins.registered(Offering(other=place)), pytest.raises(ServiceError, match=complaint):
        service_class("other")


def test_a_name_that_is_taken_is_an_error_that_names_both():
    with (
        plugins.registered(Offering(anthropic="somewhere:Else"), "acme"),
        pytest.raises(PluginError, match=r"'anthropic' is offered twice: by api-simulator itself \(.*\) and by acme"),
    ):
        service_class("claude_quota")


class Raising:
    """A plug-in that raises whatever it is asked."""

    @hookspecs.hookimpl
    def api_simulator_services(self):
        raise LookupError("no services today")

    @hookspecs.hookimpl
    def api_simulator_unmatched_answer(self, request):
        raise LookupError("no answer today")

    @hookspecs.hookimpl
    def api_simulator_request_done(self, request):
        raise LookupError("no listening today")


def test_a_plugin_that_raises_is_left_out_and_told():
    with plugins.registered(Raising(), "raising"), pytest.warns(plugins.PluginWarning, match="no services today"):
        assert "anthropic" in service_names()

    assert any("'raising'" in failure for failure in plugins.failures())


def test_on_the_path_of_requests_a_plugin_that_raises_fails_the_test_and_not_the_server():
    with plugins.registered(Raising(), "raising"), MockHttpServer(strict=False).start() as server:
        server.get("/a").json(1)

        answers = [httpx.get(server.url(path)).status_code for path in ("/a", "/nowhere", "/a")]
        server.close()
        problems = [problem.text for problem in server.verdict().problems]

        assert answers == [200, 404, 200]
        assert any("raising raised LookupError: no listening today" in text for text in problems)
        assert any("raising raised LookupError: no answer today" in text for text in problems)
        server.simulation.reset()


class Listening:
    """A plug-in that answers what nobody else does, and listens."""

    def __init__(self):
        self.heard = []

    @hookspecs.hookimpl
    def api_simulator_unmatched_answer(self, request):
        return ResponseSpec(418, "teapot") if request.path == "/tea" else None

    @hookspecs.hookimpl
    def api_simulator_request_done(self, server, request):
        self.heard.append((server, request.path, request.status))


def test_a_plugin_answers_unmatched_requests_and_hears_of_each_request_once():
    plugin = Listening()
    with plugins.registered(plugin), MockHttpServer(strict=False, name="shop") as server:
        server.get("/a").json(1)

        got = [httpx.get(server.url(path)).status_code for path in ("/a", "/tea", "/nowhere")]
        server.wait_until(lambda: len(plugin.heard) == 3, timeout_s=20)

    assert got == [200, 418, 404]
    assert plugin.heard == [("shop", "/a", 200), ("shop", "/tea", 418), ("shop", "/nowhere", 404)]
    assert [request.path for request in server.unmatched] == ["/tea", "/nowhere"]


class OfferingEngines:
    """A plug-in that offers engines."""

    def __init__(self, **places):
        self.places = places

    @hookspecs.hookimpl
    def api_simulator_engines(self):
        return self.places


def test_an_engine_of_a_plugin_serves_under_its_name():
    with plugins.registered(OfferingEngines(acme="api_simulator._engines._aiohttp")), MockHttpServer("acme") as server:
        server.get("/a").json(1)

        assert httpx.get(server.url("/a")).json() == 1


def test_an_engine_that_is_not_there_is_told_as_a_built_in_one_would_be():
    with plugins.registered(OfferingEngines(acme="no_such_package.engine")):
        with pytest.raises(EngineUnavailableError, match="there is no module no_such_package"):
            MockHttpServer("acme").start()
        with pytest.raises(OptionError, match="expected one of auto, native, aiohttp, inprocess, acme, got 'acne'"):
            MockHttpServer("acne")


# Life on a server


def test_services_share_a_server_and_see_their_own_requests():
    with MockHttpServer() as server:
        counter, quota = Counter(server), service_class("claude_quota")(server)
        httpx.get(server.url("/count"))
        httpx.get(server.url("/api/oauth/usage"))

        assert [request.path for request in counter.requests] == ["/count"]
        assert [request.path for request in quota.requests] == ["/api/oauth/usage"]


def test_a_reset_begins_anew_even_after_a_reset_of_the_server():
    with MockHttpServer() as server:
        counter = Counter(server, start=10)
        first = httpx.get(server.url("/count")).json()
        server.reset()
        counter.reset()
        again = httpx.get(server.url("/count")).json()

    assert first == again == {"count": 11}
    assert len(counter.requests) == 1


def test_the_clock_of_a_service_moves_on():
    with MockHttpServer() as server:
        counter = Counter(server)
        before_s = counter.now_s()
        counter.advance(3600)

        assert 3600 <= counter.now_s() - before_s < 3660
        with pytest.raises(OptionError, match="0 or more, got -1"):
            counter.advance(-1)


# Conformance


@pytest.mark.parametrize("name", ["anthropic", "claude_quota"])
def test_the_services_of_this_package_conform(name):
    report = run_service_conformance(service_class(name))

    assert len(report.passed) == 9


class Shared(Counter):
    """Forgets nothing at a reset and falls over when there is a body."""

    name = "Shared"

    def begin(self):
        if not hasattr(self, "count"):
            super().begin()

    def _answer(self, request):
        if request.body:
            raise ValueError(request.body)
        return ResponseSpec(200 + self.bump())

    def bump(self):
        self.count += 1
        return self.count


def test_a_service_that_breaks_the_contract_is_told_each_point():
    with pytest.raises(ConformanceError) as caught:
        run_service_conformance(Shared)

    text = str(caught.value)
    assert "It has a name of lower-case letters" in text
    assert "no responder raises and nothing is answered with a 5xx" in text
    assert "got 201 before and 202 after a reset" in text


def test_what_is_no_service_is_refused():
    with pytest.raises(OptionError, match="expected a subclass of Service"):
        run_service_conformance(MockHttpServer)  # type: ignore[arg-type]  # the claim


class Bare(Service[NoSettings]):
    """Has no settings."""

    name = "bare"
    settings_type = NoSettings

    def begin(self):
        pass

    def mount(self):
        self.register("GET", "/bare", ResponseSpec())


def test_a_service_without_settings_says_so():
    with pytest.raises(OptionError, match="the service 'bare' has no setting 'x'; it has none"):
        Bare.read_settings({"x": 1})


def test_the_catalogue_imports_no_service_before_it_is_asked_for():
    program = (
        "import sys; from api_simulator.services import service_names; service_names();"
        "sys.exit(any(name.startswith('api_simulator.services.anthropic') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
