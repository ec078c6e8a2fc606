"""The definitions that a run's steps reached: as they were recorded, or read again from the code that was kept."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import StoreError, UsageError
from ..fingerprint import Unit
from ..ids import Digest
from ..snapshots.queries import Reader
from .facts import Definition

Row = Mapping[str, Any]  # Any: values of DuckDB
_GROUPED = """select qualname, digest, any_value(kind) as kind, any_value(path) as path,
    any_value(first_line) as first_line, any_value(source) as source, list(distinct fingerprint) as fingerprints,
    bool_or(split_part(qualname, ':', 2) = step) as root from definition where list_contains(?, fingerprint)
    group by qualname, digest"""


def recorded_definitions(found: Reader, steps: Iterable[Row]) -> dict[str, Definition]:
    """Every definition that the steps reach. A step's own function counts without `@step` and the defaults of its
    params where it is reached as the step itself, so that form goes before the one that others see."""
    owners: dict[str, list[str]] = {}
    for row in steps:
        if row["fingerprint"]:
            owners.setdefault(row["fingerprint"], []).append(row["step"])
    definitions: dict[str, Definition] = {}
    for row in sorted(found.rows(_GROUPED, [list(owners)]), key=lambda one: one["root"]):
        reached = sorted({step for one in row["fingerprints"] for step in owners[one]})
        definitions[row["qualname"]] = Definition(
            row["qualname"],
            row["kind"],
            Digest(row["digest"]),
            row["path"],
            row["first_line"],
            row["source"],
            _merged(definitions.get(row["qualname"]), reached),
        )
    return definitions


def _merged(known: Definition | None, steps: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(known.steps if known else ()), *steps)))


def definitions_from_snapshot(
    store: Path, number: int, steps: Iterable[str], known: Mapping[str, Definition]
) -> dict[str, Definition]:
    """The definitions of steps that were not decided (blocked, not asked for), read from the stored code."""
    from .snapshot import read_snapshot

    try:
        fingerprints = read_snapshot(store, number).fingerprints
    except (StoreError, UsageError):
        return dict(known)  # the code itself is gone; what the run's steps recorded of theirs is still told
    wanted = set(steps)
    return definitions_of({name: one.units for name, one in fingerprints.items() if name in wanted}, known)


def definitions_of(
    units: Mapping[Any, Sequence[Unit]],  # Any: step names, as `StepName` or as a plain text
    known: Mapping[str, Definition] | None = None,
) -> dict[str, Definition]:
    """The definitions of some steps by id; a step's own form goes before the one that others see."""
    found = dict(known or {})
    roots: set[str] = set()
    for step, reached in units.items():
        for at, one in enumerate(reached):
            before = found.get(one.id)
            if before is not None and (at > 0 or one.id in roots):
                found[one.id] = Definition(
                    before.id,
                    before.kind,
                    before.digest,
                    before.path,
                    before.line,
                    before.source,
                    _merged(before, [step]),
                )
                continue
            if at == 0:
                roots.add(one.id)
            found[one.id] = Definition(
                one.id, one.kind, one.digest, one.place.path, one.place.line, one.source, _merged(before, [step])
            )
    return found
