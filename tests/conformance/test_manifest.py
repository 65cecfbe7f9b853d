"""The manifest and the tests know each other: no requirement without a test, no test without a requirement."""

import ast
import re
from pathlib import Path

from tests.conformance.requirements import REQUIREMENTS, TABLES

HERE = Path(__file__).parent
TEST_FILES = [path for path in HERE.glob("test_*.py") if path.name != Path(__file__).name]


def marked_ids(function):
    """Return the ids in a function's ``@requirement(...)`` decorators."""
    return [
        ast.literal_eval(argument)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "requirement"
        for argument in decorator.args
    ]


def functions():
    for path in TEST_FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{path.name}::{node.name}", node


def test_every_requirement_has_a_test():
    proved = {requirement_id for _, function in functions() for requirement_id in marked_ids(function)}

    assert sorted(set(REQUIREMENTS) - proved) == []


def test_every_test_proves_a_requirement_that_exists():
    strange = {name: marked_ids(function) for name, function in functions()}

    assert [name for name, ids in strange.items() if not ids] == []
    assert {name: ids for name, ids in strange.items() if not set(ids) <= set(REQUIREMENTS)} == {}


def test_no_id_is_used_twice_and_all_have_the_form():
    ids = [requirement.id for table in TABLES for requirement in table]

    assert len(ids) == len(set(ids))
    assert [name for name in ids if not re.fullmatch(r"[a-z0-9-]+(:[a-z0-9-]+){2}", name)] == []


def test_every_requirement_is_a_sentence_with_a_source():
    for requirement in REQUIREMENTS.values():
        assert re.fullmatch(r"[A-Z`\"/].*\.", requirement.text, re.DOTALL), requirement.id
        assert requirement.source, requirement.id
