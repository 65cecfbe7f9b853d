"""
Which fake services there are, and where: a service is imported when it is asked for, and not earlier.
"""

from __future__ import annotations

import importlib
from typing import Any

from api_simulator import plugins
from api_simulator.errors import ServiceError
from api_simulator.services._service import Service
from api_simulator.services._settings import nearest

BUILT_IN = {
    "anthropic": "api_simulator.services.anthropic:AnthropicService",
    "claude_quota": "api_simulator.services.claude_quota:ClaudeQuotaService",
}


def service_names() -> list[str]:
    """
    Return the names of the services there are, those of installed plug-ins included.

    Raises:
        PluginError: If two packages offer the same name.
    """
    return sorted(plugins.services(BUILT_IN))


def service_class(name: str) -> type[Service[Any]]:
    """
    Return the class of the service called *name*.

    Raises:
        ServiceError: If there is none, or what its package names is no service.

        PluginError: If two packages offer the same name.
    """
    places = plugins.services(BUILT_IN)
    if name not in places:
        broken = "".join(f"\n  {failure}" for failure in plugins.failures())
        raise ServiceError(f"fake services: there is no {name!r}{nearest(str(name), sorted(places))}{broken}")
    return _loaded(name, places[name])


def _loaded(name: str, place: str) -> type[Service[Any]]:
    module, colon, attribute = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute) if colon else None
    except (ImportError, AttributeError) as error:
        raise ServiceError(f"fake service {name!r}: {place!r} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Service)):
        raise ServiceError(f"fake service {name!r}: {place!r} is no subclass of api_simulator.services.Service")
    if found.name != name:
        raise ServiceError(f"fake service {name!r}: the class {place!r} calls itself {found.name!r}; use one name")
    return found
