"""
Was the traffic what the test said it would be: the half of the public server that judges.
"""

from __future__ import annotations

from api_simulator._core.connections import ConnectionStats
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.simulation import Simulation
from api_simulator._core.timing import described, max_in_flight
from api_simulator._core.verify import VerificationReport
from api_simulator.errors import RouteError, VerificationError


class Verification:
    """Judges the simulation of the class that it is mixed into."""

    simulation: Simulation

    @property
    def connections(self) -> ConnectionStats:
        """Connections opened since the start or the last reset, still open, and how many requests re-used one."""
        return self.simulation.connection_stats()

    @property
    def max_in_flight(self) -> int:
        """How many requests were being answered at the same time, at most."""
        return max_in_flight(self.simulation.journal.requests(), self.simulation.clock.now_ns())

    def expect_unmatched(self, n: int) -> None:
        """Say that exactly *n* requests will match no route: they are no failure then, other numbers are."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise RouteError(f"expect_unmatched: expected a whole number, 0 or more, got {n!r}")
        self.simulation.expect_unmatched(n)

    def verdict(self, *, expectations: bool = True, since_ns: int = 0) -> VerificationReport:
        """
        Judge the traffic so far without raising.

        Args:
            expectations: Whether call counts and unused routes are judged too.

            since_ns: Leave out problems of requests received before, by ``time.monotonic_ns()``.
        """
        return self.simulation.verdict(expectations=expectations, since_ns=since_ns)

    def verify(self) -> None:
        """
        Raise if the traffic was not as expected.

        A request without a proper answer is reported once; call counts are judged anew each time.

        Raises:
            NoRouteError: If requests matched no route.

            VerificationError: If a call count, a sequence or a responder failed.
        """
        self.verdict().raise_if_failed()

    def assert_order(self, *routes: MountedRoute) -> None:
        """
        Check that *routes* were called in this order, each after the one before; other calls may come in between.

        Raises:
            VerificationError: If not; the message lists the requests.
        """
        __tracebackhide__ = True
        requests = self.simulation.journal.requests()
        position = -1
        for route in routes:
            places = [place for place, request in enumerate(requests) if request.route is route]
            after = [place for place in places if place > position]
            if not after:
                missing = "was not called" if not places else "was only called earlier"
                lines = "".join(f"\n  {line}" for line in described(requests))
                wanted = ", then ".join(str(each.route) for each in routes)
                raise VerificationError(f"order: expected {wanted}; {route.route} {missing}{lines}")
            position = after[0]

    def assert_max_in_flight(self, n: int) -> None:
        """Check that never more than *n* requests were being answered at the same time."""
        __tracebackhide__ = True
        found = self.max_in_flight
        if found > n:
            lines = "".join(f"\n  {line}" for line in described(self.simulation.journal.requests()))
            raise VerificationError(f"expected at most {n} requests in flight, found {found}{lines}")

    def assert_connections(
        self, *, opened_at_most: int | None = None, reused_at_least: int | None = None, open_at_most: int | None = None
    ) -> None:
        """
        Check how the client used its connections.

        Args:
            opened_at_most: So many connections were opened, or fewer.

            reused_at_least: So many requests, or more, came on a connection that was there already.

            open_at_most: So many are still open, or fewer; waits a moment for those being closed.

        Raises:
            VerificationError: If that is not so.
        """
        __tracebackhide__ = True
        if open_at_most is not None:
            self.simulation.journal.wait_until(lambda: self.connections.open <= open_at_most, timeout_s=1.0)
        stats = self.connections
        checks = (
            (opened_at_most is not None and stats.opened > opened_at_most, f"at most {opened_at_most} opened"),
            (reused_at_least is not None and stats.reused < reused_at_least, f"at least {reused_at_least} re-used"),
            (open_at_most is not None and stats.open > open_at_most, f"at most {open_at_most} still open"),
        )
        problems = [text for failed, text in checks if failed]
        if problems:
            raise VerificationError(f"connections: expected {', '.join(problems)}; found {stats}")
