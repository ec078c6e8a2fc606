"""Plain values ↔ canonical JSON text: one text for one value, and exactly that value back.

JSON has no tuples, no NaN and no NumPy scalars, so these are tagged: `{"__instep__": "tuple", "items": […]}`. Only
exact types count: a subclass (an Enum, a namedtuple, an OrderedDict) is somebody's class and goes to pickle.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false
# A user's values are of any type.

import json
import math
from typing import Any

_TAG = "__instep__"
_PLAIN = (type(None), bool, int, str)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class NotPlain(TypeError):
    """The value is not made of None, bool, int, float, str, NumPy scalars, and lists, tuples, dicts of them."""


def dumps(value: object) -> str:
    """Canonical text; dict order is kept, as who iterates sees it. Raises NotPlain (also for circles)."""
    try:
        return _encode(_pack(value, 0))
    except (RecursionError, ValueError) as error:
        raise NotPlain(str(error)) from None


def loads(text: str) -> Any:  # Any: the value that was packed
    return _unpack(json.loads(text))


def _pack(value: object, depth: int) -> object:
    kind: type = type(value)
    if kind in _PLAIN:
        if kind is str:
            _check_text(str(value))
        return value
    if isinstance(value, float) and kind is float:
        return _pack_float(float(value))
    if depth > 200:
        raise NotPlain("nested too deep")
    if isinstance(value, list) and kind is list:
        return [_pack(item, depth + 1) for item in value]
    if isinstance(value, tuple) and kind is tuple:
        return {_TAG: "tuple", "items": [_pack(item, depth + 1) for item in value]}
    if isinstance(value, dict) and kind is dict:
        return _pack_dict(value, depth)
    if (
        kind.__module__ == "numpy"
        and kind.__name__ != "ndarray"
        and hasattr(value, "item")
        and getattr(value, "ndim", 1) == 0
        and hasattr(value, "dtype")
    ):
        return _pack_scalar(value, depth)
    raise NotPlain(kind.__name__)


def _pack_float(value: float) -> object:
    return value if math.isfinite(value) else {_TAG: "float", "value": repr(value)}


def _pack_dict(value: dict[Any, Any], depth: int) -> object:  # Any: whatever the user put in
    for key in value:
        if type(key) is not str:
            raise NotPlain("a dict whose keys are not all texts")
        _check_text(key)
    packed = {key: _pack(item, depth + 1) for key, item in value.items()}
    return {_TAG: "dict", "items": packed} if _TAG in value else packed


def _pack_scalar(value: Any, depth: int) -> object:  # Any: a NumPy scalar, NumPy is not imported here
    if value.dtype.kind not in "biufU":
        raise NotPlain(f"numpy {value.dtype}")
    if isinstance(value, (float, int, str)) is False and value.dtype.itemsize > 8 and value.dtype.kind != "U":
        raise NotPlain(f"numpy {value.dtype}")
    return {_TAG: "numpy", "dtype": value.dtype.str, "value": _pack(value.item(), depth + 1)}


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotPlain("a text with lone surrogates") from None


def _unpack(value: Any) -> Any:  # Any: JSON in, the packed value out
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get(_TAG):
        case None:
            return {key: _unpack(item) for key, item in value.items()}
        case "tuple":
            return tuple(_unpack(item) for item in value["items"])
        case "float":
            return float(value["value"])
        case "numpy":
            import numpy as np

            return np.dtype(value["dtype"]).type(_unpack(value["value"]))
        case _:
            return {key: _unpack(item) for key, item in value["items"].items()}


def metrics(value: object) -> dict[str, float]:
    """The numbers of a flat dict of numbers; empty for anything else. A bool is no number."""
    if not isinstance(value, dict) or not value:
        return {}
    found: dict[str, float] = {}
    for key, item in value.items():
        number = item.item() if hasattr(item, "item") and getattr(item, "ndim", 1) == 0 else item
        if type(key) is not str or isinstance(number, bool) or not isinstance(number, int | float):
            return {}
        found[key] = float(number)
    return found
