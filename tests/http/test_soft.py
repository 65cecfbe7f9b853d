"""Soft checks: all of them run, and what failed is told once."""

import pytest

from api_simulator.errors import VerificationError
from api_simulator.http import soft_checks


def fail(text):
    raise AssertionError(text)


def run(*checks):
    """Run checks, each a function with its arguments, softly."""
    with soft_checks() as check:
        for function, *arguments in checks:
            check(function, *arguments)


def test_checks_that_hold_raise_nothing():
    run((max, 1, 2), (str, "x"))


def test_no_checks_raise_nothing():
    run()


def test_every_failure_is_told_in_its_order():
    seen: list[str] = []

    with pytest.raises(VerificationError) as caught:
        run((fail, "first"), (seen.append, "between"), (fail, "second\nwith a line"), (seen.append, "after"))

    assert seen == ["between", "after"]
    assert str(caught.value) == "2 checks failed:\n1. first\n2. second\nwith a line"


def test_a_failure_is_an_assertion_error():
    with pytest.raises(AssertionError, match="checks failed"):
        run((fail, "x"))


def test_a_failure_without_text_is_still_named():
    with pytest.raises(VerificationError, match=r"1\. AssertionError\(''\)"):
        run((fail, ""))


def test_arguments_are_passed_on():
    got = []

    with soft_checks() as check:
        check(lambda *args, **options: got.append((args, options)), 1, 2, three=3)

    assert got == [((1, 2), {"three": 3})]


def test_an_error_that_is_no_failed_check_ends_the_block():
    with pytest.raises(LookupError):
        run((fail, "x"), ([].__getitem__, 0), (fail, "never reached"))


def test_an_error_of_the_block_itself_is_not_replaced():
    def block():
        with soft_checks() as check:
            check(fail, "x")
            raise LookupError("of the block")

    with pytest.raises(LookupError, match="of the block"):
        block()


def test_blocks_may_stand_in_blocks():
    def inner():
        run((fail, "inside"))

    with pytest.raises(VerificationError, match=r"1 checks failed:\n1\. 1 checks failed:\n1\. inside"):
        run((inner,))
