"""
Conditions that need a library of their own, each imported when it is first asked for.

Every module names one library and the extra that installs it.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from api_simulator.errors import MissingExtraError


def library(module: str, *, extra: str, purpose: str) -> ModuleType:
    """
    Import *module*, or say how to get it.

    Raises:
        MissingExtraError: If it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"{purpose} needs the package {module!r}, which is not installed; install api-simulator[{extra}]"
        ) from None
