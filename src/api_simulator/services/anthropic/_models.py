"""
The models endpoint: a list in pages, and one by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api_simulator._core.messages import Query
from api_simulator.services._api_errors import ApiError
from api_simulator.services.anthropic._requests import RefusedError, refuse

#: What the real service offers changes by the month, these are stable names to test with.
DEFAULT_MODELS = ("claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5")
#: Most output tokens; the ``claude`` program asks for all of its model's.
_MAX_TOKENS = {"haiku": 64_000}
_MAX_TOKENS_OF_OTHERS = 128_000
_MAX_PAGE = 1_000


def is_known(model: str, models: Sequence[str] | None) -> bool:
    """Return whether *model* can be asked; without a list of *models* every name of the family can."""
    return model in models if models is not None else model.startswith("claude-")


def model_info(model: str) -> dict[str, Any]:
    """Return a model as the API describes it."""
    words = model.split("-")
    line = words[1] if len(words) > 1 else ""
    return {
        "type": "model",
        "id": model,
        "display_name": " ".join(word.capitalize() for word in words),
        "created_at": "2025-10-01T00:00:00Z",
        "lifecycle": "active",
        "line": line if line in ("haiku", "sonnet", "opus") else None,
        "max_input_tokens": 200_000,
        "max_tokens": _MAX_TOKENS.get(line, _MAX_TOKENS_OF_OTHERS),
        "deprecated_at": None,
        "retires_at": None,
    }


def model_page(models: Sequence[str], query: Query) -> dict[str, Any]:
    """
    Return a page of *models*, newest first.

    Raises:
        RefusedError: For a ``limit`` or a cursor that makes no sense.
    """
    text = query.get("limit", "20")
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PAGE:
        raise refuse(f"limit: Input should be a whole number from 1 to {_MAX_PAGE}")
    limit = int(text)
    start, end = 0, len(models)
    if "after_id" in query:
        start = _place(models, query["after_id"], "after_id") + 1
    if "before_id" in query:
        end = _place(models, query["before_id"], "before_id")
        start = max(start, end - limit)
    page = models[start : min(end, start + limit)]
    return {
        "data": [model_info(model) for model in page],
        "has_more": start + len(page) < end,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def _place(models: Sequence[str], model: str, name: str) -> int:
    if model not in models:
        raise RefusedError(ApiError("invalid_request", f"{name}: no such model: {model}"))
    return models.index(model)
