"""Pages of a run's log, and where in it something is.

An ended run is read from the catalog, one that goes on from its live files, as far as they are; so is one that was cut
off, of which the catalog has only what had ended.
"""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import StoreBusy, UsageError
from ..snapshots.duck import FileHeld, attached, in_memory
from ..snapshots.gate import reading
from ..snapshots.queries import Reader
from ..snapshots.upkeep import Upkeep
from .desk import Desk, Document, Request
from .live_lines import LiveLines
from .log_index import RANKS, LogIndex, Wanted

PAGE = 200
"""Lines in an answer, at most."""
_KEPT, _LINES = 2, 500_000
"""Runs whose index is kept: the one that is looked at, and the one before if they have not more lines than that (a
million take some 300 MB)."""
_SECONDS = 0.2
"""How long one question may read live files: other questions wait for it."""


@dataclass(slots=True)
class _Open:
    """A run's index; `live` are the files that it still grows from."""

    index: LogIndex
    live: LiveLines | None
    state: str
    share: float = 1.0


def log(desk: Desk, request: Request) -> Document:
    """{"number" (null: the run that goes on, or the newest), "offset" (or "end": true for the last ones), "count",
    "step", "level": one of `RANKS`, "text", "anchor": [µs, step, number] of a line, or null, "around": true for the
    page around that line} →

    {"number", "state", "going": whether more may come, "share": 0 to 1 of what is there that was read, "total",
    "matching": lines that step, level and text leave, "counts": [[step, rank, lines]], "offset",
    "rows": [[µs, step, number, item, stream, level, rank, text]], "anchor": the row of that line now, "folder"}.
    `number` is null where nothing was run yet.
    """
    number = run_asked(desk, request)
    if number is None:
        return {"number": None, "going": False, "share": 1.0, "total": 0, "matching": 0, "counts": [], "rows": []}
    found = _opened(desk, number)
    index, wanted = found.index, _wanted(request)
    offset, count = max(0, int(request.get("offset", 0))), min(PAGE, int(request.get("count", PAGE)))
    anchor = request.get("anchor")
    row = index.row_of(wanted, (int(anchor[0]), str(anchor[1]), int(anchor[2]))) if anchor else None
    around = bool(request.get("around"))
    if request.get("end") or (around and row is None):
        offset = max(0, index.matching(wanted) - count)
    elif around and row is not None:
        offset = max(0, row - count // 2)
    return {
        "number": number,
        "state": found.state,
        "going": found.live is not None,
        "share": found.share,
        "total": index.total,
        "matching": index.matching(wanted),
        "counts": [list(one) for one in index.counts()],
        "offset": offset,
        "rows": index.page(wanted, offset, count),
        "anchor": row,
        "folder": f".instep/runs/{number}",
    }


def log_find(desk: Desk, request: Request) -> Document:
    """{"number", "step", "level", "text", "find", "row", "by": 1 the next after `row`, -1 the one before it, 0 `row`
    itself or the next} → {"row" or null, "index": which of them it is, from 1, "count"}. The last is followed by the
    first."""
    number = run_asked(desk, request)
    if number is None or not request["find"]:
        return {"row": None, "index": 0, "count": 0}
    rows = _opened(desk, number).index.rows_with(_wanted(request), str(request["find"]))
    if not len(rows):
        return {"row": None, "index": 0, "count": 0}
    by, row = int(request.get("by", 0)), int(request.get("row", 0))
    at = int(rows.searchsorted(row, side="right" if by > 0 else "left"))
    at = (at - 1 if by < 0 else at) % len(rows)
    return {"row": int(rows[at]), "index": at + 1, "count": len(rows)}


def _wanted(request: Request) -> Wanted:
    level = str(request.get("level") or RANKS[0])
    if level not in RANKS:
        raise UsageError(f"there is no level `{level}`", mend=f"Give one of {', '.join(RANKS)}.")
    text = str(request.get("text") or "")
    return Wanted(str(request.get("step") or ""), RANKS.index(level), (text,) if text else ())


def run_asked(desk: Desk, request: Request) -> int | None:
    """The run's number; without one that of the run that goes on, else the newest. None where nothing was run yet."""
    number = request.get("number")
    if number is not None or desk.empty:
        return None if number is None else int(number)
    with Upkeep(desk.store / "journal.sqlite") as journal:
        going = journal.going_on() or journal.going_elsewhere()
        numbers = [one[0] for one in journal.runs()]
    if going:
        return going[-1][1]
    hidden: set[int] = set()
    with suppress(StoreBusy), desk.reading() as found:
        hidden = {row["number"] for row in found.rows("select number from run where hidden")}
    return next((one for one in numbers if one not in hidden), None)


def _opened(desk: Desk, number: int) -> _Open:
    """The run's index, with what came since it was last asked for."""
    kept: OrderedDict[int, _Open] = desk.kept.setdefault("logs", OrderedDict())
    found = kept.get(number) or _open(desk, number)
    kept[number] = found
    kept.move_to_end(number)
    while len(kept) > _KEPT or (len(kept) > 1 and sum(one.index.total for one in kept.values()) > _LINES):
        kept.popitem(last=False)[1].index.close()
    if found.live is not None:
        found.state, going = _state(desk, number)  # before reading: what comes after the last look is not lost
        found.share = found.live.read(found.index.add, _SECONDS, ended=not going)
        if found.share == 1.0:
            found.index.settle()
            if not going:
                found.live = None
    return found


def _open(desk: Desk, number: int) -> _Open:
    state, going = _state(desk, number)
    if not going and state != "interrupted":
        index = _of_catalog(desk, number)
        if index is not None:
            return _Open(index, None, state)
    return _Open(LogIndex(in_memory(desk.store)), LiveLines(desk.store / "runs" / str(number)), state, 0.0)


def _of_catalog(desk: Desk, number: int) -> LogIndex | None:
    """None where the catalog does not have the run whole."""
    db = in_memory(desk.store)
    try:
        with desk.reading() as found:
            behind = found.lag.behind
        if not behind:
            with reading(desk.store), attached(db, desk.store):
                return LogIndex.of_catalog(Reader(db, desk.store, found.lag), number)
    except (FileHeld, StoreBusy):
        pass
    db.close()
    return None


def _state(desk: Desk, number: int) -> tuple[str, bool]:
    """How the run is, and whether more may come of it. Raises UsageError for one that is not there."""
    with Upkeep(desk.store / "journal.sqlite") as journal:
        states: dict[int, Any] = {one[0]: one[2] for one in journal.runs()}
        going = number in {one for _, one in (*journal.going_on(), *journal.going_elsewhere())}
    if number not in states:
        raise UsageError(f"there is no run {number}", mend="`instep runs` lists them.")
    return str(states[number]) if going or states[number] != "running" else "interrupted", going
