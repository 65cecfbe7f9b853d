"""What is open: in order, once, and not kept alive after it was closed."""

import gc

import pytest

from api_simulator._core import live


class Source:
    """Something with a timeline."""

    def close(self):
        pass

    def timeline(self):
        return []


class OtherSource(Source):
    """Another kind of it."""


def mine(sources):
    """Return the sources of this file: the run's own servers may be open too."""
    return [source for source in sources if isinstance(source, Source)]


@pytest.fixture
def opened():
    """A function that opens a source, closed at the end of the test."""
    sources = []

    def open_one(source):
        sources.append(source)
        live.opened(source)
        return source

    yield open_one
    for source in sources:
        live.closed(source)


def test_open_sources_are_listed_in_the_order_of_their_opening(opened):
    first, second = opened(Source()), opened(Source())

    assert mine(live.everything())[-2:] == [first, second]


def test_sources_can_be_had_by_their_kind(opened):
    opened(Source())
    other = opened(OtherSource())

    assert live.of_type(OtherSource) == [other]


def test_opening_twice_and_closing_twice_change_nothing(opened):
    source = opened(OtherSource())
    live.opened(source)
    assert live.of_type(OtherSource) == [source]

    live.closed(source)
    live.closed(source)

    assert live.of_type(OtherSource) == []


def test_a_closed_source_is_still_listed_while_somebody_refers_to_it(opened):
    source = opened(OtherSource())

    live.closed(source)

    assert live.of_type(OtherSource) == []
    assert source in live.everything()


def test_a_closed_source_is_not_kept_alive():
    source = OtherSource()
    live.opened(source)
    live.closed(source)

    del source
    gc.collect()

    assert not [known for known in live.everything() if isinstance(known, OtherSource)]


@pytest.mark.parametrize("reopened", [1, 2])
def test_a_source_that_is_opened_again_is_listed_once(opened, reopened):
    """A context that is entered twice must not tell its events twice."""
    source = Source()
    for _ in range(reopened):
        opened(source)
        live.closed(source)
    opened(source)

    assert live.everything().count(source) == 1

    live.closed(source)

    assert live.everything().count(source) == 1
