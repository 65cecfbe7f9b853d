"""
Files of routes for ``api-simulator serve``, checked: YAML, JSON and TOML by one model, Python as it is.

A wrong key is refused with its place and the nearest valid one: a file that is misread serves something else.
"""

from __future__ import annotations

import json
import runpy
import tomllib
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from api_simulator.errors import ApiSimulatorError, MissingExtraError, OptionError
from api_simulator.http import MockHttpServer, ResponseSpec, header, json_body, query
from api_simulator.http._forms import registered_by
from api_simulator.services._settings import nearest

KINDS = (".yaml", ".yml", ".json", ".toml", ".py")


EntryT = TypeVar("EntryT", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AnswerEntry(_Strict):
    """
    One answer.

    Attributes:
        status: 200 to 999.

        body: ``json``, ``text`` or ``file`` (beside the configuration), at most one of them.

        delay_ms: Waited before it.

        fault: The name of a fault, for instance ``CONNECTION_RESET_BY_PEER``.
    """

    status: int = 200
    body_json: Any = Field(default=None, alias="json")
    text: str | None = None
    file: str | None = None
    headers: dict[str, str | int] = {}
    delay_ms: int = 0
    fault: str | None = None

    @model_validator(mode="after")
    def _one_body(self) -> AnswerEntry:
        given = [name for name in ("json", "text", "file") if name in self._names()]
        if len(given) > 1:
            raise ValueError(f"an answer has one body, not {' and '.join(given)}")
        return self

    def _names(self) -> set[str]:
        return {"json" if name == "body_json" else name for name in self.model_fields_set}

    def spec(self, folder: Path) -> ResponseSpec:
        """Return it as a response spec; files are read from *folder*."""
        headers = dict(self.headers)
        body: Any = self.text
        if self.file is not None:
            body = (folder / self.file).read_bytes()
        elif "json" in self._names():
            body = self.body_json if self.body_json is not None else "null"
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = "application/json"
            if isinstance(body, str) and self.body_json is not None:
                body = json.dumps(body)
        return ResponseSpec(self.status, body, headers, self.delay_ms, fault=self.fault)


class RouteEntry(_Strict):
    """
    A route: what requests it is for, and one answer or several for successive requests.

    Attributes:
        query: Parameters that a request must have.

        headers: Fields that it must have.

        body_json: A JSON value that its body must hold, as a part.
    """

    method: str = "GET"
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body_json: Any = Field(default=None, alias="json")
    priority: int = 0
    answer: AnswerEntry | None = None
    answers: list[AnswerEntry] = []
    then: Literal["repeat", "cycle", "error"] = "repeat"

    @model_validator(mode="after")
    def _some_answer(self) -> RouteEntry:
        if (self.answer is None) == (not self.answers):
            raise ValueError("say what is answered: one 'answer', or a list of 'answers'")
        return self

    def register(self, server: MockHttpServer, folder: Path) -> None:
        """Register it on *server*."""
        conditions = [query(name, value) for name, value in self.query.items()]
        conditions += [header(name, value) for name, value in self.headers.items()]
        if self.body_json is not None:
            conditions.append(json_body(self.body_json, partial=True))
        when = conditions[0] if conditions else None
        for condition in conditions[1:]:
            when = when & condition if when is not None else condition
        entries = self.answers if self.answer is None else [self.answer]
        specs = [entry.spec(folder) for entry in entries]
        server.register_sequence(
            self.method, self.path, specs, when=when, then=self.then, priority=self.priority
        ).expect(at_least=0)


class ServeFile(_Strict):
    """
    A whole file.

    Attributes:
        services: Settings by the name of the service; nothing means the defaults.

        routes: In order; the last one that matches wins.
    """

    services: dict[str, dict[str, Any] | None] = {}
    routes: list[RouteEntry] = []

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the settings of the services; one that is only named has none."""
        return {name: given or {} for name, given in self.services.items()}


class Loaded:
    """
    What a file says.

    Attributes:
        services: Settings by the name of the service.

        register: Registers its routes on a server.
    """

    def __init__(self, services: dict[str, dict[str, Any]], register: Callable[[MockHttpServer], object]) -> None:
        self.services = services
        self.register = register


def load(path: Path) -> Loaded:
    """
    Read *path*.

    Raises:
        OptionError: If it cannot be read, or something in it is wrong; the message says where.

        MissingExtraError: If it is YAML and PyYAML is not installed.
    """
    if path.suffix not in KINDS:
        raise OptionError(f"{path}: expected a file that ends in {', '.join(KINDS)}")
    try:
        if path.suffix == ".py":
            return _python(path)
        content = path.read_text(encoding="utf-8-sig")
        value = _PARSERS[path.suffix](content)
    except (ImportError, ApiSimulatorError):
        raise
    except Exception as error:  # each parser has its own family, and a program may raise anything
        raise OptionError(f"{path}: {type(error).__name__}: {error}") from error
    entries = read_entry(ServeFile, {} if value is None else value, str(path))
    return _from_entries(path, entries, _yaml_lines(content) if path.suffix in (".yaml", ".yml") else ())


def _from_entries(path: Path, entries: ServeFile, lines: Sequence[int]) -> Loaded:
    def register(server: MockHttpServer) -> None:
        for place, entry in enumerate(entries.routes):
            line = f":{lines[place]}" if place < len(lines) else ""
            try:
                with registered_by(f"{path}{line}, route {place + 1}"):
                    entry.register(server, path.parent)
            except (ApiSimulatorError, OSError) as error:
                raise OptionError(f"{path}: routes.{place}: {error}") from error

    return Loaded(entries.settings(), register)


def _python(path: Path) -> Loaded:
    names = runpy.run_path(str(path))
    register, services = names.get("register"), names.get("SERVICES", {})
    if not callable(register) or not isinstance(services, dict):
        raise OptionError(
            f"{path}: a file in Python defines register(server), and perhaps SERVICES, a dict of settings"
        )

    def checked(server: MockHttpServer) -> None:
        try:
            register(server)
        except Exception as error:  # a program may raise anything, and what is served must live on
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
            place = f"{path}:{lines[-1]}" if lines else str(path)
            raise OptionError(f"{place}: register(server): {type(error).__name__}: {error}") from error

    return Loaded(read_entry(ServeFile, {"services": services}, str(path)).settings(), checked)


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingExtraError(
            "files in YAML need the package PyYAML: install the extra 'yaml', or write the file in TOML or JSON"
        ) from None
    return yaml.safe_load(text)


def _yaml_lines(text: str) -> list[int]:
    """Return the line at which each route begins; the other formats' parsers do not tell."""
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    return [
        route.start_mark.line + 1
        for key, value in entries
        if key.value == "routes" and isinstance(value, yaml.SequenceNode)
        for route in value.value
    ]


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": json.loads,
    ".toml": tomllib.loads,
}


def read_entry(kind: type[EntryT], value: object, where: str) -> EntryT:
    """
    Return *value* as a model of *kind*.

    Raises:
        OptionError: If it is none; the message names *where*, the place in it, and the nearest valid key.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise OptionError("\n".join(_complaint(where, kind, problem) for problem in error.errors())) from None


def _complaint(where: str, kind: type[BaseModel], problem: Any) -> str:
    place = ".".join(map(str, problem["loc"])) or "the whole"
    if problem["type"] != "extra_forbidden":
        return f"{where}: {place}: {problem['msg'].removeprefix('Value error, ')}, got {problem['input']!r:.80}"
    parents = problem["loc"][:-1]
    if "answer" in parents or "answers" in parents:
        kind = AnswerEntry
    elif "routes" in parents:
        kind = RouteEntry
    names = [field.alias or name for name, field in kind.model_fields.items()]
    return f"{where}: there is no {place!r}{nearest(str(problem['loc'][-1]), names)}"
