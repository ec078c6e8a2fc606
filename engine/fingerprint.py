"""What a step's code does → Digest; what it reached → reasons."""

from dataclasses import dataclass

from .errors import Place
from .ids import Digest
from .source_index import UnitKind


@dataclass(frozen=True, slots=True)
class Unit:
    """One module-level name with every statement that binds or visibly mutates it.

    `id` is `module:name` (`module:` for a module's init). `digest` is of its own syntax only, without what it refers
    to. `source` is the text of its statements as written. `via` is the call path from the step's function to it, names
    of units, the step's own first, itself last.
    """

    id: str
    kind: UnitKind
    digest: Digest
    place: Place
    source: str
    via: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one step's code does.

    `digest` covers everything in `units` (a Merkle digest); `imports` are the top-level names of non-first-party
    modules that the reached code refers to, standard library left out; `modules` the first-party modules it reaches;
    `literals` the string constants in reached code that could be paths; `blind_spots` sentences, each with its place,
    on what a static reading cannot know.
    """

    digest: Digest
    units: tuple[Unit, ...]
    imports: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()
    blind_spots: tuple[str, ...] = ()
