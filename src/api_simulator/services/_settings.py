"""
Read what a user wants of a service into its settings: a frozen dataclass with a default for everything.

The same settings are written as keywords in a test and as a table in a file, so types are checked here, where the
name of the setting is known, and not where a value is first used.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from api_simulator.errors import OptionError

SettingsT = TypeVar("SettingsT")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoSettings:
    """The settings of a service that has none."""


def read_settings(owner: str, kind: type[SettingsT], given: Mapping[str, object]) -> SettingsT:
    """
    Return settings of *kind* with the values of *given*.

    Args:
        owner: What errors call the one whose settings these are.

        kind: A dataclass whose fields are bool, int, float, str, None, unions or tuples of these.

        given: Values by name; lists are taken for tuples, whole numbers for floats.

    Raises:
        OptionError: If there is no setting of a name, or it takes no such value.
    """
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # a dataclass, by contract
    values = {}
    for name, value in given.items():
        if name not in names:
            raise OptionError(f"{owner} has no setting {name!r}{nearest(name, names)}")
        values[name] = _checked(f"{owner}: {name}", value, hints[name])
    return kind(**values)


def nearest(name: str, names: list[str]) -> str:
    """Return the rest of a complaint about an unknown *name*: the one that was probably meant, and all there are."""
    if not names:
        return "; it has none"
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{meant} it has {', '.join(names)}"


def _checked(subject: str, value: object, hint: Any) -> object:
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    for option in options:
        taken, converted = _taken(value, option)
        if taken:
            return converted
    raise OptionError(f"{subject}: expected {_shown(hint)}, got {value!r}")


def _taken(value: object, hint: Any) -> tuple[bool, object]:
    """Return whether *value* is of the type *hint*, and as what it is kept."""
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint), value
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, list | tuple):
            return False, value
        return all(_taken(each, item)[0] for each in value), tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return True, float(value)
    # A bool is an int to Python, and a mistake to whoever wrote it in a file.
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool)), value


def _shown(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    return getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint)
