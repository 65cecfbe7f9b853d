"""
What a claim asks of an HTTP client: few calls, blocking, the same whatever is underneath.

The adapters of this folder put real clients behind it, so that each claim is written once. A client
that cannot do something says so under :data:`Capability`; the claim is then skipped by that reason.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias

import pytest

Capability: TypeAlias = Literal["keep-alive", "wait-for-continue"]

#: Longer than any machine takes for what must happen; reached only when a claim is false.
PATIENCE_S = 30.0
#: What a client waits that is meant to give up.
SHORT_S = 0.2


class Answer(NamedTuple):
    """
    A final answer as its client shows it.

    Attributes:
        headers: By name in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client(ABC):
    """
    A real client, to be used in a ``with`` block.

    Attributes:
        timeout_error: What it raises when an answer takes longer than it was told to wait.

        cannot: What it cannot do, and why.
    """

    timeout_error: type[BaseException]
    cannot: ClassVar[Mapping[Capability, str]] = {}

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:  # noqa: B027  # a client without a session has nothing to open
        """Start what lasts over several requests."""

    def close(self) -> None:  # noqa: B027  # see open
        """Close every connection."""

    @abstractmethod
    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        """Send a request and return the final answer, or raise :attr:`timeout_error`."""

    @abstractmethod
    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        """POST *value* in the client's own way of sending JSON, if it has one."""

    def send_in_a_row(
        self, requests: Sequence[tuple[str, str]], *, headers: Mapping[str, str] | None = None
    ) -> list[Answer]:
        """Send requests given as method and path one after the other, on one connection if the client can."""
        return [self.send(method, path, headers=headers) for method, path in requests]

    def send_after_continue(self, path: str, body: bytes) -> Answer:
        """POST *body* once the server has sent ``100 Continue``, and not before."""
        raise NotImplementedError(self.cannot["wait-for-continue"])

    @abstractmethod
    def leave_inside_upload(self, path: str, part: bytes) -> None:
        """Send the head of a POST and *part* of its body, then go away."""

    def leave_before_answer(self, path: str, arrived: Callable[[], object]) -> None:
        """GET *path*, whose answer takes long, and go away after *arrived* has returned."""
        # A blocking call cannot be cancelled: the one way to leave it is its timeout.
        with pytest.raises(self.timeout_error):
            self.send("GET", path, timeout_s=SHORT_S)
        arrived()


def needs(client: Client, capability: Capability) -> None:
    """Skip the running test if *client* cannot do that, with the reason."""
    reason = client.cannot.get(capability)
    if reason is not None:
        pytest.skip(f"{capability}: {reason}")


class GoneAwayError(Exception):
    """Raised inside an upload to make its client give up."""


def breaking_off(part: bytes) -> Iterator[bytes]:
    """Yield *part* as the beginning of a body that never ends."""
    yield part
    raise GoneAwayError


def until(condition: Callable[[], object], what: str) -> None:
    """Return when *condition* is true, or fail naming *what* was waited for."""
    # The journal announces requests but not how they ended, so there is no event to wait for.
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.002)
