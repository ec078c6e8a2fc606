"""A short, harmless look at a value, made when it is stored: a user's `__repr__` may raise, be huge, or hold escape codes."""

import dataclasses
import re
import reprlib
from collections.abc import Mapping
from typing import Any

LIMIT = 2000
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_OURS = (object.__repr__,)


def clean(text: str, limit: int = LIMIT) -> str:
    """`text` without escape codes, control and direction characters, at most `limit` characters long."""
    text = text[: 8 * limit].replace("\r\n", "\n").expandtabs(4)
    text = _CONTROL.sub("", _ESCAPES.sub("", text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def preview(value: object) -> str:
    """A guarded repr of anything."""
    return clean(_Short().repr(value))


class _Short(reprlib.Repr):
    """Containers and attributes to a depth and a count; never an exception."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 12
        self.maxstring = self.maxlong = 200
        self.maxother = LIMIT

    def repr1(self, x: Any, level: int) -> str:  # Any: as in reprlib
        try:
            return super().repr1(x, level)
        except Exception as error:
            return f"<{type(x).__name__}: its repr raised {type(error).__name__}>"

    def repr_set(self, x: Any, level: int) -> str:
        return self._sorted(x, level, "{", "}") if x else "set()"

    def repr_frozenset(self, x: Any, level: int) -> str:
        return self._sorted(x, level, "frozenset({", "})") if x else "frozenset()"

    def repr_instance(self, x: Any, level: int) -> str:
        kind: Any = type(x)
        if isinstance(x, type) or callable(getattr(x, "__code__", None)):
            return f"<{getattr(x, '__qualname__', kind.__qualname__)}>"
        if dataclasses.is_dataclass(x) and kind.__repr__.__qualname__.endswith("__create_fn__.<locals>.__repr__"):
            return self._attributes(kind, _fields(x), level)
        if dataclasses.is_dataclass(x) and getattr(kind.__repr__, "__wrapped__", None) is not None:
            return self._attributes(kind, _fields(x), level)
        if kind.__repr__ in _OURS:
            return self._attributes(kind, getattr(x, "__dict__", {}), level)
        if isinstance(x, Mapping | list | tuple | set) and len(x) > 10_000:  # pyright: ignore[reportUnknownArgumentType]
            return f"<{kind.__name__} of {len(x):,}>"  # pyright: ignore[reportUnknownArgumentType]
        text = repr(x)
        return text if len(text) <= self.maxother else text[: self.maxother]

    def _sorted(self, x: Any, level: int, left: str, right: str) -> str:
        if level <= 0:
            return f"{left}…{right}"
        shown = [self.repr1(item, level - 1) for item in reprlib.islice(x, 1000)]  # type: ignore[attr-defined]
        shown.sort()
        more = ["…"] if len(x) > self.maxset else []
        return left + ", ".join(shown[: self.maxset] + more) + right

    def _attributes(self, kind: Any, attributes: Mapping[str, Any], level: int) -> str:
        if level <= 0:
            return f"{kind.__qualname__}(…)"
        shown = [f"{name}={self.repr1(item, level - 1)}" for name, item in list(attributes.items())[: self.maxdict]]
        more = ["…"] if len(attributes) > self.maxdict else []
        return f"{kind.__qualname__}({', '.join(shown + more)})"


def _fields(x: Any) -> dict[str, Any]:
    return {one.name: getattr(x, one.name, None) for one in dataclasses.fields(x) if one.repr}
