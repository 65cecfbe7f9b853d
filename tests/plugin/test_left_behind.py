"""What a run leaves behind: nothing, however many tests it had and whatever they did."""

import pytest

pytest_plugins = ["pytester"]

CHECK = """
import threading
import psutil

def pytest_unconfigure():
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            # Responders' threads are told to end, not waited for: one that is blocked must not block the run.
            thread.join(5)
    assert threading.enumerate() == [threading.main_thread()]
    assert not psutil.Process().children(recursive=True)
    assert not psutil.Process().net_connections()
"""


def test_run_ends_without_threads_children_or_sockets(suite):
    """After many tests with both fixtures nothing runs and nothing is open when pytest ends."""
    suite.write("conftest.py", CHECK)
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import ResponseSpec

        @pytest.mark.parametrize("number", range(50))
        def test_user(mock_http_server, number):
            mock_http_server.register("GET", "/plain", ResponseSpec(status=200))
            mock_http_server.register("GET", "/asked", lambda request: ResponseSpec(status=201))
            assert get(mock_http_server, "/plain") == 200
            assert get(mock_http_server, "/asked") == 201

        def test_program(fake_claude):
            with fake_claude:
                assert fake_claude.run(["-p", "hello"]).returncode == 0
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=51)
    assert result.ret == 0
    assert result.errlines == []


def test_number_of_tests_costs_neither_descriptors_nor_memory(suite):
    """64 ports of ended tests are kept, and their servers; beyond that a test leaves nothing, not even its journal."""
    suite.write(
        "test_user.py",
        """
        import gc
        import psutil
        import pytest
        from api_simulator.http import MockHttpServer, ResponseSpec

        KEPT = 64
        descriptors = []

        @pytest.mark.parametrize("number", range(3 * KEPT))
        def test_user(mock_http_server, number):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200))
            assert get(mock_http_server, "/a") == 200
            descriptors.append(psutil.Process().num_fds())

        def test_descriptors():
            grown = descriptors[KEPT] - descriptors[0]
            assert KEPT - 4 <= grown <= KEPT + 4
            # The engine closes connections of the last tests while the next one runs.
            assert max(descriptors[KEPT:]) <= descriptors[KEPT] + 4

        def test_servers():
            gc.collect()
            assert sum(isinstance(thing, MockHttpServer) for thing in gc.get_objects()) <= KEPT
        """,
    )

    suite.run("-q").assert_outcomes(passed=3 * 64 + 2)


def test_responder_that_blocks_for_ever_does_not_keep_the_run_alive(suite):
    """The run ends although a responder of a test has not returned and never will."""
    suite.write(
        "test_user.py",
        """
        import threading
        from api_simulator.http import ResponseSpec

        called = threading.Event()

        def blocked(request):
            called.set()
            threading.Event().wait()

        def ask(server):
            try:
                get(server, "/blocked")
            except ConnectionError:
                pass

        def test_user(mock_http_server):
            mock_http_server.register("GET", "/blocked", blocked)
            threading.Thread(target=ask, args=(mock_http_server,)).start()
            assert called.wait(10)
        """,
    )

    result = suite.run(timeout_s=10)

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
