"""Everything that no other format takes: pickle protocol 5 with its large buffers beside it.

The same object made in two processes pickles to different bytes: texts are memoized by identity, sets are ordered by
the hash seed. So the content hash is that of a second, pure-Python pickle that memoizes no text and sorts sets; what is
stored is the ordinary pickle, with its sharing.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportUnknownLambdaType=false
# pyright: reportIncompatibleVariableOverride=false, reportUnknownParameterType=false, reportMissingTypeStubs=false
# A user's values are of any type.

import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final

from ..errors import MissingObject
from ..ids import Digest
from .artifact import Artifact
from .format import OutputError, Stored, class_name, refused
from .objects import ObjectStore
from .preview import of_value

_MAGIC: Final = b"instep-pickle/1\n"
_SLOW: Final = 20 << 20
"""Bytes of pickle (without buffers) beyond which the canonical hash would take seconds; then the bytes count."""


class PickleFormat:
    name = "pickle"
    endings = (".pkl", ".pickle")

    def accepts(self, value: Any) -> bool:  # Any: whatever a step returned
        return True

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: whatever a step returned
        """Raises OutputError that names what cannot be pickled."""
        data, buffers = dumps(value)
        content = content_hash(value, data, buffers)
        packed = pack(data, buffers)
        stored = objects.put(content, self.name, packed)
        artifact = Artifact(
            content, "object", self.name, class_name(value), stored.bytes, _length(value), preview=of_value(value)
        )
        return Stored(artifact, (stored,))

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: the value that was stored
        return unpack(objects.read(artifact.content_hash, self.name))

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        """A pickle that `pickle.load` reads; the value is not built here."""
        data, buffers = parts(objects.read(artifact.content_hash, self.name))
        path.write_bytes(_with_buffers(data, buffers) if buffers else data)


def _with_buffers(data: bytes, buffers: list[bytearray]) -> bytes:
    """The same pickle with its buffers in it, made opcode by opcode: building the value would run the user's code.

    A buffer outside becomes a bytearray inside; frames are left out, because their lengths would be wrong.
    """
    import pickletools

    out: list[bytes] = []
    waiting = iter(buffers)
    marks = [(opcode.name, position) for opcode, _, position in pickletools.genops(data)]
    for (name, start), (_, end) in zip(marks, [*marks[1:], ("", len(data))], strict=True):
        if name == "NEXT_BUFFER":
            content = next(waiting)
            out.append(pickle.BYTEARRAY8 + struct.pack("<Q", len(content)) + content)
        elif name != "FRAME":
            out.append(data[start:end])
    return b"".join(out)


def dumps(value: object) -> tuple[bytes, list[memoryview]]:
    """Pickle and buffers. Raises OutputError."""
    import cloudpickle

    buffers: list[pickle.PickleBuffer] = []
    try:
        data = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        return data, [one.raw() for one in buffers]
    except Exception as error:
        raise _unpicklable(value, error) from error


def pack(data: bytes, buffers: list[memoryview]) -> bytes:
    sizes = [len(data), *(one.nbytes for one in buffers)]
    head = struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
    return b"".join([_MAGIC, head, data, *(bytes(one) for one in buffers)])


def parts(packed: bytes) -> tuple[bytes, list[bytearray]]:
    """The pickle and its buffers, which are writable: arrays that were writable stay so. Raises MissingObject."""
    try:
        if not packed.startswith(_MAGIC):
            raise ValueError("not a pickle of instep")
        at = len(_MAGIC)
        (count,) = struct.unpack_from("<I", packed, at)
        sizes = struct.unpack_from(f"<{count}Q", packed, at + 4)
        at += 4 + 8 * count
        if at + sum(sizes) != len(packed):
            raise ValueError("cut off")
    except (ValueError, struct.error) as error:
        raise MissingObject(f"a pickled output is damaged ({error})", mend="Run `instep verify`.") from None
    found: list[bytes] = []
    for size in sizes:
        found.append(packed[at : at + size])
        at += size
    return found[0], [bytearray(one) for one in found[1:]]


def unpack(packed: bytes) -> Any:  # Any: the value that was pickled
    data, buffers = parts(packed)
    return _Unpickler(io.BytesIO(data), buffers=buffers).load()


_listener: Callable[[str], None] | None = None
"""Told the module of every class and function that is looked up; `None` outside a step."""


def listen(listener: Callable[[str], None] | None) -> None:
    """A step depends on the classes of the values it gets, whether its code names them or not: the worker listens."""
    global _listener  # noqa: PLW0603  values are loaded in many places, by code that knows no step
    _listener = listener


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # Any: what the base class says
        if _listener is not None:
            _listener(module)
        return super().find_class(module, name)


def content_hash(value: object, data: bytes, buffers: list[memoryview]) -> Digest:
    from blake3 import blake3

    hasher = blake3(b"pickle/1")
    canonical = data if len(data) > _SLOW else _canonical(value)
    hasher.update(canonical if canonical is not None else data)
    for one in buffers:
        hasher.update(b"buffer%d:" % one.nbytes)
        hasher.update(one.cast("B") if one.nbytes else b"")
    return Digest(hasher.hexdigest(length=16))


def _canonical(value: object) -> bytes | None:
    """Bytes that are the same for equal values in any process; None where the pure-Python pickler gives up."""
    buffer = io.BytesIO()
    try:
        _Canonical(buffer, protocol=5, buffer_callback=lambda _: False).dump(value)
    except Exception:
        return None
    return buffer.getvalue()


# `pickle.Pickler`, written in C, lets nobody change what is memoized or how a set is saved. The same in Python does,
# but has no public name; joblib hashes by it, too.
_InPython: Any = pickle._Pickler  # pyright: ignore[reportPrivateUsage]  # Any: what it has is not in its stubs


class _Canonical(_InPython):
    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(_InPython.dispatch)

    def memoize(self, obj: object) -> None:
        if not isinstance(obj, str | bytes | int | float | frozenset):
            super().memoize(obj)

    def reducer_override(self, obj: object) -> Any:  # Any: what pickle's protocol says
        """Functions and classes of `__main__`, lambdas and closures: as cloudpickle would, by value."""
        import cloudpickle

        return cloudpickle.Pickler(io.BytesIO(), protocol=5).reducer_override(obj)

    def save_set(self, obj: set[object] | frozenset[object]) -> None:
        items = sorted((_canonical(item) or repr(item).encode(), number) for number, item in enumerate(obj))
        self.save((type(obj).__name__, [item for item, _ in items]))
        self.memoize(obj)  # so that one set that is held twice is not two equal ones


_Canonical.dispatch[set] = _Canonical.save_set
_Canonical.dispatch[frozenset] = _Canonical.save_set


def _length(value: object) -> int | None:
    try:
        return len(value) if isinstance(value, list | tuple | dict | set) else None
    except Exception:
        return None


def _unpicklable(value: object, error: Exception) -> OutputError:
    if isinstance(error, RecursionError) or "recursion" in str(error):
        name = class_name(value).rpartition(".")[2]
        what = f"the output, a {name}, is nested too deep to be stored"
        return refused(what, "Return it flat: a list of its parts, or a table.", f"{type(error).__name__}: {error}")
    trail, culprit = _culprit(value)
    name = class_name(value).rpartition(".")[2]
    where = f"its `{trail}` is a {class_name(culprit)}" if trail else ""
    return refused(
        f"the output, a {name}, cannot be stored: {where or error}",
        "Take it out before returning, return the data it was made from, or give its class a `__reduce__`.",
        f"{type(error).__name__}: {error}" if where else "",
    )


def _culprit(value: object) -> tuple[str, object]:
    """The path to the innermost part that cannot be pickled."""
    trail = ""
    for _ in range(12):
        for name, part in _parts_of(value):
            if not _picklable(part):
                trail, value = trail + name, part
                break
        else:
            break
    return trail.removeprefix("."), value


def _parts_of(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", one) for key, one in list(value.items())[:1000]]
    if isinstance(value, list | tuple):
        return [(f"[{at}]", one) for at, one in enumerate(value[:1000])]
    held: dict[str, object] = getattr(value, "__dict__", {}) if not isinstance(value, type) else {}
    return [(f".{name}", one) for name, one in held.items()]


def _picklable(value: object) -> bool:
    import cloudpickle

    try:
        cloudpickle.dumps(value, protocol=5)
    except Exception:
        return False
    return True
