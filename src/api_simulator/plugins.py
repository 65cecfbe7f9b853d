"""
Find plug-ins, once and when they are first needed, and call them so that none takes another thing down.

A plug-in that cannot be loaded, or raises when it is asked, is left out and reported: as a warning, by
``api-simulator doctor``, and on a server's path of requests as a problem of the test.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from itertools import chain
from typing import TYPE_CHECKING, Any

import pluggy

from api_simulator import hookspecs
from api_simulator.errors import PluginError

if TYPE_CHECKING:
    from api_simulator._core.messages import CapturedRequest
    from api_simulator._core.secrets import RedactionRule
    from api_simulator._core.specs import ResponseSpec

_lock = threading.RLock()
_manager: pluggy.PluginManager | None = None
_failures: list[str] = []
_untold: list[str] = []


class PluginWarning(UserWarning):
    """A plug-in was left out."""


def manager() -> pluggy.PluginManager:
    """Return pluggy's manager with every installed plug-in; the first call looks for them."""
    global _manager
    with _lock:
        found = _manager
        if found is None:
            found = pluggy.PluginManager(hookspecs.GROUP)
            found.add_hookspecs(hookspecs)
            _manager = found
            for point in metadata.entry_points(group=hookspecs.GROUP):
                _load(found, point)
    _warn()
    return found


def _load(found: pluggy.PluginManager, point: metadata.EntryPoint) -> None:
    # Not pluggy's load_setuptools_entrypoints: there, one package that cannot be imported hides all others.
    origin = point.name if point.dist is None else f"{point.dist.name}: {point.name}"
    try:
        found.register(point.load(), name=origin)
        found.check_pending()
    except Exception as error:  # noqa: BLE001  # a foreign package may raise anything when it is imported
        _report(f"plug-in {origin!r} ({point.value}) cannot be loaded: {type(error).__name__}: {error}")


def _report(text: str) -> None:
    with _lock:
        if text not in _failures:
            _failures.append(text)
            _untold.append(text)


def _warn() -> None:
    """Tell each failure once; after the work is done, because a suite may turn warnings into errors."""
    with _lock:
        untold = "; ".join(_untold)
        _untold.clear()
    if untold:
        warnings.warn(f"api-simulator leaves out: {untold}", PluginWarning, stacklevel=3)


def failures() -> list[str]:
    """Return what went wrong with plug-ins so far, a line for each."""
    with _lock:
        return list(_failures)


@contextlib.contextmanager
def registered(plugin: object, name: str | None = None) -> Iterator[None]:
    """
    Add *plugin* (a module, or an object with hook implementations) while the block lasts.

    Servers that are started inside the block know it; those that run already do not.
    """
    plugins = manager()
    plugins.register(plugin, name)
    try:
        plugins.check_pending()
        yield
    finally:
        plugins.unregister(plugin)


def _implementations(hook: str) -> list[tuple[str, Callable[..., Any]]]:
    """Return who implements a hook, the one registered last first, as pluggy calls them."""
    caller: pluggy.HookCaller = getattr(manager().hook, hook)
    return [(each.plugin_name, _by_names(each)) for each in reversed(caller.get_hookimpls())]


def _by_names(implementation: pluggy.HookImpl) -> Callable[..., Any]:
    # pluggy's rule, kept: an implementation takes those arguments of the hook that it names.
    names = implementation.argnames
    return lambda **arguments: implementation.function(*[arguments[name] for name in names])


def redaction_rules() -> tuple[RedactionRule, ...]:
    """
    Return the plug-ins' redaction rules.

    Whatever a plug-in raises is passed on: a recording that misses a rule would be worse than none.
    """
    # Here: its table of expressions takes longer to compile than a server to start.
    from api_simulator._core.secrets import RedactionRule

    rules: list[object] = list(chain.from_iterable(manager().hook.api_simulator_redaction_rules()))
    for rule in rules:
        if not isinstance(rule, RedactionRule):
            raise TypeError(f"api_simulator_redaction_rules: a plug-in gave {rule!r:.100}, which is no RedactionRule")
    return tuple(rule for rule in rules if isinstance(rule, RedactionRule))


# What is offered: names that must be unique


def _offers(hook: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, place and origin of what the plug-ins offer; one that raises or offers nonsense is reported."""
    for origin, implementation in _implementations(hook):
        try:
            offered = implementation()
            pairs = list(offered.items()) if isinstance(offered, Mapping) else None
        except Exception as error:  # noqa: BLE001  # a foreign function
            _report(f"plug-in {origin!r}: {hook} raised {type(error).__name__}: {error}")
            continue
        if pairs is None or not all(isinstance(name, str) and isinstance(place, str) for name, place in pairs):
            _report(f"plug-in {origin!r}: {hook} must return a mapping of names to places as text, got {offered!r}")
            continue
        for name, place in pairs:
            yield name, place, origin


def offered(hook: str, built_in: Mapping[str, str]) -> dict[str, str]:
    """
    Return what is built in and what plug-ins offer, by name.

    Raises:
        PluginError: If two offer the same name; the message names both.
    """
    places = dict(built_in)
    origins = dict.fromkeys(built_in, "api-simulator itself")
    for name, place, origin in _offers(hook):
        if name in places:
            raise PluginError(
                f"{hook}: the name {name!r} is offered twice: by {origins[name]} ({places[name]}) and by {origin} "
                f"({place}); rename one, or uninstall its package"
            )
        places[name], origins[name] = place, origin
    _warn()
    return places


def services(built_in: Mapping[str, str]) -> dict[str, str]:
    """Return the fake services there are: name → ``module:Class``."""
    return offered("api_simulator_services", built_in)


def engines(built_in: Mapping[str, str]) -> dict[str, str]:
    """Return the engines there are: name → module."""
    return offered("api_simulator_engines", built_in)


def commands(built_in: Mapping[str, str]) -> dict[str, str]:
    """Return the subcommands there are: name → module."""
    return offered("api_simulator_commands", built_in)


# What is asked on a server's path of requests


def unmatched_answerers() -> list[tuple[str, Callable[[CapturedRequest], ResponseSpec | None]]]:
    """Return the functions that may answer requests which no route matched, each with its plug-in's name."""
    return [
        (origin, lambda request, ask=implementation: ask(request=request))  # type: ignore[misc]
        for origin, implementation in _implementations("api_simulator_unmatched_answer")
    ]


def listeners(server: str) -> list[tuple[str, Callable[[CapturedRequest], object]]]:
    """Return the functions that are told of finished requests, each with its plug-in's name."""
    return [
        (origin, lambda request, tell=implementation: tell(server=server, request=request))  # type: ignore[misc]
        for origin, implementation in _implementations("api_simulator_request_done")
    ]
