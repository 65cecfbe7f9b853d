"""Durations: what may be one, what is drawn, and that a draw depends on seed, route and call alone."""

import math
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.actions import Wait
from api_simulator._core.delays import LogNormal, Normal, Uniform, checked_delay, sampled_ms
from api_simulator._core.patterns import RequestPattern, parse_path
from api_simulator._core.routes import Answers, Route
from api_simulator._core.simulation import Simulation
from api_simulator._core.specs import ResponseSpec
from api_simulator.errors import SpecError
from tests._core.captured import captured

milliseconds = st.floats(0, 1e6)


@given(milliseconds, milliseconds, st.integers())
def test_uniform_draws_lie_between_its_ends(one, other, seed):
    low, high = sorted((one, other))

    assert math.floor(low) <= Uniform(low, high).sample_ms(Random(seed)) <= math.ceil(high)


@given(
    st.one_of(
        st.builds(Normal, milliseconds, milliseconds),
        st.builds(LogNormal, st.floats(0.001, 1e6), st.floats(0, 10)),
    ),
    st.integers(),
)
def test_every_draw_is_a_whole_number_not_below_zero(delay, seed):
    drawn = delay.sample_ms(Random(seed))

    assert type(drawn) is int
    assert drawn >= 0


@pytest.mark.parametrize(
    ("delay", "median", "share_below_half"),
    [(Uniform(0, 1000), 500, 0.25), (Normal(500, 100), 500, 0.006), (LogNormal(500, 1), 500, 0.244)],
    ids=["uniform", "normal", "log-normal"],
)
def test_draws_follow_their_distribution(delay, median, share_below_half):
    """Median, and the share below half of it: the three differ in that."""
    random = Random(1)

    drawn = [delay.sample_ms(random) for _ in range(20_000)]

    assert statistics.median(drawn) == pytest.approx(median, rel=0.03)
    assert sum(each < median / 2 for each in drawn) / len(drawn) == pytest.approx(share_below_half, abs=0.01)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Uniform(2, 1), "uniform: low_ms=2 is more than high_ms=1"),
        (lambda: Uniform(-1, 1), "uniform: low_ms is a number, 0 or more; got -1"),
        (lambda: Uniform(0, math.inf), "uniform: high_ms is a number"),
        (lambda: Normal(math.nan, 1), "normal: mean_ms is a number"),
        (lambda: Normal(1, True), "normal: deviation_ms is a number, 0 or more; got True"),
        (lambda: LogNormal(0, 1), "log_normal: median_ms must be more than 0"),
        (lambda: LogNormal(1, "wide"), "log_normal: sigma is a number, 0 or more; got 'wide'"),  # type: ignore[arg-type]  # refused is the claim
        (lambda: LogNormal(1, 11), "log_normal: sigma=11 is more than 10"),
    ],
    ids=["backwards", "negative", "infinite", "not a number", "bool", "zero median", "text", "wider than a float"],
)
def test_distributions_that_make_no_sense_are_refused(make, complaint):
    with pytest.raises(SpecError) as raised:
        make()

    assert complaint in str(raised.value)


@pytest.mark.parametrize("delay", [0, 1, 10**6, Uniform(1, 2)])
def test_whole_milliseconds_and_distributions_are_delays(delay):
    assert checked_delay(delay) == delay


@pytest.mark.parametrize("delay", [-1, 0.5, "1", None, True, (1, 2)])
def test_anything_else_is_no_delay(delay):
    with pytest.raises(SpecError, match=r"^pause: expected"):
        checked_delay(delay, "pause")


def test_a_fixed_delay_is_itself():
    assert sampled_ms(7, Random(0)) == 7


# Seeds


def waits(seed, order):
    """Return the waits that the calls in *order* (paths) get from a simulation with that seed, by path."""
    simulation = Simulation(seed=seed, strict=False)
    for path in ("/a", "/b"):
        spec = ResponseSpec(body="x", delay_ms=Uniform(1, 10**9))
        simulation.mount(Route(RequestPattern("GET", *parse_path(path)), Answers((spec,))))
    drawn: dict[str, list[int]] = {"/a": [], "/b": []}
    for path in order:
        decision = simulation.receive(captured("GET", path))
        if path in drawn:
            first = decision.actions[0]
            assert isinstance(first, Wait)
            drawn[path].append(first.milliseconds)
    return drawn


@given(st.integers(), st.permutations(["/a"] * 3 + ["/b"] * 3 + ["/nothing"] * 2))
def test_the_same_seed_gives_the_same_delays_however_requests_interleave(seed, order):
    assert waits(seed, order) == waits(seed, sorted(order))


def test_calls_routes_and_seeds_draw_apart():
    first, second = waits(1, ["/a", "/a", "/b", "/b"]), waits(2, ["/a", "/a", "/b", "/b"])

    assert len({*first["/a"], *first["/b"], *second["/a"], *second["/b"]}) == 8
