"""
A fake of Anthropic's Messages API: JSON and event streams, tools, errors, limits, token accounting.
"""

from __future__ import annotations

from api_simulator.services.anthropic._requests import MessagesRequest
from api_simulator.services.anthropic._script import PromptScript
from api_simulator.services.anthropic._service import AnthropicService

__all__ = ["AnthropicService", "MessagesRequest", "PromptScript"]
