"""What every command starts from: the project it is about, and where its answer goes."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# Documents hold anything that JSON has, and what DuckDB has beyond it.

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from ...engine.errors import Problem
from ...engine.project import find_root

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def root_of(arguments: argparse.Namespace) -> Path:
    """The project's folder: at or above `-C DIR` or the current folder. Raises ProjectError."""
    return find_root(Path(arguments.directory or os.getcwd())).resolve()


def put_json(document: Mapping[str, Any]) -> None:  # Any: a documented JSON object
    """The one object that a program reads, alone on stdout."""
    json.dump(plain(document), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def plain(value: Any) -> Any:  # Any: values of DuckDB in, JSON out
    """What strict JSON can say: it has no NaN, no infinity, no dates and no decimals."""
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


def complain(*problems: Problem | Mapping[str, Any]) -> None:  # Any: a problem as the engine sent it
    """Say on stderr what is wrong, where, why, and how to mend it."""
    from ..text import clean, colourful, paint

    on = colourful(sys.stderr)
    for one in problems:
        told = (
            one
            if isinstance(one, Mapping)
            else {"what": one.what, "place": one.place, "why": one.why, "mend": one.mend}
        )
        place = f"{told['place']}: " if told.get("place") else ""
        print(f"{paint('✗', 'failed', on=on)} {clean(place + str(told['what']))}", file=sys.stderr)
        for line in (told.get("why"), told.get("mend")):
            if line:
                print(f"  {clean(str(line))}", file=sys.stderr)
