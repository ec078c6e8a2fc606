"""What every command starts from: the project it is about, and where its answer goes."""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...engine.errors import Problem
from ...engine.project import find_root
from ...engine.strict_json import plain

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def root_of(arguments: argparse.Namespace) -> Path:
    """The project's folder: at or above `-C DIR` or the current folder. Raises ProjectError."""
    return find_root(Path(arguments.directory or os.getcwd())).resolve()


_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON allows in its strings and a terminal would obey."""


def put_json(document: Mapping[str, Any]) -> None:  # Any: a documented JSON object
    """The one object that a program reads, alone on stdout."""
    text = json.dumps(plain(document), ensure_ascii=False, indent=2)
    sys.stdout.write(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


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
