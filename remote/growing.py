"""What steps say while they run, brought home as it grows: pieces of their live files, beside the numbered segments.

A live file comes whole when its launch has ended (`fetch.py`); until then curves, comparisons and logs at home read the
part that has come. A piece that is lost or cut off costs nothing but that: the pieces after it are not taken. Pieces
are whole lines, so that a secret that C code or a child printed is found and overwritten before it leaves.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..engine.scheduler.masking import scrubbed

Message = dict[str, Any]  # Any: JSON
PAUSE = 0.5
"""Seconds between looks at the files."""
PIECE_BYTES = 64 << 10
"""Of one file at one look: who prints faster is read at the end."""
LOOK_BYTES = 1 << 20
MOST_BYTES = 256 << 20
"""Of one file at home, whatever the other side says."""


class Growing:
    """The live files in the folder of one run there; `secrets` do not leave. One thread asks."""

    def __init__(self, folder: Path, secrets: tuple[str, ...]) -> None:
        self._folder, self._secrets = folder, secrets
        self._sent: dict[str, int] = {}
        self._looked = 0.0

    def look(self) -> list[Message]:
        """What came since the last look: {"t": "live", "name", "at": offset, "bytes": as latin-1}."""
        if time.monotonic() - self._looked < PAUSE:
            return []
        self._looked = time.monotonic()
        told: list[Message] = []
        room = LOOK_BYTES
        for path in sorted(self._folder.glob("*.jsonl")):
            at = self._sent.get(path.name, 0)
            data = _piece(path, at, min(PIECE_BYTES, room))
            if data:
                room -= len(data)
                self._sent[path.name] = at + len(data)
                shown = scrubbed(data, self._secrets)
                told.append({"t": "live", "name": path.name, "at": at, "bytes": shown.decode("latin-1")})
        return told


def _piece(path: Path, at: int, most: int) -> bytes:
    """The whole lines that a file has from `at` on; nothing of one that is being replaced, or of a line that is longer
    than a piece."""
    try:
        if most <= 0 or path.stat().st_size <= at:
            return b""
        with path.open("rb") as file:
            file.seek(at)
            data = file.read(most)
            return data[: data.rfind(b"\n") + 1]
    except OSError:
        return b""


def grow(folder: Path, message: Message) -> None:
    """Append a piece to its file in `folder`; one that is there already, or does not come next, changes nothing."""
    name, at, data = str(message["name"]), int(message["at"]), str(message["bytes"]).encode("latin-1", "replace")
    if Path(name).name != name or not name.endswith(".jsonl") or name.startswith("."):
        return
    path = folder / name
    with suppress(OSError):  # a full disk is told of by what must not be lost
        have = path.stat().st_size if path.exists() else 0
        if not at <= have < at + len(data) or at + len(data) > MOST_BYTES:
            return
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data[have - at :])
