"""What a format is, and what storing a value gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from ..errors import Problem, StepError
from .artifact import Artifact
from .objects import ObjectStore, StoredObject

INLINE: Final = 4096
"""Characters of canonical JSON that an artifact carries itself instead of an object."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An artifact and the objects that were written for it, or were there already."""

    artifact: Artifact
    objects: tuple[StoredObject, ...] = ()


class OutputError(StepError):
    """A value that cannot be stored."""


class Format(Protocol):
    """One kind of value ↔ bytes. Register one with `formats.register` to store a kind in a way of your own.

    `name` is the ending of its objects. `accepts` must be cheap and import nothing that the value's own process has
    not imported. `endings` are those of files that `export` can write.
    """

    @property
    def name(self) -> str: ...
    @property
    def endings(self) -> tuple[str, ...]: ...

    def accepts(self, value: Any) -> bool: ...  # Any: whatever a step returned

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: a value it accepts
        """Raises OutputError or StoreError."""
        ...

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: the value that was stored
        """Raises MissingObject."""
        ...

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        """Write the artifact to `path`, whose ending is one of `endings`; unpickles nothing."""
        ...


def refused(what: str, mend: str, why: str = "") -> OutputError:
    return OutputError(Problem(what, why=why, mend=mend))


def class_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def summary_of_metrics(found: Mapping[str, float]) -> dict[str, Any] | None:  # Any: JSON
    return {"metrics": dict(found)} if found else None
