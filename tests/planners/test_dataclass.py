"""The quick dataclass against the standard one: whatever can be seen of them is the same."""

from __future__ import annotations

import copy
import dataclasses
import operator
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.dataclass import dataclass as quick


def classes(dataclass: Callable[..., Any]) -> tuple[Any, ...]:
    """The same classes, made by either."""

    @dataclass(frozen=True, slots=True)
    class Base:
        kind: ClassVar[str] = "base"
        name: str
        size: int = 0

    @dataclass(frozen=True, slots=True, order=True)
    class Derived(Base):
        """With more fields, of all sorts."""

        kind: ClassVar[str] = "derived"
        tags: tuple[str, ...] = ()
        many: list[int] = field(default_factory=list)
        hidden: str = field(default="x", repr=False)
        aside: int = field(default=7, compare=False)

        @property
        def double(self) -> int:
            return 2 * self.size

        def __str__(self) -> str:
            return f"<{self.name}>"

    @dataclass(slots=True)
    class Loose:
        count: int = 0
        by_name: dict[str, int] = field(default_factory=dict)

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    @dataclass(frozen=True, slots=True)
    class Own:
        value: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

        def __repr__(self) -> str:
            return "own"

    return Base, Derived, Loose, Empty, Own


QUICK, STANDARD = classes(quick), classes(dataclasses.dataclass)


def both(act: Callable[[tuple[Any, ...]], Any]) -> tuple[Any, Any]:
    """What it comes to with either: a value, or the error."""

    def outcome(made: tuple[Any, ...]) -> Any:
        try:
            return act(made)
        except Exception as error:  # errors are compared too
            return type(error)

    return outcome(QUICK), outcome(STANDARD)


ACTS: list[Callable[[tuple[Any, ...]], Any]] = [
    lambda c: repr(c[1]("a", 1, ("t",), hidden="h", aside=3)).replace("classes.<locals>.", ""),
    lambda c: [(f.name, f.type, f.default is dataclasses.MISSING, f.repr, f.compare) for f in fields(c[1])],
    lambda c: (c[0].__match_args__, c[1].__match_args__, c[1].__slots__, c[1].kind, c[1].__doc__),
    lambda c: c[0](),
    lambda c: c[0]("a", 1, 2),
    lambda c: c[0]("a", nothing=1),
    lambda c: c[0]("a", name="b"),
    lambda c: repr(replace(c[1]("a"), size=9)),
    lambda c: replace(c[1]("a"), nothing=9),
    lambda c: c[1]("a").many is c[1]("a").many,
    lambda c: c[1]("a", 4).double,
    lambda c: str(c[1]("a")),
    lambda c: setattr(c[0]("a"), "name", "b"),
    lambda c: delattr(c[0]("a"), "name"),
    lambda c: (hash(c[0]("a")) == hash(c[0]("a")), hash(c[0]("a")) == hash(c[0]("b"))),
    lambda c: hash(c[1]("a")),
    lambda c: hash(c[2]()),
    lambda c: (c[3]() == c[3](), hash(c[3]()) == hash(c[3]()), repr(c[3]()).rpartition(".")[2]),
    lambda c: (c[4](1) == c[4](2), hash(c[4](1)), repr(c[4](1))),
    lambda c: c[0]("a") == c[1]("a"),
    lambda c: c[0]("a") < c[0]("b"),
    lambda c: c[1]("a") < c[0]("b"),
    lambda c: c[1]("a", aside=1) == c[1]("a", aside=2),
    lambda c: dataclasses.asdict(c[1]("a", 2, ("x",), [1])),
    lambda c: copy.copy(c[1]("a", 2)) == c[1]("a", 2),
    lambda c: copy.deepcopy(c[1]("a", 2, (), [1])).many,
    lambda c: (dataclasses.is_dataclass(c[3]), hasattr(c[2](), "__dict__")),
]


@pytest.mark.parametrize("act", ACTS)
def test_it_is_seen_as_the_standard_one(act: Callable[[tuple[Any, ...]], Any]) -> None:
    ours, theirs = both(act)
    assert ours == theirs


def test_what_is_not_frozen_can_be_set() -> None:
    loose = QUICK[2]()
    loose.count += 2
    loose.by_name["a"] = 1
    assert (loose, QUICK[2]().by_name) == (QUICK[2](2, {"a": 1}), {})


values = st.tuples(st.text(max_size=2), st.integers(0, 3), st.tuples(st.text(max_size=1)))


@given(values, values)
def test_it_compares_as_the_standard_one(left: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert compare(QUICK[1](*left), QUICK[1](*right)) == compare(STANDARD[1](*left), STANDARD[1](*right))


@quick(frozen=True, slots=True)
class Kept:
    """One that can be found by its name."""

    name: str
    parts: tuple[int, ...] = ()


def test_it_goes_through_pickle_and_stays_frozen() -> None:
    again = pickle.loads(pickle.dumps(Kept("a", (1,))))  # noqa: S301  # written in this line
    assert again == Kept("a", (1,))
    with pytest.raises(FrozenInstanceError):
        again.name = "b"


def test_it_is_for_slots_only() -> None:
    with pytest.raises(TypeError, match="slots"):
        quick(frozen=True)
