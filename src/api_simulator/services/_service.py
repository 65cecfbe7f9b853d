"""
What every fake service is: routes on a server, settings, state under a lock, and its view of the journal.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.routes import Answer
from api_simulator._core.specs import ResponseSpec
from api_simulator.errors import OptionError
from api_simulator.http import MockHttpServer
from api_simulator.services._settings import read_settings

SettingsT = TypeVar("SettingsT")


class Service(ABC, Generic[SettingsT]):
    """
    A fake service on a server.

    A subclass says its ``name`` and ``settings_type`` (a frozen dataclass with defaults, :class:`NoSettings` if it has
    none), makes its state in :meth:`begin` and registers its routes in :meth:`mount`. Responders run on worker threads,
    several at a time: they touch the state inside ``with self.lock`` and do nothing in there that may block.

    Args:
        server: Where its routes are registered; several services may share one.

        settings: As keywords.

    Raises:
        OptionError: If there is no such setting, or it takes no such value.
    """

    #: What it is called in the catalogue, in errors and in reports.
    name: ClassVar[str]
    #: The dataclass of its settings.
    settings_type: ClassVar[type[Any]]

    def __init__(self, server: MockHttpServer, **settings: object) -> None:
        self.settings: SettingsT = self.read_settings(settings)
        self.server = server
        self.lock = threading.RLock()
        self._routes: list[MountedRoute] = []
        self._advanced_ns = 0
        self._since_ns = 0
        self.begin()
        self.mount()
        server.simulation.unmatched_answers.append((f"the service {self.name!r}", self.answer_unmatched))

    @classmethod
    def read_settings(cls, settings: Mapping[str, object]) -> SettingsT:
        """Return *settings* checked; raises :class:`OptionError` naming the wrong one and the nearest valid one."""
        checked: SettingsT = read_settings(f"the service {cls.name!r}", cls.settings_type, settings)
        return checked

    # What a service says of itself

    @abstractmethod
    def begin(self) -> None:
        """Make the state anew; called before the routes are registered, and by :meth:`reset`."""

    @abstractmethod
    def mount(self) -> None:
        """Register the routes, with :meth:`register`."""

    def answer_unmatched(self, request: CapturedRequest) -> ResponseSpec | None:  # noqa: ARG002  # for subclasses
        """Return what a request gets that no route of the server matched, in the shape of the real service's errors."""
        return None

    # What it is made of

    def register(self, method: str, path: str, answer: Answer) -> MountedRoute:
        """Answer *method* and *path*, as :meth:`MockHttpServer.register`; a test need not call every route."""
        mounted = self.server.register(method, path, answer).expect(at_least=0)
        self._routes.append(mounted)
        return mounted

    def now_s(self) -> float:
        """Return the service's time in seconds since 1970: the server's clock and what it was advanced by."""
        clock = self.server.simulation.clock
        return clock.epoch_s(clock.now_ns() + self._advanced_ns)

    # What tests use

    @property
    def url(self) -> str:
        """The base URL of its server."""
        return self.server.url

    @property
    def requests(self) -> list[CapturedRequest]:
        """
        The requests that its routes answered since the last reset, oldest first.

        Raises:
            JournalOverflowError: If the journal's bound has dropped some of its server's requests.
        """
        return [
            request
            for request in self.server.simulation.journal.requests(None, None)
            if request.route in self._routes and request.received_ns >= self._since_ns
        ]

    def advance(self, seconds: float) -> None:
        """
        Move the service's clock on, so that windows end and limits refill without waiting.

        Raises:
            OptionError: If *seconds* is no number, or below 0.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            raise OptionError(f"advance: expected a number of seconds, 0 or more, got {seconds!r}")
        with self.lock:
            self._advanced_ns += round(seconds * 1e9)

    def reset(self) -> None:
        """Forget state, scripts, the advanced clock and earlier requests; register the routes again."""
        with self.lock:
            self._advanced_ns = 0
            self._routes.clear()
            self._since_ns = self.server.simulation.clock.now_ns()
            self.begin()
            self.mount()

    def __repr__(self) -> str:
        return f"<fake service {self.name!r} on {self.server!r}>"
