"""Code, definition by definition: a function that moved to another file or was re-formatted is equal, a renamed one is
recognised by its content.

Equal means an equal digest of the syntax (`engine/canonical_ast.py`), which is what decided whether a step had to run.
"""

import ast
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from ..canonical_ast import canonical
from ..digest import digest
from ..ids import Digest
from .differences import Compared, Difference
from .facts import Definition
from .lines import counts, side_by_side, unified_text

Key = Callable[[Definition], object]
Change = Literal["changed", "added", "removed", "renamed", "moved"]
_ALIKE: Final = 0.75
"""How much of two definitions must be the same text for one to be the other under a new name."""
_LONG: Final = 3
"""Lines from which on that likeness means something."""


@dataclass(frozen=True, slots=True)
class CodeChange:
    """One definition that is not the same. `before` is A's, `after` B's; both are there unless it was added or
    removed."""

    change: Change
    before: Definition | None
    after: Definition | None

    @property
    def id(self) -> str:
        one = self.after or self.before
        assert one is not None, "a change has at least one side"
        return one.id

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that reach it on either side."""
        sides = [one.steps for one in (self.before, self.after) if one is not None]
        return tuple(dict.fromkeys(step for steps in sides for step in steps))

    @property
    def sources(self) -> tuple[str, str]:
        return self.before.source if self.before else "", self.after.source if self.after else ""

    def difference(self) -> Difference:
        old, new = self.before, self.after
        starts = (old.line if old else 1, new.line if new else 1)
        added, removed = counts(side_by_side(*self.sources, *starts))
        one = new or old
        assert one is not None, "a change has at least one side"
        return Difference(
            "code",
            self.id,
            f"{old.path}:{old.line}" if old else None,
            f"{new.path}:{new.line}" if new else None,
            {
                "change": self.change,
                "kind": "import" if one.is_import else one.kind,
                "name": one.name or one.id.rstrip(":"),
                "was": old.id if old and new and old.id != new.id else None,
                "steps": list(self.steps),
                "added": added,
                "removed": removed,
                "diff": unified_text(*self.sources, *starts),
            },
        )


def compare_code(a: Mapping[str, Definition], b: Mapping[str, Definition]) -> Compared:
    """Definitions by id, from A to B."""
    changes, equal = code_changes(a, b)
    return Compared("code", tuple(one.difference() for one in changes), equal)


def code_changes(a: Mapping[str, Definition], b: Mapping[str, Definition]) -> tuple[tuple[CodeChange, ...], int]:
    """What changed, and how many definitions did not."""
    both = [name for name in b if name in a]
    changes = [CodeChange("changed", a[name], b[name]) for name in both if a[name].digest != b[name].digest]
    gone = [one for name, one in a.items() if name not in b]
    came = [one for name, one in b.items() if name not in a]
    equal = len(both) - len(changes)

    moved = _pairs(gone, came, lambda one: (one.name, one.kind, one.digest) if one.name else None)
    gone, came = _without(gone, came, moved)
    changes += [CodeChange("moved", old, new) for old, new in moved if new.kind == "class"]
    equal += sum(new.kind != "class" for _, new in moved)

    renamed = _pairs(gone, came, _content) + _alike(*_without(gone, came, _pairs(gone, came, _content)))
    gone, came = _without(gone, came, renamed)
    changes += [CodeChange("renamed", old, new) for old, new in renamed]
    changes += [CodeChange("added", None, one) for one in came]
    changes += [CodeChange("removed", one, None) for one in gone]
    return _sorted(_without_imports_of_moved(changes, moved)), equal


def _without_imports_of_moved(
    changes: Iterable[CodeChange], moved: Iterable[tuple[Definition, Definition]]
) -> list[CodeChange]:
    """An import that only follows a definition to its new file says nothing new."""
    names = {new.name for _, new in moved}
    return [
        one
        for one in changes
        if not all(side is None or (side.is_import and side.name in names) for side in (one.before, one.after))
    ]


def _sorted(changes: Iterable[CodeChange]) -> tuple[CodeChange, ...]:
    """Functions and classes before constants and imports, by place."""

    def key(one: CodeChange) -> tuple[bool, str, int]:
        side = one.after or one.before
        assert side is not None, "a change has at least one side"
        return side.is_import, side.path, side.line

    return tuple(sorted(changes, key=key))


def _pairs(gone: Iterable[Definition], came: Iterable[Definition], key: Key) -> list[tuple[Definition, Definition]]:
    """Definitions of equal key, each used once."""
    there: dict[object, list[Definition]] = {}
    for one in gone:
        if (known := key(one)) is not None:
            there.setdefault(known, []).append(one)
    found: list[tuple[Definition, Definition]] = []
    for one in came:
        known = key(one)
        if known is not None and there.get(known):
            found.append((there[known].pop(0), one))
    return found


def _without(
    gone: Iterable[Definition], came: Iterable[Definition], pairs: Iterable[tuple[Definition, Definition]]
) -> tuple[list[Definition], list[Definition]]:
    used = list(pairs)
    old, new = {one.id for one, _ in used}, {one.id for _, one in used}
    return [one for one in gone if one.id not in old], [one for one in came if one.id not in new]


def _content(one: Definition) -> Digest | None:
    """The syntax of a definition without its own name; None where that says too little to recognise it by."""
    if one.kind not in ("function", "class") or not one.name:
        return None
    try:
        tree = ast.parse(textwrap.dedent(one.source))
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == one.name:
            node.name = "_"
        elif isinstance(node, ast.Name) and node.id == one.name:
            node.id = "_"
    return digest("renamed/1", one.kind, [canonical(node) for node in tree.body])


def _alike(gone: Iterable[Definition], came: Iterable[Definition]) -> list[tuple[Definition, Definition]]:
    """Long definitions of which most is the same text, the likest first."""
    fit = [
        (ratio, old, new)
        for old in gone
        for new in came
        if old.kind == new.kind == "function"
        and min(old.source.count("\n"), new.source.count("\n")) >= _LONG
        and (ratio := SequenceMatcher(None, old.source, new.source, autojunk=False).ratio()) >= _ALIKE
    ]
    found: list[tuple[Definition, Definition]] = []
    for _, old, new in sorted(fit, key=lambda one: -one[0]):
        if not any(old is one or new is other for one, other in found):
            found.append((old, new))
    return found
