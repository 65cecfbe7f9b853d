"""
The places at which other packages extend this one, as pluggy hooks.

A package names its plug-in in the entry-point group ``api_simulator``; a test or a program registers one with
:func:`api_simulator.plugins.registered`. Each hook takes and returns plain values, so that a plug-in imports
nothing of this package until what it offers is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from api_simulator._core.messages import CapturedRequest
    from api_simulator._core.secrets import RedactionRule
    from api_simulator._core.specs import ResponseSpec

#: The entry-point group, and what pluggy calls the project.
GROUP = "api_simulator"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def api_simulator_redaction_rules() -> Iterable[RedactionRule]:  # type: ignore[empty-body]
    """
    Return more kinds of secrets, which no recording may hold: they are redacted, and found by ``api-simulator scan``.

    Asked once for each recorder. An implementation that raises makes the recorder fail: what it would have
    redacted must not reach the disk.
    """


@hookspec
def api_simulator_services() -> Mapping[str, str]:  # type: ignore[empty-body]
    """
    Return fake services: name → ``"package.module:ClassName"``, a subclass of ``api_simulator.services.Service``.

    The class is imported when somebody asks for the service. A name that another package has taken is an error.
    """


@hookspec
def api_simulator_engines() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return engines: name → a module with an ``ENGINE``; built-in names cannot be taken."""


@hookspec
def api_simulator_unmatched_answer(request: CapturedRequest) -> ResponseSpec | None:
    """
    Return what a request gets that no route matched, or None to leave it to others; the first answer counts.

    The request stays unmatched: a strict server still fails its test.
    """


@hookspec
def api_simulator_request_done(server: str, request: CapturedRequest) -> None:
    """
    Take note of a captured request that was answered, or whose client went away.

    Called once for each, on the server's own thread, so it must be quick.

    Args:
        server: The name of the server.

        request: With status and stamps; ``aborted`` says whether the client went away.
    """


@hookspec
def api_simulator_commands() -> Mapping[str, str]:  # type: ignore[empty-body]
    """
    Return subcommands of ``api-simulator``: name → a module with ``HELP``, ``run`` and perhaps ``add_arguments``.

    ``run(options)`` returns an object with ``ok``, ``text`` and ``value`` (a dict of JSON types).
    """
