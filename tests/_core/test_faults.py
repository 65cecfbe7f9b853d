"""Faults as values: which there are, and which combinations would break nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.faults import Fault, Stalled, Truncated, WrongLength, checked_fault
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.streams import chunks
from api_simulator.errors import SpecError

#: The names that WireMock gave, because people search for them.
WIREMOCK = {"EMPTY_RESPONSE", "MALFORMED_RESPONSE_CHUNK", "RANDOM_DATA_THEN_CLOSE", "CONNECTION_RESET_BY_PEER"}


def test_the_names_of_wiremock_are_there():
    assert set(Fault.__members__) >= WIREMOCK


@pytest.mark.parametrize("fault", Fault)
def test_a_name_stands_for_its_fault(fault):
    assert checked_fault(fault.name) is checked_fault(fault) is fault


@pytest.mark.parametrize("fault", [Truncated(1), WrongLength(-1), Stalled(), None])
def test_faults_with_numbers_are_faults(fault):
    assert checked_fault(fault) is fault


@pytest.mark.parametrize("fault", ["RESET", "hang", 7, True, Fault])
def test_other_things_are_refused_with_the_names_there_are(fault):
    with pytest.raises(SpecError, match=r"^fault: expected one of CONNECTION_RESET_BY_PEER, .*stalled\(\); got"):
        checked_fault(fault)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Truncated(-1), "truncated: after is a whole number of bytes, 0 or more; got -1"),
        (lambda: Truncated(True), "truncated: after is a whole number of bytes, 0 or more; got True"),
        (lambda: Stalled(0.5), "stalled: after is a whole number of bytes, 0 or more; got 0.5"),  # type: ignore[arg-type]  # refused is the claim
        (lambda: WrongLength(0), "wrong_length: by is a whole number of bytes other than 0, got 0"),
        (lambda: WrongLength("1"), "wrong_length: by is a whole number of bytes other than 0, got '1'"),  # type: ignore[arg-type]  # refused is the claim
    ],
    ids=["negative", "bool", "fraction", "zero", "text"],
)
def test_numbers_that_make_no_sense_are_refused(make, complaint):
    with pytest.raises(SpecError) as raised:
        make()

    assert str(raised.value) == complaint


# A fault that would leave the answer whole is refused: the test would go on with a good answer


@pytest.mark.parametrize(
    ("body", "fault", "complaint"),
    [
        ("abc", Truncated(3), "would send the whole body, which has 3 bytes"),
        ("", Truncated(0), "would send the whole body, which has 0 bytes"),
        ("abc", Stalled(4), "would send the whole body, which has 3 bytes"),
        ("abc", WrongLength(-4), "makes the length negative, the body has 3 bytes"),
    ],
)
def test_a_fault_of_the_body_that_does_not_fit_the_body_is_refused(body, fault, complaint):
    with pytest.raises(SpecError) as raised:
        ResponseSpec(body=body, fault=fault)

    assert complaint in str(raised.value)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("fault", [Truncated(0), Stalled(), WrongLength(1)])
def test_an_answer_that_can_have_no_body_has_none_to_break(status, fault):
    with pytest.raises(SpecError, match=rf"a {status} answer has no body"):
        ResponseSpec(status, fault=fault)


@given(
    st.one_of(
        st.builds(Truncated, st.integers(0, 10_000)),
        st.builds(Stalled, st.integers(0, 10_000)),
        st.builds(WrongLength, st.integers(-10_000, 10_000).filter(bool)),
    )
)
def test_without_a_body_there_is_one_long_enough(fault):
    spec = ResponseSpec(fault=fault)

    assert len(spec.content) > (fault.after if not isinstance(fault, WrongLength) else -fault.by)


@pytest.mark.parametrize("fault", [Fault.BAD_GZIP, Fault.SILENT_CLOSE, Truncated(1), Stalled(), WrongLength(1)])
def test_a_body_in_pieces_takes_no_fault_that_needs_all_of_it(fault):
    with pytest.raises(SpecError, match="changes a body that is known at once"):
        ResponseSpec(body=chunks("a"), fault=fault)


@pytest.mark.parametrize(
    "fault", [Fault.CONNECTION_RESET_BY_PEER, Fault.EMPTY_RESPONSE, Fault.HANG, Fault.GARBAGE_STATUS_LINE]
)
def test_a_body_in_pieces_may_not_come_at_all(fault):
    assert ResponseSpec(body=chunks("a"), fault=fault).fault is fault
