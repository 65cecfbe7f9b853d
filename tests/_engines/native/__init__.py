"""Tests of the native engine by itself; what it has in common with others is in tests/conformance."""

import pytest

from api_simulator._engines._native import _library

needs_native = pytest.mark.skipif(
    _library.problem() is not None, reason=f"the native engine is absent: {_library.problem()}"
)
