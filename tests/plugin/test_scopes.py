"""Servers that live longer than a test: who starts them, who ends them, whom their traffic is charged to."""

pytest_plugins = ["pytester"]


def test_factory_serves_wider_fixtures_and_several_servers(suite):
    """A module's fixture keeps one server for its tests, a test may have several, each with a port of its own."""
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import ResponseSpec

        @pytest.fixture(scope="module")
        def service(mock_http_server_factory):
            with mock_http_server_factory(name="service") as server:
                server.register("GET", "/a", ResponseSpec(status=201))
                yield server
            assert "closed" in repr(server)

        def test_first(service):
            assert get(service, "/a") == 201

        def test_second_sees_the_same_server(service):
            assert get(service, "/a") == 201
            assert service.request_count() == 2

        def test_several(service, mock_http_server, mock_http_server_factory):
            with mock_http_server_factory() as one, mock_http_server_factory() as other:
                assert len({service.port, mock_http_server.port, one.port, other.port}) == 4
        """,
    )

    suite.run().assert_outcomes(passed=3)


def test_unmatched_on_a_wider_server_is_charged_to_the_running_test(suite):
    """Only the test that was running fails; the fixture's own teardown does not report it again."""
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import ResponseSpec

        @pytest.fixture(scope="module")
        def service(mock_http_server_factory):
            with mock_http_server_factory() as server:
                server.register("GET", "/a", ResponseSpec(status=200))
                yield server

        def test_before(service):
            get(service, "/a")

        def test_asks(service):
            get(service, "/nowhere")

        def test_after(service):
            get(service, "/a")
        """,
    )

    result = suite.run("-rA")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["GET /nowhere matched no route.", "FAILED *::test_asks *"])


def test_expectations_on_a_wider_server_are_judged_where_it_ends(suite):
    """A missed expect() of a module's server fails in its fixture's teardown, not in each test before."""
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import ResponseSpec

        @pytest.fixture(scope="module")
        def service(mock_http_server_factory):
            with mock_http_server_factory() as server:
                server.register("GET", "/a", ResponseSpec(status=200)).expect(3)
                yield server

        @pytest.mark.parametrize("number", range(2))
        def test_one_call_each(service, number):
            get(service, "/a")
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_one_call_each?1?*", "E *GET /a: expected 3 calls, found 2 *"]
    )


def test_forgotten_server_is_closed_at_the_end_of_the_session(suite, monkeypatch):
    """A server nobody closes leaves no thread, no socket and no ResourceWarning, also when the run stops early."""
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    suite.write(
        "conftest.py",
        """
        import threading
        import warnings
        import psutil

        def pytest_unconfigure():
            assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
            assert not psutil.Process().net_connections()
        """,
    )
    suite.write(
        "test_user.py",
        """
        from api_simulator.http import ResponseSpec

        def test_forgets(mock_http_server_factory):
            server = mock_http_server_factory()
            server.register("GET", "/a", ResponseSpec(status=200))
            assert get(server, "/a") == 200

        def test_server_still_serves(mock_http_server_factory):
            mock_http_server_factory()
            raise AssertionError

        def test_not_reached():
            pass
        """,
    )

    result = suite.run("-x")

    result.assert_outcomes(passed=1, failed=1)
    assert result.errlines == []


def test_scope_mismatch_has_a_way_out(suite):
    """mock_http_server in a module's fixture is a ScopeMismatch; the factory in its place is not."""
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import ResponseSpec

        @pytest.fixture(scope="module")
        def too_narrow(mock_http_server):
            return mock_http_server

        def test_mismatch(too_narrow):
            pass

        @pytest.fixture(scope="module")
        def wide(mock_http_server_factory):
            with mock_http_server_factory() as server:
                yield server

        def test_way_out(wide):
            wide.register("GET", "/a", ResponseSpec(status=200))
            assert get(wide, "/a") == 200
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["ScopeMismatch: *mock_http_server*"])
