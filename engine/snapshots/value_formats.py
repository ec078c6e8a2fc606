"""Plain values as canonical JSON, NumPy arrays, bytes and figures."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# A user's values are of any type.

import io
import json
from pathlib import Path
from typing import Any

from ..errors import MissingObject
from ..ids import Digest
from . import canonical_json
from .artifact import Artifact
from .content_hash import hash_array
from .format import INLINE, Stored, summary_of_metrics
from .objects import ObjectStore, hash_bytes
from .preview import of_array, of_value, plain


class JsonFormat:
    """None, numbers, texts, lists, tuples and dicts of them; what is short lies in the artifact itself."""

    name = "json"
    endings = (".json", ".txt")

    def accepts(self, value: Any) -> bool:  # Any: whatever a step returned
        return value is None or isinstance(value, bool | int | float | str | list | tuple | dict) or is_scalar(value)

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: a value that may turn out not to be plain
        """Raises NotPlain."""
        text = canonical_json.dumps(value)
        data = text.encode()
        artifact = self.artifact(value, text, len(data))
        if artifact.inline is not None:
            return Stored(artifact)
        return Stored(artifact, (objects.put(artifact.content_hash, self.name, data),))

    def artifact(self, value: Any, text: str, size: int) -> Artifact:  # Any: the value that `text` is of
        return Artifact(
            hash_bytes(text.encode()),
            "text" if isinstance(value, str) else "value",
            self.name,
            "json",
            size,
            len(value) if isinstance(value, list | tuple) else None,
            None,
            summary_of_metrics(canonical_json.metrics(value)),
            plain(value) if isinstance(value, str) else of_value(value),
            inline=text if size <= INLINE else None,
        )

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: the value that was stored
        try:
            return canonical_json.loads(json_text(artifact, objects))
        except ValueError as error:
            raise MissingObject(
                f"the value {artifact.content_hash[:12]}… is damaged ({error})", mend="Run `instep verify`."
            ) from None

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        value = self.load(artifact, objects)
        if path.suffix == ".txt" and isinstance(value, str):
            path.write_text(value, encoding="utf-8")
        else:
            path.write_text(json.dumps(json.loads(json_text(artifact, objects)), indent=2), encoding="utf-8")


def json_text(artifact: Artifact, objects: ObjectStore) -> str:
    """The canonical JSON of an artifact. Raises MissingObject."""
    if artifact.inline is not None:
        return artifact.inline
    return objects.read(artifact.content_hash, artifact.format).decode()


def is_scalar(value: object) -> bool:
    """Whether `value` is a NumPy scalar."""
    kind = type(value)
    return kind.__module__ == "numpy" and kind.__name__ != "ndarray" and getattr(value, "ndim", 1) == 0


class ArrayFormat:
    """NumPy arrays as `.npy`, mapped into memory when loaded; writing to one changes the copy in memory alone."""

    name = "npy"
    endings = (".npy", ".csv")

    def accepts(self, value: Any) -> bool:  # Any: whatever a step returned
        kind = type(value)
        return kind.__module__ == "numpy" and kind.__name__ == "ndarray" and not value.dtype.hasobject

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: a NumPy array
        import numpy as np

        array = np.ascontiguousarray(value) if value.ndim else value
        content = hash_array(array)
        stored = objects.put(content, self.name, lambda file: np.save(file, array, allow_pickle=False))
        schema: Any = {"dtype": str(array.dtype), "shape": list(array.shape)}
        rows = array.shape[0] if array.ndim else None
        preview = f"{array.dtype} {array.shape}\n{of_array(array)}"
        return Stored(
            Artifact(content, "array", self.name, "numpy", stored.bytes, rows, schema, _range(array), preview),
            (stored,),
        )

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: a NumPy array
        import numpy as np

        path = objects.path(artifact.content_hash, self.name)
        try:
            if not all(self._shape(artifact)):
                return np.asarray(np.load(path, allow_pickle=False))  # nothing to map: no dimensions, or no items
            return np.load(path, mmap_mode="c", allow_pickle=False).view(np.ndarray)
        except FileNotFoundError:
            objects.read(artifact.content_hash, self.name)
            raise
        except (ValueError, EOFError) as error:
            raise MissingObject(
                f"the array {artifact.content_hash[:12]}… is damaged ({error})", mend="Run `instep verify`."
            ) from None

    @staticmethod
    def _shape(artifact: Artifact) -> list[int]:
        shape: Any = artifact.schema["shape"] if isinstance(artifact.schema, dict) else [0]
        return shape or [0]

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        import numpy as np

        if path.suffix == ".npy":
            path.write_bytes(objects.read(artifact.content_hash, self.name))
        else:
            array = self.load(artifact, objects)
            np.savetxt(path, array.reshape(array.shape[0] if array.ndim else 1, -1), delimiter=",", fmt="%s")


def _range(array: Any) -> dict[str, Any] | None:  # Any: a NumPy array; JSON
    if array.dtype.kind not in "iuf" or not array.size:
        return None
    import numpy as np

    low, high = float(np.min(array)), float(np.max(array))
    mean = float(np.mean(array, dtype=np.float64))
    told = {"min": low, "max": high, "mean": mean}
    return {name: number if np.isfinite(number) else str(number) for name, number in told.items()}


class BytesFormat:
    name = "bytes"
    endings = (".bin", ".txt", ".png", ".svg", ".pdf")

    def accepts(self, value: Any) -> bool:  # Any: whatever a step returned
        return type(value) is bytes

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: bytes
        content = hash_bytes(value)
        stored = objects.put(content, self.name, value)
        preview = f"{len(value):,} bytes\n{value[:64].hex(' ')}"
        return Stored(Artifact(content, "value", self.name, "bytes", len(value), preview=preview), (stored,))

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: bytes
        return objects.read(artifact.content_hash, self.name)

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        path.write_bytes(objects.read(artifact.content_hash, self.name))


class FigureFormat:
    """matplotlib figures as PNG. A consumer gets the PNG's bytes: a drawn figure is for looking at."""

    name = "png"
    endings = (".png",)

    def accepts(self, value: Any) -> bool:  # Any: whatever a step returned
        return any(f"{one.__module__}.{one.__name__}" == "matplotlib.figure.Figure" for one in type(value).__mro__)

    def store(self, value: Any, objects: ObjectStore) -> Stored:  # Any: a figure
        buffer = io.BytesIO()
        # Without metadata: its `Software` entry would make the bytes depend on matplotlib's version.
        value.savefig(buffer, format="png", metadata={"Software": None})
        data = buffer.getvalue()
        content = Digest(hash_bytes(data))
        stored = objects.put(content, self.name, data)
        width, height = (int(one) for one in value.get_size_inches() * value.dpi)
        preview = f"figure, {width} × {height} pixels"
        return Stored(Artifact(content, "figure", self.name, "figure", len(data), preview=preview), (stored,))

    def load(self, artifact: Artifact, objects: ObjectStore) -> Any:  # Any: bytes
        return objects.read(artifact.content_hash, self.name)

    def export(self, artifact: Artifact, objects: ObjectStore, path: Path) -> None:
        path.write_bytes(objects.read(artifact.content_hash, self.name))
