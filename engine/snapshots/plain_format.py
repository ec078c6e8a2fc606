"""Plain values as canonical JSON, inline where short; bytes and figures as they are."""

import io
import json
import math
from typing import IO, Any

from ..digest import digest
from ..ids import Digest, Json
from . import canonical_json
from .artifact import Artifact
from .content_hash import hash_buffers
from .format import INLINE, Dumped, OneFile, Stored, Unfit, is_instance, loaded
from .mapped import whole
from .objects import ObjectStore
from .preview import clean

_PLAIN = (type(None), bool, int, float, str, list, tuple, dict)


class JsonFormat(OneFile):
    """None, bool, int, float, str, NumPy scalars, and lists, tuples, dicts of them."""

    name = "json"
    kind = "value"
    endings = (".json", ".txt")

    def accepts(self, value: object) -> bool:
        return type(value) in _PLAIN or type(value).__module__ == "numpy"

    def store(self, value: object, objects: ObjectStore) -> Stored:
        text = text_of(value)
        artifact, data = _artifact(value, text), text.encode()
        if len(data) <= INLINE:
            return Stored(_with(artifact, inline=text, bytes=len(data)))
        written = objects.put(artifact.content_hash, self.name, data)
        return Stored(_with(artifact, bytes=written.bytes), (written,))

    def load(self, artifact: Artifact, objects: ObjectStore) -> object:
        return canonical_json.loads(json_text(artifact, objects))

    def dump(self, value: object) -> Dumped:
        text = text_of(value)
        return Dumped(_artifact(value, text), lambda file: file.write(text.encode()))

    def parse(self, artifact: Artifact, data: memoryview) -> object:
        return canonical_json.loads(str(data, "utf-8"))

    def export(self, artifact: Artifact, objects: ObjectStore, ending: str, file: IO[bytes]) -> None:
        value = self.load(artifact, objects)
        if ending == ".txt" and isinstance(value, str):
            file.write(value.encode())
        else:
            file.write(json.dumps(untagged(value), ensure_ascii=False, indent=2).encode() + b"\n")


class BytesFormat(OneFile):
    name = "bytes"
    kind = "value"
    endings = ("",)

    def accepts(self, value: object) -> bool:
        return type(value) is bytes

    def dump(self, value: object) -> Dumped:
        assert isinstance(value, bytes)
        shown = clean(f"{len(value):,} bytes: {value[:200]!r}")
        content = hash_buffers("bytes/1", value)
        return Dumped(
            Artifact(content, self.kind, self.name, "bytes", len(value), preview=shown), lambda file: file.write(value)
        )

    def parse(self, artifact: Artifact, data: memoryview) -> object:
        return bytes(data)


class FigureFormat(OneFile):
    """A Matplotlib figure as the PNG that it shows; a consumer gets the PNG's bytes."""

    name = "png"
    kind = "figure"
    endings = (".png",)

    def accepts(self, value: object) -> bool:
        figures: Any = loaded("matplotlib.figure")  # Any: a library that is not imported here
        return figures is not None and isinstance(value, figures.Figure)

    def dump(self, value: object) -> Dumped:
        figure: Any = value
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        data = buffer.getvalue()
        width, height = (int(size * figure.dpi) for size in figure.get_size_inches())
        artifact = Artifact(
            hash_buffers("png/1", data),
            *(self.kind, self.name, "matplotlib", len(data)),
            summary={"width": width, "height": height},
            preview=f"figure, {width} × {height}",
        )
        return Dumped(artifact, lambda file: file.write(data))

    def parse(self, artifact: Artifact, data: memoryview) -> object:
        return bytes(data)


def text_of(value: object) -> str:
    """Canonical JSON. Raises Unfit for what is not plain."""
    try:
        return canonical_json.dumps(value)
    except canonical_json.NotPlain as error:
        raise Unfit(str(error)) from None


def json_hash(text: str) -> Digest:
    return digest("json/1", text)


def json_text(artifact: Artifact, objects: ObjectStore) -> str:
    if artifact.inline is not None:
        return artifact.inline
    return str(whole(objects, artifact.content_hash, "json"), "utf-8")


def untagged(value: object) -> Json:
    """What other programs understand: tuples as lists, NumPy scalars as numbers, NaN and infinities as null."""
    if isinstance(value, dict):
        return {str(key): untagged(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [untagged(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    plain: Any = value.item() if type(value).__module__ == "numpy" else value  # type: ignore[union-attr]  # Any: JSON
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _artifact(value: object, text: str) -> Artifact:
    summary: Json = None
    finite: dict[str, Json] = {name: one for name, one in canonical_json.metrics(value).items() if math.isfinite(one)}
    if finite:
        summary = {"metrics": finite}
    rows = len(value) if type(value) in (list, tuple) else None  # type: ignore[arg-type]  # its exact type was just looked at
    kind = "text" if type(value) is str else "value"
    shown = value if isinstance(value, str) else text
    return Artifact(json_hash(text), kind, "json", "json", 0, rows, summary=summary, preview=clean(shown))


def _with(artifact: Artifact, **changes: Any) -> Artifact:  # Any: fields of Artifact
    from dataclasses import replace

    return replace(artifact, **changes)


__all__ = ["BytesFormat", "FigureFormat", "JsonFormat", "is_instance", "json_hash", "json_text", "text_of", "untagged"]
