"""What a requirement is, and the mark that ties a test to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

#: What only some engines can do; an engine that lacks one skips the tests of requirements that need it.
CAPABILITIES = {
    "socket": "serves on a port that any client can connect to",
    "raw-bytes": "the bytes of answers can be seen and broken",
    "parser": "gets requests as bytes, which may come in pieces, be cut short, or be no HTTP",
    "http-10": "has clients that speak HTTP/1.0",
    "half-close": "a connection has two directions, each of which can end by itself",
}


@dataclass(frozen=True)
class Requirement:
    """
    One behaviour of the HTTP side.

    Attributes:
        id: ``theme:part:case``, for instance ``sequence:end:last-repeats``.

        text: The sentence that holds.

        source: Where it comes from: a section of an RFC, a program, or ``ours``.

        needs: Names of :data:`CAPABILITIES`.

        deviations: For engines that are known to differ: the engine's name and the reason.
    """

    id: str
    text: str
    source: str = "ours"
    needs: tuple[str, ...] = ()
    deviations: dict[str, str] = field(default_factory=dict)


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Tie a test to the requirements that it proves."""
    return pytest.mark.requirement(*ids)
