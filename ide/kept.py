"""What the screen remembers of a project between sessions: theme, place, columns. Losing it costs nothing."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..engine.private_file import write_private
from ..engine.project import STORE

Kept = dict[str, Any]  # Any: JSON
_FILE = "screen.json"


def load(root: Path) -> Kept:
    """What was kept; {} where nothing was, or what is there cannot be read."""
    try:
        found: Kept = json.loads((root / STORE / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if type(found) is dict else {}


def save(root: Path, kept: Kept) -> None:
    """Two screens may save at once: the last one wins, whole."""
    store = root / STORE
    with suppress(OSError):
        if store.is_dir():
            write_private(store / _FILE, json.dumps(kept, ensure_ascii=False, indent=1).encode())
