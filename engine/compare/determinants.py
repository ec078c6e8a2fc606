"""What determined two runs besides their code: params, files, packages, interpreter, hardware, target."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..digest import digest
from ..ids import Json
from .code import compare_code
from .differences import Compared, Difference, Kind
from .facts import FileFact, RunFacts


def compare_determinants(a: RunFacts, b: RunFacts) -> Iterator[Compared]:
    """Everything that was there before the first step ran."""
    yield _values("param", a.params, b.params)
    yield compare_code(a.definitions, b.definitions)
    yield _files(a, b)
    yield _values("package", a.packages, b.packages)
    yield _values("python", {"python": a.python or None}, {"python": b.python or None})
    yield _values("hardware", a.hardware, b.hardware)
    yield _target(a, b)


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal, types included: 1, 1.0 and True are three values."""
    return digest("value/1", one) == digest("value/1", other)


def _values(kind: Kind, a: Mapping[str, Any], b: Mapping[str, Any]) -> Compared:  # Any: JSON
    names = [*a, *(name for name in b if name not in a)]
    differences = [
        Difference(kind, name, a.get(name), b.get(name), _presence(name, a, b))
        for name in names
        if (name in a) != (name in b) or not same(a.get(name), b.get(name))
    ]
    return Compared(kind, tuple(differences), len(names) - len(differences))


def _presence(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    return {"change": "changed" if name in a and name in b else "added" if name in b else "removed"}


def _files(a: RunFacts, b: RunFacts) -> Compared:
    """By content. A file that only a step without a known end would have read is not told as gone."""
    differences: list[Difference] = []
    equal = 0
    for path in dict.fromkeys((*a.files, *b.files)):
        old, new = a.files.get(path), b.files.get(path)
        if old is not None and new is not None and old.content_hash == new.content_hash:
            equal += 1
            continue
        present, absent = (old, b) if new is None else (new, a)
        if (old is None or new is None) and present is not None and not _would_be_known(present, absent):
            continue
        differences.append(
            Difference(
                "file",
                path,
                None if old is None else old.content_hash[:12],
                None if new is None else new.content_hash[:12],
                {
                    **_presence(path, a.files, b.files),
                    "bytes": [None if one is None else one.bytes for one in (old, new)],
                    "steps": list(_steps(one for one in (old, new) if one is not None)),
                    "declared": any(one is not None and one.argument for one in (old, new)),
                },
            )
        )
    return Compared("file", tuple(differences), equal)


def _would_be_known(present: FileFact, absent: RunFacts) -> bool:
    """Whether a file that only one side has would be on the other too, if it had been read there. What a step was seen
    to read without declaring it is recorded where it ran, not where its result was taken over."""
    if present.argument:
        return any(absent.knows(step) for step in present.steps)
    return any(
        step not in absent.graph or (step in absent.steps and absent.steps[step].state == "done")
        for step in present.steps
    )


def _steps(files: Iterable[FileFact]) -> dict[str, None]:
    return dict.fromkeys(step for one in files for step in one.steps)


def _target(a: RunFacts, b: RunFacts) -> Compared:
    return _values("target", {"target": a.target, "host": a.host}, {"target": b.target, "host": b.host})
