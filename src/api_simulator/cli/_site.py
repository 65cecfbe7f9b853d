"""
What ``api-simulator serve`` serves: services, routes of a file, and the answers to probes, on one server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api_simulator._core.mounted import MountedRoute
from api_simulator._core.simulation import Simulation
from api_simulator.cli._advice import advice_for
from api_simulator.cli._outcome import UsageError
from api_simulator.cli.config import Loaded, load
from api_simulator.errors import OptionError
from api_simulator.http import MockHttpServer, ResponseSpec
from api_simulator.http._forms import registered_by
from api_simulator.services import Service, service_class
from api_simulator.services._settings import nearest

HEALTH = "/__api_simulator/health"
READY = "/__api_simulator/ready"


class Site:
    """
    A server with what is on it.

    Args:
        server: Not started yet.

        names: Of the services, besides those that the file names.

        settings: Of services, by their names; they override the file's.

        file: Of routes, None for none.

    Raises:
        UsageError: If there are settings of a service that is not served.

        ApiSimulatorError: If a service, a setting or the file cannot be used.
    """

    def __init__(
        self, server: MockHttpServer, names: list[str], settings: dict[str, dict[str, Any]], file: Path | None
    ) -> None:
        self.server = server
        self.file = file
        self._settings = settings
        self._loaded = Loaded({}, lambda _: None) if file is None else load(file)
        self._stamp: tuple[int, int] | None = None
        self._stamp = self._stamp_now()
        self._file_routes: list[MountedRoute] = []
        self.services: list[Service[Any]] = []
        self.server.simulation.routes.advice = advice_for(file)
        served = list(dict.fromkeys([*names, *self._loaded.services]))
        for name in settings:
            if name not in served:
                raise UsageError(f"--set: {name!r} is not served{nearest(name, served)}")
        for name in served:
            given = {**self._loaded.services.get(name, {}), **settings.get(name, {})}
            with registered_by(f"the service {name!r}"):
                self.services.append(service_class(name)(server, **given))
        self._exchange_routes(self._loaded)
        self._probes()

    def reload_if_changed(self) -> str | None:
        """
        Take the file's routes anew if it has changed; the old ones stay if it is wrong.

        Returns:
            What there is to say about it besides that it happened; None if nothing has changed.

        Raises:
            ApiSimulatorError: If the file cannot be used.
        """
        stamp = self._stamp_now()
        if self.file is None or stamp == self._stamp:
            return None
        # First of all: a file that stays wrong is complained about once.
        self._stamp = stamp
        if stamp is None:
            raise OptionError(f"{self.file} is gone; it is taken again when it is back")
        loaded = load(self.file)
        self._exchange_routes(loaded)
        changed = loaded.services != self._loaded.services
        return "services and their settings have changed too: restart to have them" if changed else ""

    def reset(self) -> None:
        """Begin anew: state of services, journal and counts, the file's routes; what the admin API added is gone."""
        self.server.reset()
        for service in self.services:
            with registered_by(f"the service {service.name!r}"):
                service.reset()
        self._file_routes = []
        self._exchange_routes(self._loaded)
        self._probes()

    def no_longer_ready(self) -> None:
        """Let the probe say that it is stopping."""
        self._probe(READY, 503, "stopping")

    def drain(self, timeout_s: float) -> bool:
        """Wait for the requests under way; whether they ended in time."""
        return self.server.simulation.journal.wait_until(self._is_idle, timeout_s=timeout_s)

    def _is_idle(self) -> bool:
        kept = self.server.simulation.journal.kept()
        return all(request.answered_ns is not None or request.aborted_ns is not None for request in kept)

    def _exchange_routes(self, loaded: Loaded) -> None:
        # Registered aside first: a mistake in the last route must not leave half a file on the server.
        aside = MockHttpServer()
        loaded.register(aside)
        simulation: Simulation = self.server.simulation
        routes = [mounted.route for mounted in aside.routes]
        self._file_routes = simulation.exchange(self._file_routes, routes)
        self._loaded = Loaded(self._loaded.services, loaded.register)

    def _probes(self) -> None:
        self._probe(HEALTH, 200, "ok")
        self._probe(READY, 200, "ready")

    def _probe(self, path: str, status: int, text: str) -> None:
        # Below everything of the user's, and answered without a thread, so that it tells whether the server is alive.
        with registered_by("api-simulator serve"):
            self.server.register("GET", path, ResponseSpec(status, {"status": text}), priority=-1)

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            status = None if self.file is None else self.file.stat()
        except OSError:
            # Gone, or being replaced by an editor: what is served stays until there is something to read.
            return None
        return None if status is None else (status.st_mtime_ns, status.st_size)
