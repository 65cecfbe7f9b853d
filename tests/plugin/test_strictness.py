"""What fails a test, in which phase, with which words, and how to allow it."""

pytest_plugins = ["pytester"]


def test_unmatched_request_fails_the_call_phase_and_explains_itself(suite):
    """The test is FAILED, not an error; the text names the request, the nearest route, its line and what differs."""
    suite.write(
        "test_user.py",
        """
        from api_simulator.http import ResponseSpec, json_body

        def test_path(mock_http_server):
            mock_http_server.register("POST", "/v1/messages", ResponseSpec(status=200))
            assert send(mock_http_server, "POST", "/v1/mesages") == 404

        def test_body(mock_http_server):
            wanted = json_body({"model": "opus", "user": {"name": "ann"}})
            mock_http_server.register("POST", "/v1/messages", ResponseSpec(status=200), when=wanted)
            send(mock_http_server, "POST", "/v1/messages", json={"model": "opus", "user": {"name": "bob"}})

        def test_no_route(mock_http_server):
            get(mock_http_server, "/anything")
        """,
    )

    result = suite.run("-rA")

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "POST /v1/mesages matched no route.",
            "  nearest: POST /v1/messages (differs in path; registered at test_user.py:5)",
            '  add one with .register("POST", "/v1/mesages", MockResponseSpec(...))*',
            "*expect_unmatched(1)*strict=False*",
            "POST /v1/messages matched no route.",
            "  nearest: POST /v1/messages *(differs in body; registered at test_user.py:10)",
            '* $.user.name: expected "ann", found "bob"',
            "GET /anything matched no route.",
            "  no route is registered on this server.",
            "FAILED test_user.py::test_path - Failed: POST /v1/mesages matched no route.*",
        ]
    )
    # The verdict is about the traffic: lines of this package would only be in its way.
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_own_failure_stays_the_primary_one(suite):
    """A test that fails by itself shows its own reason first, and the traffic's in a section below."""
    suite.write(
        "test_user.py",
        """
        from api_simulator.http import ResponseSpec

        def test_user(mock_http_server):
            mock_http_server.register("GET", "/quota", ResponseSpec(status=200)).expect(3)
            assert get(mock_http_server, "/qouta") == 200
        """,
    )

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *assert 404 == 200",
            "*api-simulator: what else was wrong*",
            "GET /qouta matched no route.",
            "FAILED test_user.py::test_user - *assert 404 == 200",
        ]
    )
    # It did not come to its end, so what was expected by then says nothing.
    result.stdout.no_fnmatch_line("*expectation not met*")


def test_skipped_and_xfailed_tests_stay_so(suite):
    """Traffic does not turn a skip or an expected failure into a failure."""
    suite.write(
        "test_user.py",
        """
        import pytest

        def test_skips_itself(mock_http_server):
            get(mock_http_server, "/a")
            pytest.skip("not here")

        @pytest.fixture
        def skipping(mock_http_server):
            get(mock_http_server, "/a")
            pytest.skip("not here")

        def test_skipped_by_a_fixture(skipping):
            pass

        def test_xfails_itself(mock_http_server):
            get(mock_http_server, "/a")
            pytest.xfail("known")

        @pytest.mark.xfail(reason="known", strict=True)
        def test_fails_as_expected(mock_http_server):
            get(mock_http_server, "/a")
            raise AssertionError

        @pytest.mark.xfail(reason="the client asks for too much", strict=True)
        def test_traffic_is_the_expected_failure(mock_http_server):
            get(mock_http_server, "/a")
        """,
    )

    result = suite.run()

    result.assert_outcomes(skipped=2, xfailed=3)


def test_setup_and_teardown_answer_for_their_own_requests(suite):
    """Unmatched in a fixture's teardown is an error there; a set-up that fails is not blamed on the teardown too."""
    suite.write(
        "test_user.py",
        """
        import pytest

        @pytest.fixture
        def asks_in_teardown(mock_http_server):
            yield
            get(mock_http_server, "/goodbye")

        def test_teardown(asks_in_teardown):
            pass

        @pytest.fixture
        def fails_in_teardown(mock_http_server):
            yield
            assert get(mock_http_server, "/farewell") == 200

        def test_failing_teardown(fails_in_teardown):
            pass

        @pytest.fixture
        def fails_in_setup(mock_http_server):
            assert get(mock_http_server, "/hello") == 200

        def test_setup(fails_in_setup):
            pass

        @pytest.fixture
        def asks_in_setup(mock_http_server):
            get(mock_http_server, "/good-morning")

        def test_is_charged_with_its_setup(asks_in_setup):
            pass
        """,
    )

    result = suite.run("-rA")

    result.assert_outcomes(passed=2, failed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_teardown*",
            "during fixture teardown: GET /goodbye matched no route.",
            "*ERROR at teardown of test_failing_teardown*",
            "E *assert 404 == 200",
            "GET /farewell matched no route.",
            "*ERROR at setup of test_setup*",
            "E *assert 404 == 200",
            "*what else was wrong*",
            "GET /hello matched no route.",
            "*test_is_charged_with_its_setup*",
            "GET /good-morning matched no route.",
        ]
    )


def test_what_the_marker_a_number_or_a_server_allows(suite):
    """strict=False by marker or server forgives unmatched requests; expect_unmatched(n) forgives n, and only n."""
    suite.write(
        "test_user.py",
        """
        import pytest

        @pytest.mark.api_simulator(strict=False)
        def test_marker(mock_http_server):
            get(mock_http_server, "/a")
            assert len(mock_http_server.unmatched) == 1

        @pytest.mark.api_simulator(strict=False)
        def test_marker_counts_for_wider_servers(mock_http_server_factory):
            get(mock_http_server_factory(), "/a")

        def test_server(mock_http_server_factory):
            with mock_http_server_factory(strict=False) as server:
                get(server, "/a")

        def test_right_number(mock_http_server):
            mock_http_server.expect_unmatched(2)
            get(mock_http_server, "/a")
            get(mock_http_server, "/b")

        def test_looking_acknowledges_nothing(mock_http_server):
            get(mock_http_server, "/a")
            assert mock_http_server.unmatched[0].path == "/a"

        @pytest.mark.parametrize("number", [1, 3])
        def test_wrong_number(mock_http_server, number):
            mock_http_server.expect_unmatched(number)
            get(mock_http_server, "/a")
            get(mock_http_server, "/b")
        """,
    )

    result = suite.run("-rA")

    result.assert_outcomes(passed=4, failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "FAILED *::test_looking_acknowledges_nothing *",
            "expectation not met: expect_unmatched(1): found 2 unmatched requests",
            "expectation not met: expect_unmatched(3): found 2 unmatched requests",
        ]
    )


def test_what_the_run_allows(suite):
    """--api-simulator-strict and the ini option hold for all servers of the fixtures that say nothing themselves."""
    suite.write(
        "test_user.py",
        """
        import pytest

        def test_plain(mock_http_server):
            get(mock_http_server, "/a")

        def test_wider(mock_http_server_factory):
            with mock_http_server_factory() as server:
                get(server, "/a")

        @pytest.mark.api_simulator(strict=True)
        def test_strict_by_marker(mock_http_server):
            get(mock_http_server, "/marked")

        def test_strict_by_argument(mock_http_server_factory):
            server = mock_http_server_factory(strict=True)
            get(server, "/argued")
        """,
    )

    by_option = suite.run("--api-simulator-strict=no")
    by_ini = suite.run("-oapi_simulator_strict=false")
    option_over_ini = suite.run("-oapi_simulator_strict=false", "--api-simulator-strict=yes")

    for result in (by_option, by_ini):
        result.assert_outcomes(passed=2, failed=2)
        result.stdout.fnmatch_lines(["GET /marked matched no route.", "GET /argued matched no route."])
    option_over_ini.assert_outcomes(failed=4)


def test_other_failures_of_the_traffic(suite):
    """Missed calls, a used-up sequence, a responder or a predicate that raises fail the call phase, strict or not."""
    suite.write(
        "test_user.py",
        """
        import pytest
        from api_simulator.http import ResponseSpec, where

        pytestmark = pytest.mark.api_simulator(strict=False)

        def test_missed(mock_http_server):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200)).expect(2)
            get(mock_http_server, "/a")

        def test_met(mock_http_server):
            mock_http_server.register("GET", "/a", ResponseSpec(status=200)).expect(at_least=1, at_most=2)
            get(mock_http_server, "/a")

        def test_used_up(mock_http_server):
            mock_http_server.register_sequence("GET", "/b", [ResponseSpec(status=200)], then="error")
            assert [get(mock_http_server, "/b") for _ in range(2)] == [200, 500]

        def responder(request):
            raise KeyError("my-own-mistake")

        def test_responder(mock_http_server):
            mock_http_server.register("GET", "/c", responder)
            assert get(mock_http_server, "/c") == 500

        def test_predicate(mock_http_server):
            mock_http_server.register("GET", "/d", ResponseSpec(), when=where(responder))
            assert get(mock_http_server, "/d") == 500
        """,
    )

    result = suite.run("-rA")

    result.assert_outcomes(passed=1, failed=4)
    result.stdout.fnmatch_lines(
        [
            "expectation not met: GET /a: expected 2 calls, found 1 (registered at test_user.py:8)",
            "GET /b: the sequence of GET /b is used up*",
            "GET /c: the responder raised KeyError: 'my-own-mistake'",
            "*test_user.py*in responder",
            "GET /d: a condition of GET /d with predicate responder raised KeyError: 'my-own-mistake'*",
        ]
    )


def test_routes_that_are_never_called(suite):
    """They are listed when a test fails, silent when it passes, and failures with api_simulator_unused = fail."""
    suite.write(
        "test_user.py",
        """
        from api_simulator.http import ResponseSpec

        def test_passes(mock_http_server):
            mock_http_server.register("GET", "/never", ResponseSpec())

        def test_fails(mock_http_server):
            mock_http_server.register("GET", "/unused", ResponseSpec())
            raise AssertionError
        """,
    )

    listed = suite.run()
    failing = suite.run("-oapi_simulator_unused=fail")

    listed.assert_outcomes(passed=1, failed=1)
    listed.stdout.fnmatch_lines(["*api-simulator routes never called*", "GET /unused (registered at test_user.py:8)"])
    failing.assert_outcomes(failed=2)
    failing.stdout.fnmatch_lines(["route never called: GET /never (registered at test_user.py:5)"])
