"""What a failure report says beside the failure itself."""

import http.client

from api_simulator.http import MockHttpServer, ResponseSpec

pytest_plugins = ["pytester"]


def test_failure_shows_the_timeline_of_its_own_test(suite):
    """Requests and answers of all servers stand in the order in which they happened, those of earlier tests do not."""
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import MockHttpServer, ResponseSpec

        @pytest.fixture(scope="module")
        def quota(mock_http_server_factory):
            with mock_http_server_factory(name="quota", strict=False) as server:
                yield server

        def test_earlier(quota, mock_http_server):
            mock_http_server.register("GET", "/earlier", ResponseSpec())
            get(mock_http_server, "/earlier")
            get(quota, "/earlier")

        def test_fails(quota, mock_http_server):
            mock_http_server.register("POST", "/a", ResponseSpec(status=201))
            send(mock_http_server, "POST", "/a", json=[1, 2])
            get(quota, "/usage")
            with MockHttpServer(name="closed") as third:
                third.register("GET", "/b", ResponseSpec(status=202))
                get(third, "/b")
            assert get(mock_http_server, "/a") == 201
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=1, failed=1)
    events = [line.split(" s  ", 1)[1] for line in suite.section(result, "api-simulator timeline")]
    assert [event.split("  after ")[0].split(" after ")[0] for event in events] == [
        "http    #1 POST /a (6 bytes)  [POST /a]",
        "http    #1 -> 201",
        "quota   #2 GET /usage  [no route]",
        "quota   #2 -> 404",
        "closed  #1 GET /b  [GET /b]",
        "closed  #1 -> 202",
        "http    #2 GET /a  [no route]",
        "http    #2 -> 404",
    ]


def test_timeline_has_every_answer_that_a_client_has_seen():
    """The answer that made a test fail is the last line of its report: it must not be missing there."""
    missing = 0
    with MockHttpServer(journal_entries=1) as server:
        server.register("GET", "/a", ResponseSpec(status=200))
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for _ in range(1000):
            connection.request("GET", "/a")
            connection.getresponse().read()
            missing += len(server.timeline()) != 2
        connection.close()

    assert missing == 0


def test_program_runs_stand_between_the_requests(suite):
    """Runs of the fake program and requests are on one timeline."""
    suite.write(
        "test_user.py",
        """
        from api_simulator.http import ResponseSpec

        def test_fails(mock_http_server, fake_claude):
            mock_http_server.register("*", "/{step}", ResponseSpec(status=200))
            get(mock_http_server, "/before")
            with fake_claude:
                fake_claude.run(["-p", "hello"])
            get(mock_http_server, "/after")
            raise AssertionError
        """,
    )

    result = suite.run()

    result.assert_outcomes(failed=1)
    lines = suite.section(result, "api-simulator timeline")
    [before] = [number for number, line in enumerate(lines) if "GET /before" in line]
    [after] = [number for number, line in enumerate(lines) if "GET /after" in line]
    program = [number for number, line in enumerate(lines) if " s  claude " in line]
    assert program
    assert all(before < number < after for number in program)


def test_passing_tests_and_tests_without_traffic_show_nothing(suite):
    """No section, no log line, no output of this package unless there is something to say."""
    suite.write(
        "test_user.py",
        """
        import socket
        import pytest
        from api_simulator.http import ResponseSpec

        def test_quiet(mock_http_server, caplog, capsys):
            caplog.set_level(0)
            mock_http_server.register("GET", "/a", ResponseSpec(status=200))
            get(mock_http_server, "/a")
            with socket.create_connection(("127.0.0.1", mock_http_server.port)) as client:
                client.sendall(b"no HTTP at all" + bytes([13, 10]) * 2)
                assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
            assert caplog.records == []
            assert capsys.readouterr() == ("", "")

        def test_fails_without_traffic():
            raise AssertionError
        """,
    )

    result = suite.run("-rA")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*-- api-simulator*")


def test_tracebacks_have_no_frame_of_the_plugin(suite):
    """Failing fixtures and tests, those that use nothing of this package above all, show the user's code only."""
    suite.write(
        "test_user.py",
        """
        import pytest

        @pytest.fixture
        def fails_in_setup():
            raise LookupError("setup")

        @pytest.fixture
        def fails_in_teardown():
            yield
            raise LookupError("teardown")

        def test_setup(fails_in_setup):
            pass

        def test_teardown(fails_in_teardown):
            pass

        def test_call():
            raise LookupError("call")

        @pytest.mark.api_simulator(engine="nginx")
        def test_engine(mock_http_server):
            pass

        def test_factory(mock_http_server_factory):
            mock_http_server_factory(port="http")
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=1, failed=2, errors=3)
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


REFUSED = """
import contextlib

def test_call(mock_http_server):
    mock_http_server.register("GET", "users", lambda request: None)

def test_block(mock_http_server):
    with mock_http_server.intercept("https://api.example.com"), mock_http_server.intercept("ftp://x"):
        pass

def test_in_a_function_of_the_user(fake_service):
    def start(name):
        return fake_service(name)

    start("anthropik")
"""


def test_a_refusal_is_shown_at_the_line_that_asked_for_it(suite):
    suite.write("test_user.py", REFUSED)

    result = suite.run()

    result.assert_outcomes(failed=3)
    result.stdout.no_fnmatch_line("*api_simulator*.py:*")
    result.stdout.fnmatch_lines(
        [
            ">*register(*",
            "E*RouteError: path: 'users' does not start with '/'*",
            "test_user.py:5: RouteError",
            "E*OptionError: intercept: expected an origin*",
            "test_user.py:8: OptionError",
            ">*return fake_service(name)",
            "E*ServiceError: *did you mean 'anthropic'*",
            "test_user.py:13: ServiceError",
        ]
    )


def test_every_frame_is_there_for_who_asks_for_it(suite):
    suite.write("test_user.py", REFUSED)

    result = suite.run("--full-trace", "-k", "test_call")

    result.stdout.fnmatch_lines(["*api_simulator*_registration.py:*", "*RouteError*"])


def test_frames_beneath_a_defect_are_shown(suite):
    """An exception that is no refusal may be ours: who reports it needs to see where it came from."""
    suite.write(
        "test_user.py",
        """
        class Broken:
            def __fspath__(self):
                raise ZeroDivisionError

        def test_defect(fake_claude):
            fake_claude.run([], cwd=Broken())
        """,
    )

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*api_simulator*.py:*", "*ZeroDivisionError*"])
