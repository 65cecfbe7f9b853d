"""
Values of the core: ``@dataclass(frozen=True, slots=True)`` at a fraction of what the standard one costs at import.

Before Python 3.13 that compiles six functions for each class, one by one, and was half of what importing the core
took. Here only ``__init__`` is compiled; what compares, shows and protects a value is the same for all classes.
Fields, defaults, slots, ``replace`` and pattern matching stay the standard library's.

Only what the core uses: a class that needs ``kw_only`` or ``order`` takes the standard decorator.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any


class _Common:
    """The methods that every value has, unless its class says otherwise."""

    @recursive_repr()
    def __repr__(self) -> str:
        shown = (f"{each.name}={getattr(self, each.name)!r}" for each in _fields(self) if each.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(_key(self) == _key(other))

    def __hash__(self) -> int:
        return hash(_key(self))

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    # Copies and pickles would assign by default.

    def __getstate__(self) -> list[Any]:
        return [getattr(self, each.name) for each in _fields(self)]

    def __setstate__(self, state: list[Any]) -> None:
        for each, value in zip(_fields(self), state, strict=True):
            object.__setattr__(self, each.name, value)


_METHODS = {name: method for name, method in vars(_Common).items() if callable(method)}


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)


def _key(value: Any) -> Any:
    return _compared(value.__class__)(value)


@cache
def _compared(cls: type) -> Callable[[object], Any]:
    names = [each.name for each in _fields(cls) if each.compare]
    return attrgetter(*names) if names else lambda _: ()


def _value(cls: type) -> type:
    # It refuses a class that is not frozen below one that is; elsewhere this would compile two functions more.
    frozen = any(base.__dataclass_params__.frozen for base in cls.__mro__[1:] if dataclasses.is_dataclass(base))  # type: ignore[attr-defined]  # typeshed does not know it
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, frozen=frozen)(cls)
    # What the standard decorator goes by when a user's class extends this one.
    for has in ("init", "repr", "eq", "frozen"):
        setattr(made.__dataclass_params__, has, True)
    made.__init__ = _initializer(made)
    for name, method in _METHODS.items():
        # Python itself puts __hash__ = None beside an own __eq__.
        if cls.__dict__.get(name) is None:
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]  # a class


def _initializer(cls: Any) -> Any:
    # By the slots' own descriptors, because assigning is what is forbidden.
    scope: dict[str, Any] = {}
    parameters, lines = ["self"], []
    for each in _fields(cls):
        name, default = each.name, f"_default_{each.name}"
        scope[f"_set_{name}"] = getattr(cls, name).__set__
        has_default = each.default is not dataclasses.MISSING
        if has_default:
            scope[default] = each.default
        given = name if each.init else default
        if each.default_factory is not dataclasses.MISSING:
            if each.init:
                raise TypeError(f"{cls.__qualname__}.{name}: default_factory is only for a field with init=False")
            scope[default] = each.default_factory
            given = f"{default}()"
        if each.init:
            parameters.append(f"{name}={default}" if has_default else name)
        lines.append(f"_set_{name}(self, {given})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "; ".join(lines) or "pass"
    exec(f"def __init__({', '.join(parameters)}): {body}", scope)  # names of fields, nothing from outside
    made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    made.__annotations__ = {each.name: each.type for each in _fields(cls) if each.init} | {"return": None}
    return made


def _dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
    """Return what makes a class one of frozen values with slots: both are said, as the standard one wants it."""
    if not (frozen and slots):
        raise TypeError("dataclass: only for frozen=True, slots=True; take the standard library's for anything else")
    return _value


if TYPE_CHECKING:
    # To type checkers and editors it is the standard one, with all that they know of it.
    from dataclasses import dataclass as dataclass
else:
    dataclass = _dataclass
