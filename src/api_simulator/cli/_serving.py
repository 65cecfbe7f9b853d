"""
Serve until a signal: fake services and routes of a file, for programs in any language.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from typing import Any

from api_simulator import plugins
from api_simulator.cli._admin import Admin
from api_simulator.cli._logs import Logs
from api_simulator.cli._outcome import Outcome, UsageError
from api_simulator.cli._site import HEALTH, READY, Site
from api_simulator.errors import ApiSimulatorError
from api_simulator.http import MockHttpServer

TOKEN_VARIABLE = "API_SIMULATOR_ADMIN_TOKEN"
#: How often the file is looked at.
RELOAD_S = 0.25


def check(options: argparse.Namespace) -> Outcome:
    """Look at services, settings and file, and say what would be served."""
    site = Site(MockHttpServer(seed=options.seed), options.services, _settings(options.set), options.file)
    names = [service.name for service in site.services]
    routes = [str(mounted.route) for mounted in site.server.routes if "/__api_simulator/" not in str(mounted.route)]
    text = "\n".join([f"services: {', '.join(names) or 'none'}", f"routes: {len(routes)}", *map("  {}".format, routes)])
    return Outcome(True, text, {"services": names, "routes": routes})


def serve(options: argparse.Namespace) -> Outcome:
    """Serve until a signal."""
    settings = _settings(options.set)
    logs = Logs(as_json=options.log_format == "json")
    try:
        with plugins.registered(logs, "api-simulator serve"), _stop_signals() as stop:
            return _serve(options, settings, logs, stop)
    finally:
        logs.close()


def _serve(
    options: argparse.Namespace, settings: dict[str, dict[str, Any]], logs: Logs, stop: threading.Event
) -> Outcome:
    server = MockHttpServer(host=options.host, port=options.port, strict=False, seed=options.seed, name="serve")
    site = Site(server, options.services, settings, options.file)
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        server.start()
        logs.say(
            "ready",
            url=str(server.url),
            services=",".join(service.name for service in site.services),
            health=HEALTH,
            ready=READY,
        )
        if options.admin:
            _start_admin(options, site, logs, stack)
        while not stop.wait(RELOAD_S):
            _reload(site, logs)
        # First the probe: whoever has read the line finds it changed.
        site.no_longer_ready()
        logs.say("stopping", grace_s=options.grace_s)
        in_time = site.drain(options.grace_s)
        count = server.request_count()
        logs.say("stopped", requests=count, in_time=in_time)
    return Outcome(True, f"served {count} requests", {"requests": count, "in_time": in_time})


def _start_admin(options: argparse.Namespace, site: Site, logs: Logs, stack: contextlib.ExitStack) -> None:
    token = os.environ.get(TOKEN_VARIABLE)
    made = {} if token else {"token": (token := secrets.token_urlsafe(24))}
    server = MockHttpServer(host=options.admin_host, port=options.admin_port, strict=False, name="admin")
    assert token is not None
    Admin(site, server, token)
    stack.callback(server.close)
    server.start()
    # A token that was made here is told here and nowhere else; one that was given is not repeated.
    logs.say("admin", url=str(server.url), **made)


def _reload(site: Site, logs: Logs) -> None:
    try:
        said = site.reload_if_changed()
    except ApiSimulatorError as error:
        logs.say("reload failed", file=str(site.file), error=str(error), serving="what was there before")
        return
    if said is not None:
        logs.say("reloaded", file=str(site.file), **({"note": said} if said else {}))


def _settings(given: list[str]) -> dict[str, dict[str, Any]]:
    """Read ``SERVICE.NAME=VALUE``; the value is JSON, or text if it is none."""
    settings: dict[str, dict[str, Any]] = {}
    for text in given:
        place, equals, value = text.partition("=")
        service, dot, name = place.partition(".")
        if not (equals and dot and service and name):
            raise UsageError(f"--set: expected SERVICE.NAME=VALUE, got {text!r}")
        try:
            settings.setdefault(service, {})[name] = json.loads(value)
        except ValueError:
            settings.setdefault(service, {})[name] = value
    return settings


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Set the event at the first SIGTERM or SIGINT; the second one ends the process as it would without us."""
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def on_signal(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
