"""
Each conformance test runs on each engine.

An engine that is not installed skips its tests by name; ``--require-engine NAME`` makes that a
failure, so that a broken build cannot hide behind skips. What an engine is known to lack, or to do
differently, is said in the manifest, never in a test.
"""

import pytest

from api_simulator._engines.base import ENGINE_MODULES, SOCKET_ENGINES, engine_statuses
from api_simulator.http import MockHttpServer
from tests.conformance.manifest import CAPABILITIES
from tests.conformance.requirements import REQUIREMENTS

#: What each engine can do; all that serve on a socket can do everything.
ENGINE_CAPABILITIES = {name: frozenset(CAPABILITIES) for name in SOCKET_ENGINES}
#: The clients of this one hand over whole requests of HTTP/1.1, made by httpx2 or httpx.
ENGINE_CAPABILITIES["inprocess"] = frozenset({"raw-bytes"})


def pytest_configure(config):
    config.addinivalue_line("markers", "requirement(*ids): the requirements of the manifest that a test proves")


@pytest.fixture(params=list(ENGINE_MODULES))
def engine(request):
    """The name of an engine that is installed and can do what the test's requirements need."""
    name = request.param
    check_available(name, request.config)
    for requirement_id in requirement_ids(request.node):
        required = REQUIREMENTS[requirement_id]
        if missing := set(required.needs) - ENGINE_CAPABILITIES[name]:
            pytest.skip(f"engine {name} lacks {', '.join(sorted(missing))}")
        if name in required.deviations:
            pytest.skip(f"engine {name} deviates: {required.deviations[name]}")
    return name


def check_available(name, config):
    """Skip the test if an engine is absent, or fail it if that engine is required."""
    status = next(status for status in engine_statuses() if status.name == name)
    if not status.available:
        if name in config.getoption("--require-engine", default=[]):
            pytest.fail(f"engine {name} is required: {status.detail}", pytrace=False)
        pytest.skip(f"engine {name} is absent: {status.detail}")


@pytest.fixture
def both(request):
    """A server of the reference engine and one of the native engine, for tests that compare them."""
    check_available("native", request.config)
    with (
        MockHttpServer(engine="aiohttp", strict=False) as reference,
        MockHttpServer(engine="native", strict=False) as native,
    ):
        yield reference, native


def requirement_ids(item):
    """Return the ids that an item's marks name."""
    return [requirement_id for mark in item.iter_markers("requirement") for requirement_id in mark.args]


@pytest.fixture
def server(engine):
    """A running server of the engine under test; unmatched requests are no failure in here."""
    with MockHttpServer(engine=engine, strict=False) as running:
        yield running
