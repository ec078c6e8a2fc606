"""Short texts that show a value later without loading it; made in the worker, where the value is."""

import re
import reprlib
from typing import Any, Final

from ..patience import TooSlow, within

MOST: Final = 2_000
_ESCAPE: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")


def plain(text: str, most: int = MOST) -> str:
    """`text` without control characters (they could be terminal escape codes), cut to `most` characters."""
    cut = _ESCAPE.sub("", text[: 2 * most])[: most + 1]
    safe = "".join(one if one in "\n\t" or one.isprintable() else "�" for one in cut)
    return safe if len(text) <= most else safe[: most - 1] + "…"


def of_value(value: Any) -> str:  # Any: whatever a user returned
    """A bounded repr. A user's own `__repr__` may raise, or take for ever on much data: only the outer levels of
    builtin containers are gone through, and what fails is named instead."""
    try:
        return plain(_REPR.repr(value))
    except Exception as error:  # an int of too many digits
        return _unshown(value, error)


def of_table(table: Any) -> str:  # Any: a pyarrow table; pyarrow is not imported here
    """The first rows, as tab-separated lines below the column names."""
    head = table.slice(0, 10)
    names = head.column_names[:20]
    rows = zip(*(_values(head.column(at)) for at in range(len(names))), strict=True)
    lines = ["\t".join(names), *("\t".join(_cell(one) for one in row) for row in rows)]
    return plain("\n".join(lines))


def of_array(array: Any) -> str:  # Any: a NumPy array
    import numpy as np

    return plain(np.array2string(array, threshold=50, edgeitems=3, max_line_width=100))


def _values(column: Any) -> list[Any]:  # Any: a pyarrow column
    """As Python values; dates that Python has no value for (the year 20,000) as their texts."""
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):
        return column.cast("string").to_pylist()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text.replace("\t", " ").replace("\n", " ")[:40]


_PROMPT: Final = (type(None), bool, float, complex)
"""They answer at once: a thread for each number of a list of records would take a quarter of a second."""


class _Repr(reprlib.Repr):
    """Builtin containers are gone through here; everything else is asked, and not waited for for long."""

    def repr_instance(self, x: object, level: int) -> str:
        try:
            text = repr(x) if type(x) in _PROMPT else within(x, lambda: repr(x))
        except TooSlow:
            return f"<{type(x).__qualname__}, whose repr takes too long>"
        except Exception as error:
            return _unshown(x, error)
        if len(text) <= self.maxother:
            return text
        half = (self.maxother - 3) // 2
        return f"{text[:half]}...{text[-half:]}"


def _unshown(value: object, error: Exception) -> str:
    return f"<{type(value).__qualname__}, whose repr raises {type(error).__name__}>"


_REPR = _Repr()
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = 20
_REPR.maxstring = _REPR.maxother = 400
_REPR.maxlevel = 4
