"""``mock_http_server``: a server for one test, of which the next test sees nothing."""

import pytest

pytest_plugins = ["pytester"]


def test_every_test_has_a_server_of_its_own(suite):
    """Each test gets a fresh port and an empty server, whatever the one before did; reset() is allowed and harmless."""
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import ResponseSpec

        ports = []

        @pytest.mark.parametrize("number", range(5))
        def test_fresh(mock_http_server, number):
            assert mock_http_server.port not in ports
            ports.append(mock_http_server.port)
            assert mock_http_server.request_count() == 0
            assert mock_http_server.routes == mock_http_server.unmatched == []

            mock_http_server.register("GET", "/a", ResponseSpec(status=201))
            assert get(mock_http_server, "/a") == 201
            if number % 2:
                mock_http_server.reset()
                mock_http_server.register("GET", "/b", ResponseSpec(status=202))
                assert get(mock_http_server, "/b") == 202

        def test_all_fixtures_of_a_test_share_the_server(mock_http_server, request):
            assert request.getfixturevalue("mock_http_server") is mock_http_server
        """,
    )

    suite.run().assert_outcomes(passed=6)


def test_clients_of_the_user_reach_it(suite):
    """http.client, requests, httpx and httpx2 get the answer that was registered, without any set-up."""
    suite.write(
        "test_user.py",
        """
        import httpx
        import httpx2
        import pytest
        import requests
        from api_simulator.http import ResponseSpec

        @pytest.mark.parametrize("client", [requests, httpx, httpx2], ids=lambda client: client.__name__)
        def test_answer(mock_http_server, client):
            mock_http_server.register("POST", "/v1/messages", ResponseSpec(status=200, body={"text": "hi"}))

            answer = client.post(mock_http_server.url("/v1/messages"), json={"q": 1})

            assert answer.json() == {"text": "hi"}
            assert mock_http_server.get_requests()[0].json == {"q": 1}
        """,
    )

    suite.run().assert_outcomes(passed=3)


def test_unittest_cases_take_it_by_an_autouse_fixture(suite):
    """In a TestCase, plain or async, traffic is judged as elsewhere, and the case's own failure and skip come first."""
    suite.write(
        "test_user.py",
        """
        import unittest
        import pytest
        from api_simulator.http import ResponseSpec

        class Base:
            @pytest.fixture(autouse=True)
            def take_server(self, mock_http_server):
                self.server = mock_http_server
                self.server.register("GET", "/known", ResponseSpec(status=200))

        class TestPlain(Base, unittest.TestCase):
            def test_ok(self):
                self.assertEqual(get(self.server, "/known"), 200)

            def test_unmatched(self):
                get(self.server, "/plain-unmatched")

            def test_own_failure(self):
                get(self.server, "/beside-own-failure")
                self.fail("my own reason")

            def test_skip(self):
                get(self.server, "/beside-skip")
                self.skipTest("not here")

        class TestAsync(Base, unittest.IsolatedAsyncioTestCase):
            async def test_ok(self):
                self.assertEqual(get(self.server, "/known"), 200)

            async def test_unmatched(self):
                get(self.server, "/async-unmatched")
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=2, failed=3, skipped=1)
    result.stdout.fnmatch_lines_random(
        [
            "GET /plain-unmatched matched no route.",
            "GET /async-unmatched matched no route.",
            "E *AssertionError: my own reason",
            "*api-simulator: what else was wrong*",
            "GET /beside-own-failure matched no route.",
        ]
    )
    result.stdout.no_fnmatch_line("*GET /beside-skip matched no route*")


@pytest.mark.parametrize(
    ("mode", "marker"), [("strict", "@pytest.mark.asyncio"), ("auto", "")], ids=["strict mode", "auto mode"]
)
def test_pytest_asyncio_tests_use_their_own_loop(suite, mode, marker):
    """Under pytest-asyncio the client runs in the test's loop while the server runs elsewhere, and verdicts hold."""
    suite.write(
        "test_user.py",
        f"""
        import asyncio
        import aiohttp
        import httpx
        import pytest
        from api_simulator.http import ResponseSpec

        {marker}
        async def test_aiohttp(mock_http_server):
            mock_http_server.register("GET", "/slow", ResponseSpec(status=200, delay_ms=50))
            async with aiohttp.ClientSession() as client:
                answers = await asyncio.gather(*[client.get(mock_http_server.url("/slow")) for _ in range(5)])
            assert [answer.status for answer in answers] == [200] * 5
            assert len(await mock_http_server.wait_for_requests_async(5)) == 5

        {marker}
        async def test_unmatched(mock_http_server):
            async with httpx.AsyncClient() as client:
                assert (await client.get(mock_http_server.url("/nowhere"))).status_code == 404
        """,
    )

    result = suite.run(f"--asyncio-mode={mode}", *suite.WITH_ASYNCIO, plugins=("api_simulator", "asyncio"))

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*GET /nowhere matched no route."])


def test_anyio_tests_use_asyncio_and_trio(suite):
    """Under anyio's plugin the same test passes on both loops, with the server's waiting form too."""
    suite.write(
        "test_user.py",
        """
        import anyio
        import httpx
        import pytest
        from api_simulator.http import MockHttpServer, ResponseSpec

        pytestmark = pytest.mark.anyio

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        async def test_fixture(mock_http_server):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200))
            async with httpx.AsyncClient() as client, anyio.create_task_group() as tasks:
                tasks.start_soon(client.get, mock_http_server.url("/a"))
                [request] = await mock_http_server.wait_for_requests_async(1)
            assert request["path"] == "/a"

        async def test_own_server():
            async with MockHttpServer() as server, httpx.AsyncClient() as client:
                server.register("GET", "/a", ResponseSpec(status=203))
                assert (await client.get(server.url("/a"))).status_code == 203

        async def test_unmatched(mock_http_server):
            async with httpx.AsyncClient() as client:
                await client.get(mock_http_server.url("/nowhere"))
        """,
    )

    result = suite.run(plugins=("api_simulator", "anyio"))

    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["FAILED *test_unmatched?asyncio?*", "FAILED *test_unmatched?trio?*"])


def test_proxy_settings_of_the_machine_neither_disturb_nor_change(suite, monkeypatch):
    """A dead proxy is by-passed, hosts named in NO_PROXY stay named, and afterwards all is as it was."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    suite.write(
        "conftest.py",
        """
        import os
        import pytest

        def settings():
            return os.environ.get("NO_PROXY"), os.environ.get("no_proxy")

        @pytest.fixture(autouse=True)
        def unchanged_after_the_test():
            before = settings()
            yield
            assert settings() == before

        def pytest_unconfigure():
            assert settings() == ("intranet.example", None)
        """,
    )
    suite.write(
        "test_1_function.py",
        """
        import httpx
        import pytest
        import requests
        from api_simulator.http import ResponseSpec
        from conftest import settings

        @pytest.mark.parametrize("client", [requests, httpx], ids=lambda client: client.__name__)
        def test_dead_proxy(mock_http_server, client):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200))
            assert client.get(mock_http_server.url("/a")).status_code == 200
            assert settings() == ("intranet.example,127.0.0.1",) * 2

        def test_change_by_the_test(monkeypatch, mock_http_server):
            monkeypatch.setenv("NO_PROXY", "mine")
            monkeypatch.delenv("no_proxy")

        @pytest.fixture
        def every_host(monkeypatch):
            monkeypatch.setenv("NO_PROXY", "*")

        def test_every_host_by_passes_the_proxy(every_host, mock_http_server):
            assert settings() == ("*", None)
        """,
    )
    suite.write(
        "test_2_wider.py",
        """
        import requests
        from api_simulator.http import ResponseSpec

        def test_factory(mock_http_server_factory):
            with mock_http_server_factory() as server:
                server.register("GET", "/a", ResponseSpec(status=200))
                assert requests.get(server.url("/a")).status_code == 200
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=5)
    assert result.ret == 0
