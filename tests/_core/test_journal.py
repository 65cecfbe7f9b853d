"""The journal: bounds, counts that stay exact, queries that refuse to guess, waiting."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_simulator._core.journal import MAX_COUNTED_PAIRS, MAX_MALFORMED, Journal
from api_simulator._core.messages import CapturedRequest, MalformedRequest
from api_simulator.errors import JournalOverflowError, RouteError, WaitTimeoutError
from tests._core.captured import captured


def record(journal, *args, **more):
    request = captured(*args, **more)
    with journal.changed:
        journal.record(request)
    return request


@pytest.fixture
def journal():
    return Journal()


def test_requests_are_numbered_from_one_in_the_order_of_their_arrival(journal):
    first, second = record(journal, target="/a"), record(journal, target="/b")

    assert (first.number, second.number) == (1, 2)
    assert journal.requests() == [first, second]


@pytest.mark.parametrize(
    ("method", "path", "targets"),
    [
        (None, None, ["/a", "/a?x=1", "/a%20b", "/a"]),
        ("*", None, ["/a", "/a?x=1", "/a%20b", "/a"]),
        ("get", None, ["/a", "/a?x=1"]),
        ("POST", "/a", ["/a"]),
        (None, "/a", ["/a", "/a?x=1", "/a"]),
        (None, "/a b", ["/a%20b"]),
        (None, "/a%20b", ["/a%20b"]),
        (None, "/a?x=1", ["/a?x=1"]),
        (None, "/a?x=2", []),
        (None, "/a?", ["/a", "/a"]),
        ("GET", "/a?", ["/a"]),
        ("DELETE", None, []),
        (None, "/nothing", []),
    ],
)
def test_a_filter_asks_for_method_decoded_path_and_exact_query(journal, method, path, targets):
    for name, target in [("GET", "/a"), ("GET", "/a?x=1"), ("PUT", "/a%20b"), ("POST", "/a")]:
        record(journal, name, target)

    assert [request.raw_target for request in journal.requests(method, path)] == targets
    assert journal.count(method, path) == len(targets)


def test_a_filter_that_is_no_method_is_refused(journal):
    with pytest.raises(RouteError, match="method: expected an HTTP method"):
        journal.requests("GET /a")


# Bounds


def test_the_oldest_requests_are_dropped_beyond_the_bound_of_entries():
    journal = Journal(max_entries=2)

    for number in range(5):
        record(journal, target=f"/{number}")

    assert [request.path for request in journal.kept()] == ["/3", "/4"]
    assert journal.dropped == 3


def test_the_oldest_requests_are_dropped_beyond_the_bound_of_bytes():
    journal = Journal(max_body_bytes=10)

    for size in [4, 6, 1]:
        record(journal, "POST", "/", bytes(size))

    assert [len(request.raw_body) for request in journal.kept()] == [6, 1]


def test_the_newest_request_is_kept_however_large_it_is():
    journal = Journal(max_body_bytes=10)
    record(journal)

    largest = record(journal, "POST", "/", bytes(1000))

    assert journal.kept() == [largest]


def test_counts_are_exact_after_requests_were_dropped():
    journal = Journal(max_entries=1)
    for method, path in [("GET", "/a"), ("GET", "/b"), ("POST", "/a"), ("GET", "/a")]:
        record(journal, method, path)

    assert journal.count() == 4
    assert journal.count("GET") == 3
    assert journal.count(None, "/a") == 3
    assert journal.count("GET", "/a") == 2
    assert journal.count("PUT") == 0


def test_a_query_that_would_need_a_dropped_request_raises_and_names_the_options():
    journal = Journal(max_entries=2, max_body_bytes=99)
    for path in ["/a", "/b", "/b"]:
        record(journal, target=path)

    assert len(journal.requests(path="/b")) == 2
    for query in [lambda: journal.requests(), lambda: journal.requests("GET"), lambda: journal.requests(None, "/a")]:
        with pytest.raises(
            JournalOverflowError,
            match=r"1 of 3 requests were dropped .*journal_entries=2, journal_body_bytes=99.*request_count\(\)",
        ):
            query()


def test_a_filter_by_query_raises_once_anything_was_dropped():
    """Counts are kept by method and path only: nothing tells whether a dropped request had that query."""
    journal = Journal(max_entries=1)
    record(journal, target="/a?x=1")
    record(journal, target="/a?x=2")

    with pytest.raises(JournalOverflowError, match=r"requests \(/a\?x=2\): 1 of 2"):
        journal.count(None, "/a?x=2")


def test_a_query_that_matches_nothing_is_empty_however_much_was_dropped():
    journal = Journal(max_entries=1)
    for _ in range(3):
        record(journal)

    assert journal.requests("POST") == []
    assert journal.count("POST") == 0


@pytest.fixture(scope="module")
def many_pairs():
    """A journal that saw more pairs of method and path than are counted, and dropped nothing."""
    return _with_many_pairs(Journal(max_entries=MAX_COUNTED_PAIRS + 5))


@pytest.fixture(scope="module")
def many_pairs_dropped():
    """The same with most requests dropped."""
    return _with_many_pairs(Journal(max_entries=10))


def _with_many_pairs(journal):
    for number in range(MAX_COUNTED_PAIRS + 5):
        record(journal, target=f"/{number}")
    return journal


def test_requests_beyond_the_counted_pairs_are_counted_themselves_while_none_is_dropped(many_pairs):
    assert many_pairs.count("GET") == MAX_COUNTED_PAIRS + 5
    assert many_pairs.count("GET", f"/{MAX_COUNTED_PAIRS + 1}") == 1
    assert many_pairs.count("GET", "/0") == 1


def test_the_total_and_counted_pairs_stay_exact_beyond_the_number_of_counted_pairs(many_pairs_dropped):
    assert many_pairs_dropped.count() == MAX_COUNTED_PAIRS + 5
    assert many_pairs_dropped.count("GET", "/0") == 1


def test_every_method_is_the_total_beyond_the_number_of_counted_pairs(many_pairs_dropped):
    """``"*"`` asks for all, as None does: that number is known for ever."""
    assert many_pairs_dropped.count("*") == MAX_COUNTED_PAIRS + 5


@pytest.mark.parametrize("query", [("GET", f"/{MAX_COUNTED_PAIRS + 1}"), ("GET", None), (None, "/0")])
def test_what_was_neither_counted_nor_kept_raises(many_pairs_dropped, query):
    with pytest.raises(JournalOverflowError, match="were dropped from the journal"):
        many_pairs_dropped.count(*query)


def test_clear_forgets_requests_counts_and_malformed_input():
    journal = Journal(max_entries=1)
    record(journal, "POST", "/", b"abc")
    record(journal)
    journal.record_malformed(MalformedRequest(b"x", "bad", connection_id=1, received_ns=0))

    journal.clear()

    assert journal.count() == journal.count("POST") == journal.dropped == 0
    assert journal.requests() == []
    assert list(journal.malformed) == []
    assert record(journal).number == 1


def test_the_last_thousand_malformed_inputs_are_kept(journal):
    for number in range(MAX_MALFORMED + 3):
        journal.record_malformed(MalformedRequest(b"", str(number), connection_id=1, received_ns=0))

    assert len(journal.malformed) == MAX_MALFORMED
    assert journal.malformed[0].error == "3"


def test_every_query_drains_the_engine_first():
    drained: list[str] = []
    journal = Journal(drain=lambda: drained.append("drained"))

    for query in (journal.count, journal.requests, journal.kept, lambda: journal.select(bool, 0, "")):
        drained.clear()
        query()
        assert drained, f"{query} did not drain"


_recorded = st.tuples(
    st.sampled_from(["GET", "POST"]), st.sampled_from(["/a", "/b", "/c?x=1", "/c?x=2"]), st.integers(0, 30)
)
_steps = st.lists(_recorded | st.just("clear"), max_size=30)
_filters = [
    (method, path)
    for method in (None, "*", "GET", "post")
    for path in (None, "/a", "/b", "/c", "/c?x=1", "/c?", "/none")
]


@given(_steps, st.integers(1, 6), st.integers(1, 60))
@settings(max_examples=200)
def test_the_journal_agrees_with_a_model_that_keeps_everything(steps, max_entries, max_body_bytes):
    """A count is right or refused, a list is whole or refused; refused is only what was dropped."""
    journal = Journal(max_entries, max_body_bytes)
    model: list[CapturedRequest] = []
    kept: list[CapturedRequest] = []
    for step in steps:
        if step == "clear":
            journal.clear()
            model.clear()
            kept.clear()
        else:
            model.append(record(journal, step[0], step[1], bytes(step[2])))
            kept.append(model[-1])
            while len(kept) > 1 and (
                len(kept) > max_entries or sum(len(request.raw_body) for request in kept) > max_body_bytes
            ):
                kept.pop(0)

    assert journal.kept() == kept
    for method, path in _filters:
        expected = [request for request in model if _matches(request, method, path)]
        by_query = path is not None and "?" in path
        try:
            assert journal.count(method, path) == len(expected)
        except JournalOverflowError:
            assert by_query
            assert journal.dropped
        try:
            assert journal.requests(method, path) == expected
        except JournalOverflowError:
            assert by_query or any(request not in kept for request in expected)


def _matches(request, method, path):
    raw_path, has_query, query = (path or "").partition("?")
    return (
        method in (None, "*", request.method, request.method.lower())
        and (path is None or raw_path == request.path)
        and (not has_query or query == request.query_string)
    )


# Waiting


def test_waiting_returns_at_once_what_is_there(journal):
    first = record(journal)

    assert journal.wait(1, timeout_s=0) == [first]


def test_waiting_ends_with_the_request_that_was_missing(journal):
    record(journal, target="/a")
    late = threading.Timer(0.05, lambda: [record(journal, target="/b"), record(journal, target="/a")])
    late.start()

    got = journal.wait(2, timeout_s=30, path="/a")

    assert [request.path for request in got] == ["/a", "/a"]
    late.join()


def test_a_wait_that_is_too_long_says_what_arrived(journal):
    for number in range(12):
        record(journal, target=f"/{number}?q")

    with pytest.raises(WaitTimeoutError) as raised:
        journal.wait(2, timeout_s=0.01, method="GET", path="/7")

    message = str(raised.value)
    assert message.startswith("waited 0.01 s for 2 requests (GET /7), 1 arrived; the last requests were:\n")
    assert "#12 GET /11?q" in message
    assert "#2 GET" not in message


def test_a_wait_during_which_nothing_arrived_says_so(journal):
    with pytest.raises(WaitTimeoutError, match=r"waited 0 s for 1 requests, 0 arrived; no request arrived at all"):
        journal.wait(1, timeout_s=0)


def test_a_wait_timeout_is_a_timeout_error(journal):
    with pytest.raises(TimeoutError):
        journal.wait(1, timeout_s=0)


def test_waiting_for_a_condition_looks_again_when_it_is_woken(journal):
    request = record(journal)

    def answer():
        request.answered_ns = 1
        journal.wake_waiters()

    threading.Timer(0.05, answer).start()

    assert journal.wait_until(lambda: request.answered_ns, timeout_s=30)


def test_waiting_for_a_condition_looks_again_after_malformed_input(journal):
    malformed = MalformedRequest(b"x", "bad", connection_id=1, received_ns=0)
    threading.Timer(0.05, lambda: journal.record_malformed(malformed)).start()

    assert journal.wait_until(lambda: journal.malformed, timeout_s=30)


def test_waiting_for_a_condition_says_when_it_never_held(journal):
    assert not journal.wait_until(lambda: False, timeout_s=0.01)


def test_a_cancelled_wait_ends_when_it_is_woken(journal):
    cancelled = threading.Event()
    ended = threading.Event()

    def wait():
        journal.wait(1, timeout_s=60, cancelled=cancelled.is_set)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    cancelled.set()
    journal.wake_waiters()

    assert ended.wait(30)
    thread.join()


def test_a_wait_for_requests_that_were_dropped_is_refused(journal):
    journal = Journal(max_entries=1)
    record(journal)
    record(journal)

    with pytest.raises(JournalOverflowError):
        journal.wait(2, timeout_s=1)


def test_records_from_many_threads_are_all_counted(journal):
    def work():
        for _ in range(200):
            record(journal)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert journal.count() == 1600
    assert [request.number for request in journal.requests()] == list(range(1, 1601))


def test_requests_that_were_dropped_elsewhere_are_counted():
    journal = Journal()
    with journal.changed:
        journal.count_dropped("GET", "/a", 3)
        journal.count_dropped("GET", "/b", 1)

    assert (journal.count(), journal.count("GET", "/a"), journal.count("GET"), journal.dropped) == (4, 3, 4, 4)


def test_a_total_needs_nothing_to_be_handed_over():
    drained = []
    journal = Journal(drain=lambda: drained.append(1))
    journal.undrained = lambda: 7

    assert journal.count() == 7
    assert drained == []
    journal.undrained = lambda: None
    assert journal.count() == 0
    assert drained == [1]


def test_who_waits_is_told():
    told: list[bool] = []
    journal = Journal()
    journal.attended = told.append

    journal.wait_until(lambda: True, timeout_s=1)

    assert told == [True, False]
