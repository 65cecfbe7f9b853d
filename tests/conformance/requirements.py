"""
The manifest: every behaviour of the HTTP side that an engine is held to.

One table for each theme, in the module of that name; ``test_manifest.py`` holds them against the
tests in both directions.
"""

from __future__ import annotations

from tests.conformance import requirements_answers, requirements_matching
from tests.conformance.manifest import Requirement

TABLES = (requirements_matching.REQUIREMENTS, requirements_answers.REQUIREMENTS)

REQUIREMENTS: dict[str, Requirement] = {requirement.id: requirement for table in TABLES for requirement in table}
