"""What the plugin costs a suite that does not use it: imports, measured in processes of their own."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

from api_simulator import http
from tests._engines.native import needs_native

pytest_plugins = ["pytester"]

HEAVY = ("aiohttp", "anyio", "asyncio", "cffi", "httpx", "httpx2", "pydantic", "respx", "socket", "ssl", "trio")
OWN = ("api_simulator.http", "api_simulator._core", "api_simulator._engines", "api_simulator.claude")

CONFTEST = """
import json
import pathlib
import sys

def pytest_unconfigure():
    pathlib.Path("modules.json").write_text(json.dumps(sorted(sys.modules)))
"""


def modules_of_a_run(suite, plugin):
    suite.run(plugins=(plugin,)).assert_outcomes(passed=1, failed=1)
    return set(json.loads((suite.path / "modules.json").read_text()))


def loaded(modules, names):
    return [name for name in names if name in modules]


def test_unused_plugin_imports_next_to_nothing(suite):
    """A whole run with failures and reports has two modules more than one without the plugin: the plugin's own."""
    suite.write("conftest.py", CONFTEST)
    suite.write("test_user.py", "def test_passes():\n    pass\n\n\ndef test_fails():\n    raise AssertionError\n")

    without = modules_of_a_run(suite, "no:api_simulator")
    added = modules_of_a_run(suite, "api_simulator") - without

    assert added == {"api_simulator", "api_simulator.pytest_plugin"}


def test_entry_point_has_the_documented_name():
    """`-p no:api_simulator` works because the entry point is called so."""
    points = importlib.metadata.entry_points(group="pytest11", name="api_simulator")

    assert [point.value for point in points] == ["api_simulator.pytest_plugin"]


def modules_after(statement):
    program = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    # -I: a .pth file of the environment may import what it likes, PYTHON* variables of the caller may not.
    run = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=50, check=True)
    return set(json.loads(run.stdout))


def test_importing_the_package_loads_no_third_party_package():
    """``import api_simulator`` loads nothing else of its own; ``api_simulator.http`` loads no engine before a start."""
    nothing = modules_after("pass")

    top = modules_after("import api_simulator") - nothing
    http = modules_after("import api_simulator.http; api_simulator.http.MockHttpServer()") - nothing

    assert loaded(top, HEAVY + OWN) == []
    assert loaded(http, [name for name in HEAVY if name != "socket"]) == []
    assert "api_simulator.claude" not in http


def test_modules_are_imported_without_rewriting_but_for_those_that_assert(suite):
    """pytest's importer reads a module at half the speed of Python's: it is left to what has assertions to rewrite."""
    suite.write(
        "test_user.py",
        """
        import api_simulator.http
        import api_simulator.testing

        def loader(module):
            return type(module.__spec__.loader).__name__

        def test_loaders():
            assert loader(api_simulator.http) == "SourceFileLoader"
            assert loader(api_simulator.testing) == "AssertionRewritingHook"
        """,
    )

    suite.run().assert_outcomes(passed=1)


SERVER = "import api_simulator.http; api_simulator.http.MockHttpServer(engine='native').start().close()"
#: What a server of plain routes has no use for, and what each of these drags in.
NOT_FOR_A_SERVER = (
    *(name for name in HEAVY if name not in ("socket", "cffi")),
    *("concurrent.futures", "difflib", "email", "gzip", "jsonschema", "ssl", "urllib.request"),
    *("api_simulator._engines._aiohttp", "api_simulator._engines._loop", "api_simulator._core.secrets"),
    *("api_simulator._core.named_conditions", "api_simulator.http._conditions"),
)


@needs_native
def test_the_first_native_server_imports_only_what_it_needs():
    """No other engine, no event loop, no condition on requests: a first server is there within some milliseconds."""
    nothing = modules_after("import pytest, pluggy, importlib.metadata")

    server = modules_after(f"import pytest, pluggy, importlib.metadata; {SERVER}") - nothing

    assert loaded(server, NOT_FOR_A_SERVER) == []


def test_what_is_loaded_late_is_offered_all_the_same():
    """Every public name of ``api_simulator.http`` is there; another one is an AttributeError that names it."""
    program = (
        "import api_simulator.http as http; assert set(http.__all__) <= set(dir(http)); "
        "[getattr(http, name) for name in http.__all__]; from api_simulator.http import header, RefusedPort; "
        "assert http.header is header"
    )

    modules_after(program)

    with pytest.raises(AttributeError, match=r"api_simulator\.http.*no attribute 'heade'"):
        getattr(http, "heade")  # noqa: B009  # a checker would refuse the name
