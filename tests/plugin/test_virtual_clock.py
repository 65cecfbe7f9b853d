"""The fixture and the marker: when the clock runs, what has its time, and that reports never have."""

import pytest

pytest_plugins = ["pytester"]


def test_fixture_and_marker_give_the_servers_of_a_test_its_clock(suite):
    """Whatever the order of the names, from fixtures too; other tests have the machine's time."""
    suite.write(
        "test_user.py",
        """
        import time

        import pytest
        from api_simulator.http import MockHttpServer

        @pytest.fixture
        def slow(mock_http_server):
            mock_http_server.get("/").delay(60_000).text("late")
            return mock_http_server

        def test_server_first(slow, virtual_clock):
            assert get(slow, "/") == 200
            assert virtual_clock.elapsed == 60

        def test_clock_first(virtual_clock, slow, mock_http_server_factory):
            with mock_http_server_factory() as other, MockHttpServer() as own:
                for server in (other, own):
                    server.get("/").delay(30_000).text("late")
                    assert get(server, "/") == 200
            assert virtual_clock.elapsed == 60

        @pytest.mark.api_simulator(virtual_time=True)
        def test_marked(slow):
            started = time.monotonic()
            assert get(slow, "/") == 200
            time.sleep(3600)
            assert time.monotonic() - started == 3660

        @pytest.mark.api_simulator(virtual_time=True)
        def test_marked_alone():
            time.sleep(3600)

        @pytest.mark.api_simulator(virtual_time=False)
        def test_real(mock_http_server):
            assert time.sleep.__class__.__name__ == "builtin_function_or_method"
        """,
    )

    suite.run("-pno:randomly").assert_outcomes(passed=5)


def test_reports_have_the_machines_time_and_the_names_are_back(suite):
    """In each phase's report, after a failure, an error in set-up and a monkeypatch: the original functions."""
    suite.write(
        "conftest.py",
        """
        import time

        import pytest

        ORIGINALS = [time.sleep, time.monotonic, time.perf_counter, time.time]
        STARTED = time.time()
        REPORTS = []

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            # What a test has patched itself is its own until the fixture undoes that.
            if (item.name, report.when) != ("test_patches", "call"):
                assert [time.sleep, time.monotonic, time.perf_counter, time.time] == ORIGINALS, report
            assert time.time() - STARTED < 1000
            REPORTS.append((item.name, report.when, report.outcome))
            return report

        def pytest_sessionfinish():
            print(f"reports={len(REPORTS)}")
        """,
    )
    suite.write(
        "test_user.py",
        """
        import time

        import pytest

        def test_passes(virtual_clock):
            time.sleep(5000)

        def test_fails(virtual_clock):
            time.sleep(5000)
            assert False

        @pytest.fixture
        def broken(virtual_clock):
            time.sleep(5000)
            raise ValueError

        def test_error(broken):
            pass

        def test_patches(monkeypatch, virtual_clock):
            monkeypatch.setattr(time, "sleep", print)
            time.sleep(5000)

        @pytest.fixture
        def tidied(virtual_clock):
            yield
            time.sleep(5000)
            assert virtual_clock.elapsed == 5001

        def test_tears_down_in_it(tidied):
            time.sleep(1)
        """,
    )

    result = suite.run("-s", "-pno:randomly")

    result.assert_outcomes(passed=3, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*reports=14*"])
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize(
    "swallow",
    ["except Exception: pass", "except VirtualTimeError: pass"],
)
def test_a_test_that_swallows_the_clocks_error_fails_all_the_same(suite, swallow):
    suite.write(
        "test_user.py",
        f"""
        import threading, time
        from api_simulator.errors import VirtualTimeError

        def test_user(virtual_clock):
            threading.Event().wait(1.5)
            try: time.sleep(1)
            {swallow}
        """,
    )

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *VirtualTimeError: thread MainThread waits at *test_user.py:6 in test_user: *"])


def test_a_wait_in_set_up_is_no_wait_of_the_test(suite):
    """Fixtures may start what takes a while; it is the test's own waits that time goes by."""
    suite.write(
        "test_user.py",
        """
        import threading, time
        import pytest

        @pytest.fixture
        def database(virtual_clock):
            threading.Event().wait(1)

        def test_user(database, virtual_clock):
            time.sleep(1)
            assert virtual_clock.elapsed == 1
        """,
    )

    suite.run().assert_outcomes(passed=1)


def test_tests_of_pytest_asyncio_and_anyio(suite):
    suite.write(
        "test_user.py",
        """
        import asyncio, time
        import anyio, pytest

        @pytest.mark.asyncio
        async def test_asyncio(virtual_clock):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(600):
                    await asyncio.Event().wait()
            assert virtual_clock.elapsed == 600

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
        async def test_anyio(virtual_clock):
            with anyio.move_on_after(600):
                await anyio.sleep_forever()
            assert virtual_clock.elapsed == 600
        """,
    )

    result = suite.run(*suite.WITH_ASYNCIO, plugins=("api_simulator", "asyncio", "anyio"))

    result.assert_outcomes(passed=3)


def test_without_time_machine_the_error_names_the_extra(suite):
    suite.write("conftest.py", "import sys\nsys.modules['time_machine'] = None\n")
    suite.write(
        "test_user.py",
        """
        import time

        def test_user(virtual_clock):
            pass

        def test_next():
            assert time.sleep.__class__.__name__ == "builtin_function_or_method"
        """,
    )

    result = suite.run("-pno:randomly")

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["E *MissingExtraError: virtual time needs *install api-simulator?virtual-time?"])


def test_a_clock_of_another_kind_of_marker_is_refused(suite):
    suite.write(
        "test_user.py",
        """
        import pytest

        @pytest.mark.api_simulator(virtual_time="yes")
        def test_user():
            pass
        """,
    )

    result = suite.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*virtual_time is True or False, got 'yes'"])


def test_events_of_an_ended_test_are_not_in_the_next_ones_report(suite):
    """Stamps of virtual time may be later than anything of the next test."""
    suite.write(
        "test_user.py",
        """
        SERVERS = []

        def test_first(mock_http_server, virtual_clock):
            mock_http_server.get("/").delay(60_000).text("late")
            assert get(mock_http_server, "/") == 200
            SERVERS.append(mock_http_server)

        def test_second():
            assert SERVERS == "what"
        """,
    )

    result = suite.run("-pno:randomly")

    result.assert_outcomes(passed=1, failed=1)
    assert "timeline" not in result.stdout.str()
