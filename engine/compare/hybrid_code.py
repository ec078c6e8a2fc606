"""The code of a hybrid, and whether code can be taken apart at all.

Composed source is checked where the truth is known: with nothing taken every step must have the fingerprint it had in
A, with everything taken that of B. Where it has not (a step moved to another file, definitions that are made by
decorators of others, another configuration), all code is one factor.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..errors import InstepError
from ..graph_reader import read_graph
from ..ids import Digest, Json
from ..reach import fingerprint_steps
from ..source_index import IndexCache
from .compose import NotComposable, compose
from .factors import ALL_CODE, Factor
from .facts import RunFacts
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Code:
    """Files by path, and the `[project]` table they belong to."""

    files: Mapping[str, bytes]
    config: Mapping[str, Json]


def hybrid_code(a: Snapshot, b: Snapshot, facts: tuple[RunFacts, RunFacts], taken: Sequence[Factor]) -> Code:
    """A's code with the definitions of the `taken` factors from B. Raises NotComposable."""
    if any(one.name == ALL_CODE for one in taken):
        return Code(b.code, b.started.config)
    names: dict[str, set[str]] = {}
    whole: set[str] = set()
    for one in taken:
        if one.kind == "file":
            whole.update(one.subjects)  # a package's data file may be read as an input too
        for subject in one.subjects if one.kind == "code" else ():
            for run in facts:
                if subject in run.definitions:
                    definition = run.definitions[subject]
                    names.setdefault(definition.path, set()).add(definition.name.removesuffix(" (import)"))
    if not names:  # A's very bytes: the same bundle, the same lines in an error
        return Code({**a.code, **{path: b.code[path] for path in whole if path in b.code}}, a.started.config)
    return Code(compose(a.code, b.code, names, whole), a.started.config)


def comes_apart(
    a: Snapshot, b: Snapshot, facts: tuple[RunFacts, RunFacts], factors: Sequence[Factor], steps: Collection[str]
) -> bool:
    """Whether the two ends, composed, do for these steps what A and B did."""
    if a.started.config != b.started.config:
        return False
    if not any(one.kind == "code" for one in factors):
        return True
    try:
        # Composed also where nothing is taken: what only B has must not change what A does.
        ends = (Code(compose(a.code, b.code, {}), a.started.config), hybrid_code(a, b, facts, factors))
        found = [_fingerprints(one, a) for one in ends]
    except (NotComposable, InstepError):
        return False
    wanted = [{str(name): one.digest for name, one in side.fingerprints.items()} for side in (a, b)]
    return all(
        own.get(step) == composed.get(step)
        for own, composed in zip(wanted, found, strict=True)
        for step in steps
        if step in own
    )


def _fingerprints(code: Code, snapshot: Snapshot) -> dict[str, Digest]:
    python = {path: data for path, data in code.files.items() if path.endswith(".py")}
    index = IndexCache()
    graph = read_graph(snapshot.project, python, index)
    return {str(name): one.digest for name, one in fingerprint_steps(snapshot.project, graph, python, index).items()}
