"""The log lines of a run's live files, a little at a time: what there is of a run that goes on, or was cut off."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..ids import RunId, StepName, StepRunId
from ..scheduler.live import Record, read_live
from ..snapshots.rows import LiveRows, Row
from .log_index import Line

_LATEST = 4_102_444_800_000_000
"""The year 2100. What a step writes to the descriptor by itself may look like a record, of any time."""


@dataclass(slots=True)
class _File:
    path: Path
    name: str
    rows: LiveRows
    offset: int = 0
    ended: bool = False


class LiveLines:
    """The live files in `folder`; each line is told once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}

    def read(self, take: Callable[[list[Line]], None], seconds: float, *, ended: bool) -> float:
        """Give the lines that are new to `take`, for about so many seconds; return the share (0 to 1) that was told.

        Of a progress bar the last state counts, once nothing can come after it: `ended` says that the run has ended.
        """
        until = time.monotonic() + seconds
        for path in sorted(self._folder.glob("*.jsonl")):
            if path.name not in self._files:
                self._files[path.name] = _opened(path)
        files = list(self._files.values())
        told = [_told(one, take, until) for one in files]
        if not all(told):
            size = sum(one.path.stat().st_size for one in files)
            return min(0.999, sum(one.offset for one in files) / max(1, size))
        if ended:
            for one in files:
                take(_last(one))
        return 1.0


def _told(one: _File, take: Callable[[list[Line]], None], until: float) -> bool:
    """Whether all that the file has was told. An unfinished last line is not waited for: it may never be finished."""
    while time.monotonic() < until:
        records, after = read_live(str(one.path), one.offset)
        if after == one.offset:
            return True
        one.offset = after
        take(_lines(one, records))
    return False


def _opened(path: Path) -> _File:
    owner = StepName(path.stem.rpartition("-")[0])
    return _File(path, path.stem, LiveRows(0, RunId(""), StepRunId(path.stem), owner, 1))


def _lines(one: _File, records: list[Record]) -> list[Line]:
    found = [_line(one, row) for _, row in one.rows.rows(record for record in records if record["k"] == "log")]
    return found + _last(one) if any(record["k"] == "end" for record in records) else found


def _last(one: _File) -> list[Line]:
    """What only the end of a file makes certain."""
    found = [] if one.ended else [_line(one, row) for table, row in one.rows.end() if table == "log_line"]
    one.ended = True
    return found


def _line(one: _File, row: Row) -> Line:
    _, step_run_id, seq, t, stream, level, text = row
    item = str(step_run_id)[len(one.name) + 1 :]
    assert isinstance(seq, int) and isinstance(t, int)
    return (
        min(max(t, 0), _LATEST),
        str(one.rows.step),
        seq,
        int(item) if item else None,
        str(stream),
        str(level),
        str(text),
    )
