"""What reading a piece of syntax tells: the names it binds, refers to, calls and changes.

Values only; `scopes.py` finds them, `modules.py` says what the names mean.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Import(NamedTuple):
    """`from <level dots><module> import <name>`, or `import <module>` when `name` is empty."""

    level: int
    module: str
    name: str = ""


class Ref(NamedTuple):
    """A dotted name: looked up in the module itself, or below what a function imported (`source`)."""

    source: Import | None
    path: tuple[str, ...]


Act = Literal["call", "strong", "target", "base"]
"""`call`: calls it. `strong`: calls a method that may mutate the object before the dot. `target`: assigns to an item or
attribute of it, or re-binds it by `global`. `base`: a class made from it."""


class Action(NamedTuple):
    act: Act
    ref: Ref


@dataclass(slots=True)
class Facts:
    """What one walk found. `now` happens when the module is imported, `later` when a function of it is called."""

    bound: dict[str, None] = field(default_factory=dict[str, None])
    imports: list[tuple[str, Import]] = field(default_factory=list[tuple[str, Import]])
    stars: list[Import] = field(default_factory=list[Import])
    loads: dict[Import, None] = field(default_factory=dict[Import, None])
    late_loads: dict[Import, None] = field(default_factory=dict[Import, None])
    refs: dict[Ref, None] = field(default_factory=dict[Ref, None])
    now: dict[Action, None] = field(default_factory=dict[Action, None])
    later: dict[Action, None] = field(default_factory=dict[Action, None])
    literals: dict[str, None] = field(default_factory=dict[str, None])
    evals: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    spots: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    hooks: bool = False
