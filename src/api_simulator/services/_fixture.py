"""
How the pytest fixture ``fake_service`` starts a service, and which class it gives for which name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from api_simulator.services._catalogue import service_class

if TYPE_CHECKING:
    from api_simulator.http import MockHttpServer
    from api_simulator.services._service import Service
    from api_simulator.services.anthropic import AnthropicService
    from api_simulator.services.claude_quota import ClaudeQuotaService


class FakeServices(Protocol):
    """The type of the fixture: a function from a name and settings to a running service."""

    @overload
    def __call__(self, name: Literal["anthropic"], **settings: object) -> AnthropicService: ...

    @overload
    def __call__(self, name: Literal["claude_quota"], **settings: object) -> ClaudeQuotaService: ...

    @overload
    def __call__(self, name: str, **settings: object) -> Any: ...


def start_service(
    new_server: Callable[[str], MockHttpServer], name: str, settings: Mapping[str, object]
) -> Service[Any]:
    """
    Start the service called *name* on a server that *new_server* makes.

    Raises:
        ServiceError: If there is none of that name.

        OptionError: If it has no such setting.
    """
    kind = service_class(name)
    # Before a server is there: a wrong setting must not leave one behind.
    kind.read_settings(settings)
    return kind(new_server(name), **settings)
