"""Options of the plugin: where they may be given, which wins, and what a wrong one says."""

import pytest

pytest_plugins = ["pytester"]

ONE_TEST = """
def test_user(mock_http_server):
    print(f"engine={mock_http_server.engine}")
"""


@pytest.mark.parametrize(
    ("origin", "options", "environment"),
    [
        ("--api-simulator-engine", ["--api-simulator-engine=nginx"], ""),
        ("API_SIMULATOR_ENGINE", [], "nginx"),
        ("ini option api_simulator_engine", ["-oapi_simulator_engine=nginx"], ""),
    ],
)
def test_unknown_engine_is_refused_with_its_origin(suite, monkeypatch, origin, options, environment):
    """The error names the place that asked for the engine and the engines there are."""
    monkeypatch.setenv("API_SIMULATOR_ENGINE", environment)
    suite.write("test_user.py", ONE_TEST)

    result = suite.run(*options)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"E *OptionError: {origin}: expected one of auto, native, aiohttp, inprocess, got 'nginx'"]
    )


def test_marker_beats_command_line_beats_environment_beats_ini(suite, monkeypatch):
    """The first place that names an engine decides, and the others are not even checked."""
    suite.write(
        "test_user.py",
        """
        import pytest

        @pytest.mark.api_simulator(engine="aiohttp")
        def test_marked(mock_http_server):
            assert mock_http_server.engine == "aiohttp"

        def test_argument(mock_http_server_factory):
            with mock_http_server_factory(engine="aiohttp") as server:
                assert server.engine == "aiohttp"

        def test_plain(mock_http_server):
            assert mock_http_server.engine == "aiohttp"
        """,
    )
    wrong_ini = "-oapi_simulator_engine=wrong-ini"

    ini = suite.run("-oapi_simulator_engine=aiohttp")
    ini_only = suite.run(wrong_ini)
    monkeypatch.setenv("API_SIMULATOR_ENGINE", "wrong-environment")
    environment = suite.run(wrong_ini)
    command_line = suite.run(wrong_ini, "--api-simulator-engine=wrong-option")
    right_command_line = suite.run(wrong_ini, "--api-simulator-engine=aiohttp")

    ini.assert_outcomes(passed=3)
    right_command_line.assert_outcomes(passed=3)
    for result, found in ((ini_only, "wrong-ini"), (environment, "wrong-environment"), (command_line, "wrong-option")):
        result.assert_outcomes(passed=2, errors=1)
        result.stdout.fnmatch_lines([f"E *got '{found}'"])


def test_wrong_marker_is_refused(suite, monkeypatch):
    """An option that does not exist, a positional one or a wrong value fails the test and says what is allowed."""
    monkeypatch.setenv("API_SIMULATOR_NATIVE_LIBRARY", "/nowhere/native.so")
    suite.write(
        "test_user.py",
        """
        import pytest

        @pytest.mark.api_simulator(strickt=False)
        def test_name(mock_http_server):
            pass

        @pytest.mark.api_simulator("lenient")
        def test_positional():
            pass

        @pytest.mark.api_simulator(strict="no")
        def test_kind(mock_http_server):
            pass

        @pytest.mark.api_simulator(engine="nginx")
        def test_engine(mock_http_server):
            pass

        @pytest.mark.api_simulator(engine="native")
        def test_engine_that_is_not_installed(mock_http_server):
            pass

        @pytest.mark.api_simulator(engine="aiohttp", strict=True)
        def test_right(mock_http_server):
            pass
        """,
    )

    result = suite.run("--strict-markers")

    result.assert_outcomes(passed=1, errors=5)
    result.stdout.fnmatch_lines(
        [
            "test_user.py::test_name: @pytest.mark.api_simulator has no option strickt; it takes strict, *",
            "*::test_positional: @pytest.mark.api_simulator has no option 'lenient'; it takes strict, engine, *",
            "test_user.py::test_kind: @pytest.mark.api_simulator: strict is True or False, got 'no'",
            "E *OptionError: @pytest.mark.api_simulator(engine=): expected one of auto, native, aiohttp, inprocess, *",
            "E *EngineUnavailableError: engine 'native' is not available: there is no /nowhere/native.so*",
        ]
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("api_simulator_unused=shout", "ini option api_simulator_unused: expected 'list' or 'fail', got 'shout'"),
        ("api_simulator_late=", "ini option api_simulator_late: expected 'list' or 'fail', got ''"),
        ("api_simulator_strict=perhaps", "ini option api_simulator_strict: expected true or false: *perhaps*"),
    ],
)
def test_wrong_ini_value_stops_the_run_at_its_start(suite, setting, message):
    """It is a usage error in one line, not a failure of every test."""
    suite.write("test_user.py", ONE_TEST)

    result = suite.run(f"-o{setting}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_everything_is_documented_in_the_help(suite):
    """pytest --help, --markers and --fixtures show the options, the marker and the fixtures."""
    shown = (
        suite.run("--help").stdout.str() + suite.run("--markers").stdout.str() + suite.run("--fixtures").stdout.str()
    )

    for name in (
        "--api-simulator-engine=NAME",
        "--api-simulator-strict={yes,no}",
        "--api-simulator-parity",
        "api_simulator_engine (string)",
        "api_simulator_strict (bool)",
        "api_simulator_unused (string)",
        "api_simulator_late (string)",
        "@pytest.mark.api_simulator(strict=True, engine='auto', parity=False, virtual_time=False): ",
        "mock_http_server -- ",
        "mock_http_server_factory [session scope] -- ",
        "fake_claude -- ",
    ):
        assert name in shown
