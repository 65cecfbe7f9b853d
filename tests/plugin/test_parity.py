"""Parity mode: a test runs on a socket and in the process, and two stories are a failure."""

from __future__ import annotations

import pytest

from api_simulator._engines.base import open_engine
from tests.libraries import needs_either

SOCKET_ENGINE = open_engine("auto").name
pytest_plugins = ["pytester"]
pytestmark = needs_either

PARITY = "import httpx2, pytest, urllib.request\n@pytest.mark.api_simulator(parity=True)\n"


def run(suite, source, *arguments):
    suite.write("test_user.py", source)
    return suite.run(*arguments, plugins=("api_simulator", "anyio"))


def test_a_test_that_passes_on_both_passes_once(suite):
    """And it has really run on both."""
    done = run(
        suite,
        PARITY
        + """
def test_it(mock_http_server):
    with open("engines", "a") as file:
        print(mock_http_server.engine, file=file)
    mock_http_server.get("/").json({"id": 1})
    assert httpx2.get(mock_http_server.url("/")).json() == {"id": 1}
""",
    )

    done.assert_outcomes(passed=1)
    assert (suite.path / "engines").read_text().split() == [SOCKET_ENGINE, "inprocess"]


def test_another_outcome_is_a_failure_with_both_timelines_side_by_side(suite):
    done = run(
        suite,
        PARITY
        + """
def test_it(mock_http_server):
    mock_http_server.get("/a").json(1)
    httpx2.get(mock_http_server.url("/a"))
    assert mock_http_server.engine != "inprocess"
""",
    )

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "the two transports tell different stories:",
            f"  call: passed on a socket ({SOCKET_ENGINE}), failed by AssertionError in the process",
            f"on a socket ({SOCKET_ENGINE})*| in the process",
            "*#1 GET /a*|*#1 GET /a*",
            "*#1 -> 200*|*#1 -> 200*",
        ]
    )


def test_another_exception_is_a_failure_also_where_both_fail(suite):
    done = run(
        suite,
        PARITY
        + """
@pytest.mark.xfail
def test_it(mock_http_server):
    raise IndexError if mock_http_server.engine == "inprocess" else KeyError
""",
    )

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["  call: skipped by KeyError on a socket*, skipped by IndexError in the process"])


def test_other_requests_are_a_failure(suite):
    done = run(
        suite,
        PARITY
        + """
def test_it(mock_http_server):
    mock_http_server.get("/").json(1)
    with httpx2.Client(base_url=mock_http_server.url) as client:
        client.get("/", params={"engine": mock_http_server.engine})
""",
    )

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            f"  only on a socket*: GET /[?]engine={SOCKET_ENGINE} -> 200*",
            "  only in the process: GET /[?]engine=inprocess*",
        ]
    )


def test_what_differs_from_run_to_run_is_no_difference(suite):
    """Ports in bodies, and the boundaries of multipart forms."""
    done = run(
        suite,
        PARITY
        + """
def test_it(mock_http_server):
    mock_http_server.post("/").json(1)
    httpx2.post(mock_http_server.url("/"), json={"callback": mock_http_server.url("/back")})
    httpx2.post(mock_http_server.url("/"), files={"a": b"b"})
""",
    )

    done.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [("pytest.skip()", "skipped"), ("assert False", "failed"), ("pytest.xfail()", "xfailed")],
    ids=["skip", "fail", "xfail"],
)
def test_one_and_the_same_ending_is_reported_as_ever(suite, body, outcome):
    done = run(suite, PARITY + f"def test_it(mock_http_server):\n    {body}\n")

    done.assert_outcomes(**{outcome: 1})
    done.stdout.no_fnmatch_line("*different stories*")


def test_the_option_is_for_all_tests_of_the_fixture_but_those_that_say_no(suite):
    done = run(
        suite,
        """
import pytest, urllib.request

def ask(server):
    server.get("/").json(1)
    urllib.request.urlopen(server.url("/"))

def test_on_both(mock_http_server):
    ask(mock_http_server)

@pytest.mark.api_simulator(parity=False)
def test_on_a_socket_only(mock_http_server):
    ask(mock_http_server)

def test_of_something_else():
    pass
""",
        "--api-simulator-parity",
    )

    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["*is answered in the process, for clients of httpx2 and httpx, and another client*"])


def test_a_test_without_the_fixture_has_nothing_to_compare(suite):
    done = run(suite, PARITY + "def test_it():\n    pass\n")

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*parity=True compares what happens at mock_http_server, and the test does not use it"])


def test_parity_is_true_or_false(suite):
    done = run(
        suite,
        "import pytest\n@pytest.mark.api_simulator(parity='yes')\ndef test_it(mock_http_server):\n    pass\n",
    )

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*parity is True or False, got 'yes'*"])


def test_fixtures_are_made_anew_and_async_tests_run_on_both(suite):
    done = run(
        suite,
        """
import httpx2, pytest

@pytest.fixture
def things():
    return []

@pytest.mark.api_simulator(parity=True)
@pytest.mark.anyio
async def test_it(mock_http_server, things, anyio_backend, tmp_path):
    things.append(1)
    assert things == [1] and list(tmp_path.iterdir()) == []
    mock_http_server.get("/").json(1)
    async with httpx2.AsyncClient(base_url=mock_http_server.url) as client:
        assert (await client.get("/")).json() == 1

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param
""",
    )

    done.assert_outcomes(passed=2)


VIRTUAL = """
import time
import httpx2, pytest

@pytest.mark.api_simulator(parity=True, virtual_time=True)
def test_hours_of_retries(mock_http_server):
    started = time.monotonic()
    mock_http_server.get("/").json(1).fail(times=3, status=503)
    with httpx2.Client(base_url=mock_http_server.url) as client:
        while client.get("/").is_error:
            time.sleep(3600)
    received = [request.received_ns for request in mock_http_server.get_requests()]
    assert [(later - earlier) // 10**9 for earlier, later in zip(received, received[1:])] == [3600] * 3
    assert time.monotonic() - started == 3 * 3600
    {more}
"""


def test_hours_of_virtual_time_are_the_same_story_on_both(suite):
    run(suite, VIRTUAL.format(more="")).assert_outcomes(passed=1)


def test_a_report_in_virtual_time_names_the_engine_that_served(suite):
    """The native engine has no virtual time, so that another serves the socket."""
    done = run(suite, VIRTUAL.format(more="assert mock_http_server.engine != 'inprocess'"))

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["  call: passed on a socket (aiohttp), failed by AssertionError in the process"])
