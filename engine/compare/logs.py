"""What two runs printed, aligned by step. Numbers and times that differ are no difference by themselves."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

from ..snapshots.queries import Reader, reader
from .differences import Compared, Difference
from .facts import RunFacts
from .lines import Line, Row

MOST: Final = 20_000
"""Lines a step that are looked at; the rest of a longer log is counted only."""
_ALIGNED: Final = 3_000
"""Lines up to which logs are aligned in order; longer ones are compared as what lines they have."""
_SHOWN: Final = 20
_VOLATILE: Final = re.compile(
    r"0x[0-9a-fA-F]+|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[-+]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?", re.IGNORECASE
)
_LINES = """select s.step, l.text, count(*) over (partition by s.step) as total from log_line l
    join step_run s using (run_id, step_run_id) where s.run = ? and list_contains(?, s.step)
    qualify row_number() over (partition by s.step order by s.item, l.ts, l.seq) <= ?
    order by s.step, s.item, l.ts, l.seq"""


@dataclass(frozen=True, slots=True)
class Printed:
    """What one step printed: at most `MOST` lines, of `total`."""

    lines: tuple[str, ...] = ()
    total: int = 0


Logs = Mapping[str, Printed]
"""By step."""


def plain_line(text: str) -> str:
    """A line with its numbers and times made alike."""
    return _VOLATILE.sub("#", text).rstrip()


def read_logs(store: Path, a: RunFacts, b: RunFacts) -> tuple[Logs, Logs]:
    """The lines of the steps that both runs ran themselves; results that were taken over say nothing new."""
    steps = [
        name
        for name, new in b.steps.items()
        if (old := a.steps.get(name)) is not None and old.made_by != new.made_by and _ran(old.state) and _ran(new.state)
    ]
    if not steps or not (a.label.isdigit() and b.label.isdigit()):
        return {}, {}
    with reader(store) as found:
        return _read(found, int(a.label), steps), _read(found, int(b.label), steps)


def compare_logs(a: Logs, b: Logs) -> Compared:
    """Steps by what they printed; a step whose lines differ in numbers only is equal."""
    spoke = [step for step in b if step in a and (a[step].total or b[step].total)]
    differences = [one for step in spoke for one in _step(step, a[step], b[step])]
    return Compared("log", tuple(differences), len(spoke) - len(differences))


def aligned_logs(a: Sequence[str], b: Sequence[str]) -> tuple[Row, ...]:
    """The lines of one step side by side; those that differ in numbers and times only are equal."""
    old, new = [plain_line(one) for one in a], [plain_line(one) for one in b]
    rows: list[Row] = []
    matcher = SequenceMatcher(None, old, new, autojunk=max(len(old), len(new)) > _ALIGNED)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            rows += [
                Row(Line(i + 1, a[i], "="), Line(j + 1, b[j], "="))
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True)
            ]
            continue
        rows += [Row(Line(i + 1, a[i], "-"), None) for i in range(i1, i2)]
        rows += [Row(None, Line(j + 1, b[j], "+")) for j in range(j1, j2)]
    return tuple(rows)


def _read(found: Reader, run: int, steps: Sequence[str]) -> dict[str, Printed]:
    lines: dict[str, list[str]] = {}
    totals: dict[str, int] = {}
    for row in found.rows(_LINES, [run, steps, MOST]):
        lines.setdefault(row["step"], []).append(row["text"])
        totals[row["step"]] = row["total"]
    return {step: Printed(tuple(lines.get(step, ())), totals.get(step, 0)) for step in steps}


def _step(step: str, a: Printed, b: Printed) -> list[Difference]:
    old, new = [plain_line(one) for one in a.lines], [plain_line(one) for one in b.lines]
    if old == new and a.total == b.total:
        return []
    gone, came = _in_order(old, new) if max(len(old), len(new)) <= _ALIGNED else _as_sets(old, new)
    detail: dict[str, Any] = {  # Any: JSON
        "removed": len(gone),
        "added": len(came),
        "only_a": [a.lines[at] for at in gone[:_SHOWN]],
        "only_b": [b.lines[at] for at in came[:_SHOWN]],
        "cut": a.total > len(a.lines) or b.total > len(b.lines),
    }
    return [Difference("log", step, a.total, b.total, detail)]


def _in_order(old: Sequence[str], new: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the lines that only one has."""
    gone: list[int] = []
    came: list[int] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            gone += range(i1, i2)
            came += range(j1, j2)
    return gone, came


def _as_sets(old: Sequence[str], new: Sequence[str]) -> tuple[list[int], list[int]]:
    return _surplus(old, Counter(new)), _surplus(new, Counter(old))


def _surplus(lines: Sequence[str], there: Counter[str]) -> list[int]:
    found: list[int] = []
    for at, line in enumerate(lines):
        if there[line] > 0:
            there[line] -= 1
        else:
            found.append(at)
    return found


def _ran(state: str) -> bool:
    return state in ("done", "failed")
