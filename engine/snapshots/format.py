"""What a format is: one class for each kind of value, between a value and the bytes that stand for it.

Nothing here or in a format imports a library that the value's own process has not: a kind is recognised by what is in
`sys.modules` (`loaded`). A custom kind subclasses `OneFile` and is passed to `formats.register`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import IO, Protocol

from ..errors import MissingObject, Problem, StepError, UsageError
from ..ids import Digest
from .artifact import Artifact, Kind
from .mapped import whole
from .objects import ObjectStore, StoredObject

INLINE = 4096
"""Bytes of canonical JSON up to which a value has no file."""
VERIFY = "Run `instep verify`; the step that made it will be stale and run again."


class OutputError(StepError):
    """A value that cannot be kept; its problem names the part that is in the way and how to mend it."""


class Unfit(Exception):
    """The format accepted the value's type but cannot give exactly this value back; the next format is tried."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a value, and the objects that were written for it."""

    artifact: Artifact
    objects: tuple[StoredObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Dumped:
    """A value ready to be written as one run of bytes. `holds` is what `write` must outlive."""

    artifact: Artifact
    write: Callable[[IO[bytes]], object]
    shared: frozenset[int] = field(default_factory=frozenset[int])
    """Ids of the objects in the value that others could refer to as well."""


class Format(Protocol):
    """`name` is the ending of its objects; `endings` are what `instep out` can make of it."""

    name: str
    kind: Kind
    endings: tuple[str, ...]

    def accepts(self, value: object) -> bool: ...

    def store(self, value: object, objects: ObjectStore) -> Stored:
        """Raises Unfit, OutputError, StoreError."""
        ...

    def load(self, artifact: Artifact, objects: ObjectStore) -> object: ...

    def dump(self, value: object) -> Dumped:
        """The value as one run of bytes, for an object of its own or a block. Raises Unfit, OutputError."""
        ...

    def parse(self, artifact: Artifact, data: memoryview) -> object:
        """The value again; `data` is writable and nobody else's."""
        ...

    def export(self, artifact: Artifact, objects: ObjectStore, ending: str, file: IO[bytes]) -> None: ...


class OneFile:
    """The usual way: a value is one object `<content hash>.<name>`. Subclasses say `dump` and `parse`."""

    name: str
    kind: Kind
    endings: tuple[str, ...] = ()

    def store(self, value: object, objects: ObjectStore) -> Stored:
        dumped = self.dump(value)
        written = objects.put(dumped.artifact.content_hash, self.name, dumped.write)
        return Stored(replace(dumped.artifact, bytes=written.bytes), (written,))

    def load(self, artifact: Artifact, objects: ObjectStore) -> object:
        return self.parse(artifact, whole(objects, artifact.content_hash, self.name))

    def dump(self, value: object) -> Dumped:
        raise NotImplementedError

    def parse(self, artifact: Artifact, data: memoryview) -> object:
        raise NotImplementedError

    def export(self, artifact: Artifact, objects: ObjectStore, ending: str, file: IO[bytes]) -> None:
        """The object as it is, whatever the ending."""
        file.write(whole(objects, artifact.content_hash, self.name))


def loaded(module: str) -> ModuleType | None:
    """A library if this process has imported it already."""
    return sys.modules.get(module)


def is_instance(value: object, module: str, *names: str) -> bool:
    """Whether `value` is of exactly one of these classes of a library, without importing it."""
    found = loaded(module)
    return found is not None and any(type(value) is getattr(found, name, None) for name in names)


def damaged(content_hash: Digest, format: str, why: object) -> MissingObject:
    what = f"the object {content_hash[:12]}….{format} cannot be read"
    return MissingObject(Problem(what, why=str(why).partition("\n")[0][:300], mend=VERIFY))


def wrong_ending(artifact: Artifact, ending: str, endings: tuple[str, ...]) -> UsageError:
    possible = ", ".join(endings) or "none"
    what = f"{_a(artifact.kind)} ({artifact.format}) cannot be written as {ending or 'a file without an ending'}"
    return UsageError(Problem(what, mend=f"Use one of the endings {possible}."))


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
