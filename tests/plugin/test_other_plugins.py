"""Beside the plugins and habits of other people's suites."""

import pytest

from tests.libraries import needs

pytest_plugins = ["pytester"]

EVERYTHING = """
import aiohttp
import httpx
import pytest
import requests
import respx
from api_simulator.http import ResponseSpec

@pytest.fixture
def server(mock_http_server):
    mock_http_server.register("GET", "/real", ResponseSpec(status=207))
    return mock_http_server

def test_plain(server):
    assert requests.get(server.url("/real")).status_code == 207

def test_httpx_unpatched(server):
    assert httpx.get(server.url("/real")).status_code == 207

def only_other_hosts(request):
    return request.url.host != "127.0.0.1"

@pytest.mark.httpx_mock(should_mock=only_other_hosts)
def test_pytest_httpx(server, httpx_mock):
    httpx_mock.add_response(url="https://api.example/a", status_code=299)
    assert httpx.get("https://api.example/a").status_code == 299
    assert httpx.get(server.url("/real")).status_code == 207

def test_respx(server, respx_mock):
    respx_mock.get("https://api.example/a").mock(return_value=httpx.Response(298))
    respx_mock.route(host="127.0.0.1").pass_through()
    assert httpx.get("https://api.example/a").status_code == 298
    assert httpx.get(server.url("/real")).status_code == 207

@pytest.mark.asyncio
async def test_asyncio(server):
    async with aiohttp.ClientSession() as client, client.get(server.url("/real")) as answer:
        assert answer.status == 207

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_anyio(server, anyio_backend):
    async with httpx.AsyncClient() as client:
        assert (await client.get(server.url("/real"))).status_code == 207

@pytest.mark.timeout(30)
@pytest.mark.parametrize("number", range(10))
def test_many(server, number):
    assert get(server, "/real") == 207
"""

PATCHED_HOME = """
import pathlib
import pytest

@pytest.fixture(autouse=True)
def no_home(monkeypatch):
    def refuse():
        raise RuntimeError("this suite has no home")

    monkeypatch.setattr(pathlib.Path, "home", refuse)
    monkeypatch.delenv("HOME")
"""


@needs("httpx")
@needs("respx")
@pytest.mark.parametrize(
    "options", [(), ("-n2",), ("-n2", "--dist=loadfile")], ids=["one process", "xdist", "xdist by file"]
)
def test_all_installed_plugins_at_once(suite, options):
    """With every plugin of this environment loaded, in random order and without a home, all tests pass quietly."""
    suite.write("conftest.py", PATCHED_HOME)
    suite.write("test_user.py", EVERYTHING)
    suite.write("test_user_2.py", EVERYTHING)

    result = suite.run(*options, *suite.WITH_ASYNCIO, plugins=())

    result.assert_outcomes(passed=34)
    assert result.ret == 0


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_pytest_timeout_ends_a_test_that_waits(suite, method):
    """A test that hangs on a slow answer is ended, whichever way pytest-timeout has; by signal the report is whole."""
    suite.write(
        "test_user.py",
        f"""
        import pytest
        from api_simulator.http import ResponseSpec

        @pytest.mark.timeout(1, method="{method}", func_only=True)
        def test_hangs(mock_http_server):
            mock_http_server.register("GET", "/slow", ResponseSpec(status=200, delay_ms=600_000))
            get(mock_http_server, "/slow")

        def test_next(mock_http_server):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200))
            assert get(mock_http_server, "/a") == 200
        """,
    )

    result = suite.run(plugins=("api_simulator", "timeout"))

    if method == "signal":
        result.assert_outcomes(failed=1, passed=1)
        result.stdout.fnmatch_lines(["*api-simulator timeline*", "*#1 GET /slow *"])
    else:
        # This method has no other way than to end the whole run.
        assert result.ret != 0
        result.stdout.fnmatch_lines(["*Timeout*"])
        assert "get(mock_http_server" in result.stdout.str() + result.stderr.str()


def test_plugin_can_be_switched_off(suite):
    """With -p no:api_simulator its fixtures are absent, and everything else works."""
    suite.write(
        "test_user.py",
        """
        from api_simulator.http import MockHttpServer, ResponseSpec

        def test_without_fixture():
            with MockHttpServer() as server:
                server.register("GET", "/a", ResponseSpec(status=200))
                assert get(server, "/a") == 200

        def test_with_fixture(mock_http_server):
            pass
        """,
    )

    result = suite.run("-pno:api_simulator", *suite.WITH_ASYNCIO, plugins=())

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E *fixture 'mock_http_server' not found"])
