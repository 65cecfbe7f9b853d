"""
Soft checks: run all of them, then fail once with everything that was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from api_simulator.errors import VerificationError

Check = Callable[..., None]


@contextmanager
def soft_checks() -> Iterator[Check]:
    """
    Collect failed checks and raise them together at the end of the block.

    ``check(function, *args, **kwargs)`` calls *function* and keeps what it raises as an
    ``AssertionError``; anything else goes through at once.

    Raises:
        VerificationError: At the end of the block, if a check failed.
    """
    failures: list[str] = []

    def check(function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except AssertionError as error:
            failures.append(str(error) or repr(error))

    yield check
    if failures:
        numbered = [f"{place}. {text}" for place, text in enumerate(failures, start=1)]
        raise VerificationError(f"{len(failures)} checks failed:\n" + "\n".join(numbered))
