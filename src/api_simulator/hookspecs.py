"""
The places at which other packages extend this one, as pluggy hooks.

A package names its plug-in in the entry-point group ``api_simulator``. Each hook takes and returns plain values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from api_simulator._core.secrets import RedactionRule

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
