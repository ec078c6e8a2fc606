"""The source of definitions as it stood in a run.

A definition is recorded once for each fingerprint. What does not count (comments, docstrings, formatting, and the
defaults of a step's params, which count as params) may have changed since without another fingerprint: what is shown to
a person is read from the code that the run stored.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from ..errors import StoreError, UsageError
from .code import code_changes
from .definitions import definitions_of
from .facts import RunFacts
from .snapshot import read_snapshot


def as_they_stood(store: Path, a: RunFacts, b: RunFacts) -> tuple[RunFacts, RunFacts]:
    """Both with the source that each run had of what differs between them; what is equal is left as it is."""
    changes, _ = code_changes(a.definitions, b.definitions)
    old = {one.before.id for one in changes if one.before is not None}
    new = {one.after.id for one in changes if one.after is not None}
    return _as_it_stood(store, a, old), _as_it_stood(store, b, new)


def _as_it_stood(store: Path, run: RunFacts, wanted: Collection[str]) -> RunFacts:
    if not wanted or not run.label.isdigit():
        return run
    try:
        fingerprints = read_snapshot(store, int(run.label)).fingerprints
    except (StoreError, UsageError):
        return run  # the code itself is gone; what was recorded of it first is still told
    stood = definitions_of({name: one.units for name, one in fingerprints.items()})
    definitions = dict(run.definitions)
    for name in wanted:
        one, now = definitions[name], stood.get(name)
        if now is not None and now.digest == one.digest:
            definitions[name] = replace(one, path=now.path, line=now.line, source=now.source)
    return replace(run, definitions=definitions)
