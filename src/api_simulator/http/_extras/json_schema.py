"""JSON Schema, by the library jsonschema: the reference of the field, with all drafts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api_simulator._core.bodies import encode_json
from api_simulator._core.body_conditions import CheckedBody, no_json
from api_simulator._core.conditions import Condition
from api_simulator._core.messages import CapturedRequest
from api_simulator.errors import RouteError
from api_simulator.http._extras import library


def json_schema_condition(schema: Mapping[str, Any]) -> Condition:
    """Ask that the body be JSON that *schema* accepts; its ``$schema`` chooses the draft, 2020-12 by default."""
    jsonschema = library("jsonschema", extra="jsonschema", purpose="json_schema()")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise RouteError(f"json_schema: the schema itself is wrong at {error.json_path}: {error.message}") from None
    # Without a registry of its own it would fetch what a remote $ref names, from inside the server.
    registry = library("jsonschema_specifications", extra="jsonschema", purpose="json_schema()").REGISTRY
    validator = kind(schema, registry=registry)

    def check(request: CapturedRequest) -> Iterator[str]:
        problem = no_json(request, "JSON")
        if problem is not None:
            yield problem.differences[0].removeprefix("body: ")
            return
        for error in validator.iter_errors(request.json):
            yield f"{error.json_path}: {error.message}"

    return CheckedBody("body of a schema", ("json_schema", encode_json(schema)), check)
