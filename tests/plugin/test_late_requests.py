"""Requests that arrive after their test has ended."""

import pytest

pytest_plugins = ["pytester"]

#: The first test leaves a thread behind that asks when the second one is running.
LATE = """
import http.client
import threading
import pytest
from api_simulator.http import ResponseSpec

next_test_runs = threading.Event()
outcome = []

def ask_late(port):
    next_test_runs.wait(20)
    for path in ("/late", "/late", "/later?x=1"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            outcome.append(connection.getresponse().status)
        except ConnectionError as error:
            outcome.append(type(error).__name__)
        finally:
            connection.close()

def test_1_leaves_a_thread_behind(mock_http_server):
    mock_http_server.register("GET", "/late", ResponseSpec(status=200))
    thread = threading.Thread(target=ask_late, args=(mock_http_server.port,), name="late")
    thread.start()

def test_2_is_not_disturbed(mock_http_server):
    next_test_runs.set()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "late"]
    thread.join(20)
    assert outcome == ["ConnectionResetError"] * 3
    assert mock_http_server.request_count() == 0
"""

HEADING = "*api-simulator: requests after the end of their test*"
LISTED = [
    "*test_user.py::test_1_leaves_a_thread_behind: GET /late (2 times) was reset",
    "*test_user.py::test_1_leaves_a_thread_behind: GET /later?x=1 was reset",
]


@pytest.mark.parametrize(
    ("plugins", "options"),
    [(("api_simulator",), ()), (("api_simulator", "xdist"), ("-n1",))],
    ids=["one process", "xdist worker"],
)
def test_late_requests_are_reset_and_listed_under_their_own_test(suite, plugins, options):
    """They never reach the next test; the run fails for them only if asked to, from xdist's workers too."""
    suite.write("test_user.py", LATE)

    listed = suite.run(*options, plugins=plugins)
    failing = suite.run(*options, "-oapi_simulator_late=fail", plugins=plugins)

    for result in (listed, failing):
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines([HEADING, *LISTED])
    assert listed.ret == pytest.ExitCode.OK
    listed.stdout.fnmatch_lines(["*make them failures: api_simulator_late = fail"])
    assert failing.ret == pytest.ExitCode.TESTS_FAILED
    failing.stdout.fnmatch_lines(["the run fails (api_simulator_late = fail)*"])


def test_kept_connection_of_an_ended_test_is_closed(suite):
    """A client that outlives its test finds its kept-alive connection closed, and its next request reset and listed."""
    suite.write(
        "test_user.py",
        """
        import pytest
        import requests
        from api_simulator.http import ResponseSpec

        session = requests.Session()
        urls = []

        def test_1(mock_http_server):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200))
            urls.append(mock_http_server.url("/a"))
            assert session.get(urls[0]).status_code == 200

        def test_2(mock_http_server):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200))
            with pytest.raises(requests.ConnectionError):
                session.get(urls[0])
            assert session.get(mock_http_server.url("/a")).status_code == 200
            session.close()
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([HEADING, "test_user.py::test_1: GET /a was reset"])


def test_answer_under_way_at_the_end_of_the_test_is_cut_off(suite):
    """A client still waiting for a slow answer gets a reset at once; that request was in time, so nothing is listed."""
    suite.write(
        "test_user.py",
        """
        import threading
        import time
        from api_simulator.http import ResponseSpec

        outcome = []

        def ask(server):
            try:
                outcome.append(get(server, "/slow"))
            except ConnectionError as error:
                outcome.append(type(error).__name__)

        def test_1(mock_http_server):
            mock_http_server.register("GET", "/slow", ResponseSpec(status=200, delay_ms=30_000))
            threading.Thread(target=ask, args=(mock_http_server,), name="slow").start()
            mock_http_server.wait_for_requests(1)

        def test_2():
            for thread in threading.enumerate():
                if thread.name == "slow":
                    thread.join(10)
            assert outcome == ["ConnectionResetError"]
        """,
    )

    result = suite.run("-oapi_simulator_late=fail")

    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line(HEADING)
