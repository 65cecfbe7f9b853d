"""
Find plug-ins, once and when they are first needed, and ask them.
"""

from __future__ import annotations

import threading
from itertools import chain

import pluggy

from api_simulator import hookspecs
from api_simulator._core.secrets import RedactionRule

_lock = threading.RLock()
_manager: pluggy.PluginManager | None = None


def manager() -> pluggy.PluginManager:
    """Return pluggy's manager with every installed plug-in; the first call looks for them."""
    global _manager
    with _lock:
        if _manager is None:
            found = pluggy.PluginManager(hookspecs.GROUP)
            found.add_hookspecs(hookspecs)
            found.load_setuptools_entrypoints(hookspecs.GROUP)
            found.check_pending()
            _manager = found
        return _manager


def redaction_rules() -> tuple[RedactionRule, ...]:
    """
    Return the plug-ins' redaction rules.

    Whatever a plug-in raises is passed on: a recording that misses a rule would be worse than none.
    """
    rules: list[object] = list(chain.from_iterable(manager().hook.api_simulator_redaction_rules()))
    for rule in rules:
        if not isinstance(rule, RedactionRule):
            raise TypeError(f"api_simulator_redaction_rules: a plug-in gave {rule!r:.100}, which is no RedactionRule")
    return tuple(rule for rule in rules if isinstance(rule, RedactionRule))
