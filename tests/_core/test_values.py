"""The core's own ``dataclass`` against the standard library's: the same values, made with less at import."""

import copy
import dataclasses
import inspect
import pickle

import pytest

from api_simulator._core import values


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    size: int
    name: str = "x"
    weight: float = dataclasses.field(default=1.0, compare=False)
    hidden: tuple[int, ...] = dataclasses.field(init=False, repr=False, default=())

    def __post_init__(self):
        object.__setattr__(self, "hidden", (self.size,))


@values.dataclass(frozen=True, slots=True)
class Ours:
    size: int
    name: str = "x"
    weight: float = dataclasses.field(default=1.0, compare=False)
    hidden: tuple[int, ...] = dataclasses.field(init=False, repr=False, default=())

    def __post_init__(self):
        object.__setattr__(self, "hidden", (self.size,))


@values.dataclass(frozen=True, slots=True)
class Nothing:
    pass


@values.dataclass(frozen=True, slots=True)
class Case:
    text: str

    def __eq__(self, other):
        return isinstance(other, Case) and self.text.lower() == other.text.lower()

    def __hash__(self):
        return hash(self.text.lower())


@values.dataclass(frozen=True, slots=True)
class Loop:
    items: list[object]


LOOKS = {
    "shown": lambda kind: repr(kind(3, weight=2.0)).partition("(")[2],
    "equal whatever is not compared": lambda kind: kind(3) == kind(3, weight=2.0),
    "unequal": lambda kind: kind(3) == kind(4),
    "unequal to a tuple": lambda kind: kind(3) == (3, "x"),
    "one member of a set": lambda kind: len({kind(3), kind(3, weight=2.0), kind(3, "y")}),
    "signature": lambda kind: str(inspect.signature(kind)),
    "fields": lambda kind: [each.name for each in dataclasses.fields(kind)],
    "replaced": lambda kind: dataclasses.asdict(dataclasses.replace(kind(3), size=5)),
    "copied": lambda kind: dataclasses.astuple(copy.deepcopy(kind(3, "y", 2.0))),
    "pickled": lambda kind: dataclasses.astuple(pickle.loads(pickle.dumps(kind(3, "y", 2.0)))),
    "matched by place": lambda kind: kind.__match_args__,
    "without a dictionary": lambda kind: hasattr(kind(3), "__dict__"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_value_is_as_the_standard_librarys(look):
    """Whatever one can ask a frozen value of the standard library, ours says the same."""
    assert LOOKS[look](Ours) == LOOKS[look](Standard)


@pytest.mark.parametrize("kind", [Standard, Ours])
def test_a_value_stays_as_it_is(kind):
    """Assigning and deleting are refused, for fields and for anything else."""
    value = kind(3)

    for change in (lambda: setattr(value, "size", 4), lambda: delattr(value, "size")):
        with pytest.raises(dataclasses.FrozenInstanceError, match="'size'"):
            change()

    assert value.size == 3


@pytest.mark.parametrize("arguments", [{}, {"size": 1, "hidden": ()}, {"size": 1, "other": 2}])
def test_wrong_arguments_are_refused_as_by_a_function(arguments):
    """What a constructor does not take, or lacks, is a TypeError that names it."""
    for kind in (Standard, Ours):
        with pytest.raises(TypeError, match=rf"{kind.__name__}\.__init__\(\)"):
            kind(**arguments)


def test_what_a_class_says_itself_is_kept():
    """Own methods win over the common ones."""
    assert Case("A") == Case("a")
    assert {Case("A"), Case("a")} == {Case("A")}


def test_values_without_fields_and_values_within_themselves():
    """The edges of comparing and showing: nothing to compare, and no end."""
    loop = Loop([])
    loop.items.append(loop)

    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(loop) == "Loop(items=[...])"


def test_what_it_does_not_do_is_refused():
    """Another kind of class is the standard decorator's business, and it says so."""
    with pytest.raises(TypeError, match="standard library"):
        values.dataclass(frozen=False, slots=True)


def test_a_users_class_may_extend_one():
    """To the standard decorator it is what type checkers take it for: frozen, and nothing else may stand on it."""

    @dataclasses.dataclass(frozen=True)
    class Larger(Ours):
        more: int = 7

    assert Larger(3) == Larger(3, more=7)
    assert Larger(3).size == 3
    with pytest.raises(TypeError, match="frozen"):

        @dataclasses.dataclass
        class Loose(Ours):  # type: ignore[misc]  # what type checkers say of it too
            more: int = 7
