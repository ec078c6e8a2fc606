"""What strict JSON can say: it has no NaN, no infinity, no dates and no decimals."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# Documents hold anything that JSON has, and what DuckDB has beyond it.

import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any


def plain(value: Any) -> Any:  # Any: values of DuckDB in, JSON out
    """`value` as strict JSON can say it."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple() | set():
            return [plain(one) for one in value]
        case Decimal():
            return plain(float(value))
        case date() | time():
            return value.isoformat()
        case _:
            return value.hex() if isinstance(value, bytes) else str(value)
