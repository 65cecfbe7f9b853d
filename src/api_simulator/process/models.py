"""
Script files: what a fake program does as JSON or TOML, for shells and other languages.

A step in a file is the builder's call of the same name, its arguments by name::

    {
      "steps": [{"write_line": {"text": "ready"}}, {"wait": {"ms": 100}}, {"exit": {"code": 3}}],
      "when": [{"args": ["--version"], "steps": [{"write_line": {"text": "1.2"}}]}],
      "options": {}
    }

So the models are made from the builders' signatures: what Python can say a file can say, in the same words, and no
second list has to be kept. What needs Python (a function that answers) has no form in a file.
"""

from __future__ import annotations

import collections.abc
import difflib
import inspect
import json
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from api_simulator.errors import ApiSimulatorError, ScriptFileError
from api_simulator.process._builder import Script
from api_simulator.process._positions import lines_of
from api_simulator.process._staged import StagedProgram

#: Methods that are no steps: they look, or belong to the life of a program.
_NO_STEPS = frozenset(
    {
        "answer",
        "assert_not_called",
        "close",
        "codex_home",
        "cut_points",
        "parts",
        "play",
        "reset",
        "rollouts",
        "session_log_dir",
        "verdict",
        "when",
    }
)

#: Parameters of ``when`` are conditions; these of constructors are Python's business.
_NO_OPTIONS = frozenset({"name", "on_change"})


class Unsayable(Exception):
    """A parameter has a type that a file cannot hold."""


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """
    A script file that was read and is well-formed.

    Attributes:
        path: Where it is, for messages.

        content: What it says, with all of its keys known.

        lines: The line of each part, by its path; empty for TOML.
    """

    path: Path
    content: BaseModel
    lines: Mapping[str, int]


def read_script(path: Path, program: type[StagedProgram[Any]]) -> ScriptFile:
    """
    Read a script file for a kind of program.

    Args:
        path: A file that ends in ``.json`` or ``.toml``.

        program: The class whose calls its steps are.

    Raises:
        ScriptFileError: If it cannot be read, is no JSON or TOML, or says what cannot be played; the text names file,
            line where it is known, and the path to the part.
    """
    if path.suffix in (".yaml", ".yml"):
        raise ScriptFileError(f"{path}: scripts are JSON or TOML, not YAML; write it as one of these")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptFileError(f"{path}: cannot be read: {error}") from None
    try:
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except json.JSONDecodeError as error:
        raise ScriptFileError(f"{path}:{error.lineno}: not JSON: {error.msg} (column {error.colno})") from None
    except tomllib.TOMLDecodeError as error:
        raise ScriptFileError(f"{path}: not TOML: {error}") from None
    lines = {} if path.suffix == ".toml" else lines_of(text)
    model = script_model(program)
    try:
        content = model.model_validate(value)
    except ValidationError as error:
        problems = [_explained(path, lines, model, problem) for problem in error.errors(include_url=False)]
        raise ScriptFileError("\n".join(problems)) from None
    return ScriptFile(path, content, lines)


def schema(program: type[StagedProgram[Any]]) -> dict[str, Any]:
    """Return the JSON Schema of script files for a kind of program."""
    return script_model(program).model_json_schema()


def build(file: ScriptFile, program: Callable[..., StagedProgram[Any]], name: str | None) -> StagedProgram[Any]:
    """
    Make the program that a file describes.

    Args:
        file: What :func:`read_script` returned.

        program: Its class.

        name: What it is called, None for a class that knows.

    Raises:
        ScriptFileError: If a step cannot be played; the text names file, line and step.
    """
    content: Any = file.content
    options = content.options.model_dump(exclude_unset=True)
    try:
        made = program(**options) if name is None else program(name, **options)
    except ApiSimulatorError as error:
        raise ScriptFileError(f"{_place(file.path, file.lines, 'options')}: {error}") from None
    try:
        _say(file, made, content.steps, "steps")
        for index, case in enumerate(getattr(content, "when", None) or ()):
            conditions = {key: value for key, value in case.model_dump(exclude_unset=True).items() if key != "steps"}
            script = _called(file, f"when[{index}]", made.when, conditions)  # type: ignore[attr-defined]
            _say(file, script, case.steps, f"when[{index}].steps")
    except BaseException:
        made.close()
        raise
    return made


def _say(file: ScriptFile, target: Any, steps: list[Any], place: str) -> None:
    for index, step in enumerate(steps):
        (name,) = step.model_fields_set
        arguments = {key: getattr(getattr(step, name), key) for key in getattr(step, name).model_fields_set}
        _called(file, f"{place}[{index}].{name}", getattr(target, name), arguments)


def _called(file: ScriptFile, place: str, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    positional: list[Any] = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional = arguments.pop(parameter.name, [])
    try:
        for key, value in arguments.items():
            if isinstance(value, list) and value and isinstance(value[0], BaseModel):
                script = Script()
                _say(file, script, value, f"{place}.{key}")
                arguments[key] = script
        return method(*positional, **arguments)
    except ScriptFileError:
        raise
    except ApiSimulatorError as error:
        raise ScriptFileError(f"{_place(file.path, file.lines, place)}: {error}") from None


# Models


@cache
def script_model(program: type[StagedProgram[Any]]) -> type[BaseModel]:
    """Return the model of script files for a kind of program."""
    step: Any = _step_model(program)
    fields: dict[str, Any] = {
        "steps": (list[step], Field(default=[], description="What is done, in this order.")),
        "options": (
            _options_model(program),
            Field(default={}, description="How the program is made.", validate_default=True),
        ),
    }
    if hasattr(program, "when"):
        conditions = _parameters(program.when, step)
        case: Any = create_model("Case", __config__=_STRICT, steps=(list[step], Field(default=[])), **conditions)
        fields["when"] = (list[case], Field(default=[], description="Scripts for certain invocations."))
    return create_model("Script", __config__=_STRICT, **fields)


_STRICT = ConfigDict(extra="forbid", strict=True)


def _options_model(program: type) -> type[BaseModel]:
    fields = {name: field for name, field in _parameters(program.__init__, None).items() if name not in _NO_OPTIONS}  # type: ignore[misc]
    model: type[BaseModel] = create_model("Options", __config__=_STRICT, **fields)
    return model


def _step_model(program: type) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    nested = None if program is Script else _step_model(Script)
    for name, method in inspect.getmembers(program, inspect.isfunction):
        if name.startswith("_") or name in _NO_STEPS or hasattr(StagedProgram, name) or not _is_builder(method):
            continue
        try:
            parameters = _parameters(method, nested)
        except Unsayable:
            continue
        first_line = inspect.cleandoc(method.__doc__ or "").partition("\n")[0]
        arguments = create_model(name, __config__=_STRICT, __doc__=first_line or None, **parameters)
        fields[name] = (arguments | None, Field(default=None, description=first_line))
    return create_model("Step" if nested is not None else "ChildStep", __base__=_OneStep, **fields)


def _is_builder(method: Callable[..., Any]) -> bool:
    return str(inspect.signature(method).return_annotation) in ("Self", "None", "FakeCodexCLI")


class _OneStep(BaseModel):
    """A step: one key, the call, with its arguments by name."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"minProperties": 1, "maxProperties": 1})

    def model_post_init(self, _context: object) -> None:
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            raise ValueError(
                f"a step has one key, its call, and arguments in an object; got {sorted(self.model_fields_set)}"
            )


def _parameters(method: Callable[..., Any], nested: type[BaseModel] | None) -> dict[str, Any]:
    """Return a model's fields for the parameters of a call."""
    hints = typing.get_type_hints(method, localns={"Self": Any, "ProgramCall": Any, "Script": Script})
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        kind = _file_type(hints.get(parameter.name, Any), nested)
        if parameter.kind is parameter.VAR_POSITIONAL:
            fields[parameter.name] = (list[kind], Field(default=[]))  # type: ignore[valid-type]
        elif parameter.default is parameter.empty:
            fields[parameter.name] = (kind, ...)
        else:
            default = parameter.default
            fields[parameter.name] = (kind, Field(default=list(default) if isinstance(default, tuple) else default))
    return fields


def _file_type(hint: Any, nested: type[BaseModel] | None) -> Any:
    """Return the type that stands for *hint* in a file."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        parts = [part for part in map(lambda part: _sayable(part, nested), arguments) if part is not None]  # noqa: C417
        if not [part for part in parts if part is not type(None)]:
            raise Unsayable
        return typing.Union[tuple(parts)]  # noqa: UP007 - made at run time
    found = _sayable(hint, nested)
    if found is None:
        raise Unsayable
    return found


def _sayable(hint: Any, nested: type[BaseModel] | None) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (str, int, bool, float, type(None), Any) or origin is typing.Literal:
        return hint
    if hint is object:
        return Any
    if hint is Script:
        return list[nested] if nested is not None else None  # type: ignore[valid-type]
    if origin in (collections.abc.Mapping, dict):
        return dict[str, _file_type(arguments[1], nested)]  # type: ignore[misc]
    if origin in (collections.abc.Sequence, collections.abc.Iterable, list):
        return list[_file_type(arguments[0], nested)]  # type: ignore[misc]
    return None


# Messages


def _explained(path: Path, lines: Mapping[str, int], model: type[BaseModel], problem: Any) -> str:
    location = [part for part in problem["loc"] if not (isinstance(part, str) and "[" in part)]
    place = _path_text(location)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        nearest = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"it knows {', '.join(sorted(known))}"
        message = f"unknown key; {hint}"
    return f"{_place(path, lines, place)}: {message}"


def _place(path: Path, lines: Mapping[str, int], place: str) -> str:
    found = place
    while found and found not in lines:
        found = found.rpartition(".")[0] if "." in found else ""
    line = f":{lines[found]}" if found in lines else ""
    return f"{path}{line}: {place or '(the whole file)'}"


def _path_text(location: list[Any]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _keys_at(model: Any, location: list[Any]) -> list[str]:
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)
