"""
Suites of an imagined user, run by a pytest of their own.

Each is a process that loads the plugin by its entry point, as a user's run does. Warnings are errors
in all of them, and other plugins stay out unless a test asks for them: that is where most of the start-up goes.
"""

import os
import textwrap

import pytest

from tests.libraries import skip_without_imports_of

#: What the tests of these suites call their servers with: one request on a connection of its own.
WIRE = '''
import http.client
import json as jsonlib


def send(server, method, path, json=None):
    """Send a request and return the status of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, None if json is None else jsonlib.dumps(json))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def get(server, path):
    """Send a GET and return the status of its answer."""
    return send(server, "GET", path)
'''

WITH_OWN_VALUE = ("API_SIMULATOR_ENGINE", "PYTEST_PLUGINS", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy")


class Suite:
    """A folder with test files, and runs of pytest in it."""

    #: For runs with pytest-asyncio: it leaves a loop of its own open, which the collector may find in any test.
    WITH_ASYNCIO = (
        "-oasyncio_default_fixture_loop_scope=function",
        "-Wdefault::pytest.PytestUnraisableExceptionWarning",
    )

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.write("wire.py", WIRE)

    def write(self, name: str, source: str) -> None:
        """Write a file of the suite; test files get ``from wire import get, send``."""
        text = textwrap.dedent(source)
        skip_without_imports_of(text)
        if name.startswith("test_"):
            # In place of the empty first line, so that lines are numbered as they are written.
            text = f"from wire import get, send\n{text.removeprefix(chr(10))}"
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(
        self, *arguments: str, plugins: tuple[str, ...] = ("api_simulator",), timeout_s: float = 50
    ) -> pytest.RunResult:
        """Run pytest with *plugins*; an empty tuple loads all that are installed, as users' runs do."""
        chosen = [f"-p{name}" for name in plugins]
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1" if chosen else ""
        options = [*chosen, "-pno:cacheprovider", "-Werror", *arguments]
        return self.pytester.runpytest_subprocess(*options, timeout=timeout_s)

    @staticmethod
    def section(result: pytest.RunResult, title: str) -> list[str]:
        """Return the lines of the section called *title* in a run's output, up to the next heading."""
        lines = result.outlines
        starts = [number for number, line in enumerate(lines) if line.strip("-= ") == title]
        assert starts, f"no section {title!r} in:\n{result.stdout.str()}"
        following = lines[starts[0] + 1 :]
        length = next((n for n, line in enumerate(following) if line.startswith(("---", "===", "___"))), len(following))
        return following[:length]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in WITH_OWN_VALUE:
        monkeypatch.delenv(name, raising=False)
    return Suite(pytester)
