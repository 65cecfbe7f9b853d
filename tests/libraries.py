"""
The libraries whose clients the tests use, as far as they are installed.

The suite runs with only one of httpx2 and httpx, and with neither (``make onelibrary``): a test that touches a library
which is not there is skipped, and says so. ``either`` is for tests to which it does not matter which one it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import TYPE_CHECKING, Any

import pytest


class _Missing:
    """Stands for a library that is not installed."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        pytest.skip(f"needs {self.__name__}, which is not installed", allow_module_level=True)


def _found(name: str) -> Any:
    return _Missing(name) if importlib.util.find_spec(name) is None else importlib.import_module(name)


if TYPE_CHECKING:
    import httpx as httpx
    import httpx2 as httpx2

    either = httpx2
else:
    httpx2, httpx = _found("httpx2"), _found("httpx")
    either = next((each for each in (httpx2, httpx) if not isinstance(each, _Missing)), _Missing("httpx2 or httpx"))

#: On what uses their clients, or the engine for them, without naming one.
needs_either = pytest.mark.skipif(isinstance(either, _Missing), reason="needs httpx2 or httpx; neither is installed")


def needs(name: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test where that library is not installed."""
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs {name}, which is not installed")


#: For claims about the clients of both.
LIBRARIES = pytest.mark.parametrize(
    "library", [pytest.param(each, marks=needs(each.__name__), id=each.__name__) for each in (httpx2, httpx)]
)

#: What may be missing because it needs one of the two, or comes with them: modules of tests that import it are skipped.
OPTIONAL = frozenset(
    {"anthropic", "claude_agent_sdk", "fastmcp", "httpx", "httpx2", "mcp", "openai", "pytest_httpx", "respx"}
)


def missing_of(program: str) -> str | None:
    """Return the first optional package that the text of a *program* imports and that is not installed."""
    for name in re.findall(r"^\s*(?:import|from) (\w+)", program, re.MULTILINE):
        if name in OPTIONAL and importlib.util.find_spec(name) is None:
            return str(name)
    return None


def skip_without_imports_of(program: str) -> None:
    """Skip a test that is to run *program*, if that imports an optional package which is not installed."""
    missing = missing_of(program)
    if missing is not None:
        pytest.skip(f"needs {missing}, which is not installed")
