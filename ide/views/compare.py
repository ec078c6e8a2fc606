"""What differs between two runs as rows of a list, determinants first. Pure functions from the document `compare`."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Details of differences are read as JSON.

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from ...engine.compare.differences import DETERMINANTS, Difference
from ...engine.compare.happened import LEAST, SLOWER
from ..text import MARKS, fit, number, pad, plural, seconds, size, width
from .cells import flat
from .diff import Diff, flat_lines
from .live import StepNow

Document = Mapping[str, Any]  # Any: JSON as docs/json.md describes it
Key = tuple[str, str]
"""Kind and subject: what the cursor stays on when the comparison is read again."""
_HEADS: Final = (
    ("what determined them", DETERMINANTS),
    ("what happened", frozenset(("step",))),
    ("what came out", frozenset(("metric", "table", "array", "value", "log"))),
)
TIME: Final = ""
"""The subject of the row that is about the runs themselves: no step has that name."""
_WORDS: Final[Mapping[str, str]] = {"code": "definition", "file": "input file", "hardware": "fact of hardware"}
_STATES: Final = {"done": "ok", "running": "running", "failed": "failed", "fresh": "ok", "stale": "stale"}
_NAME: Final = (10, 34)
_VALUE: Final = (10, 24)
"""Columns of the screen for a name and for a value: at least, at most."""
_HOW: Final = 21
"""Columns kept for how it changed where the screen is narrow."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Two runs and what differs; `runs` says what each was, `same` names what is equal."""

    a: str
    b: str
    runs: tuple[Document, Document]
    differences: tuple[Difference, ...]
    same: tuple[tuple[str, str, Any], ...] = ()  # Any: JSON
    courses: frozenset[str] = frozenset()
    divergence: Document | None = None
    going: bool = False
    equal: Mapping[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def of(cls, document: Document) -> "Shown":
        """From what the reading process answers to `compare`."""
        return cls(
            str(document["a"]),
            str(document["b"]),
            (document["runs"][0], document["runs"][1]),
            tuple(Difference(**one) for one in document["differences"]),
            tuple((one[0], one[1], one[2]) for one in document["same"]),
            frozenset(document["courses"]),
            document["first_divergence"],
            bool(document["going"]),
            document["equal"],
        )

    def unchanged_since(self, before: "Shown") -> set[Key]:
        """The differences that are as they were."""
        was = {(one.kind, one.subject): one for one in before.differences}
        return {key for one in self.differences if was.get(key := (one.kind, one.subject)) == one}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list: a heading (`one` is None), a difference, or something equal."""

    title: str
    one: Difference | None = None
    same: bool = False

    @property
    def key(self) -> Key:
        return (self.one.kind, self.one.subject) if self.one is not None else ("", self.title)


def place_of(one: Difference, steps: Mapping[str, StepNow]) -> tuple[str, int] | None:
    """The file and line that a difference belongs to, where there is one."""
    if one.kind == "code":
        path, _, line = str(one.after or one.before).rpartition(":")
        return (path, int(line)) if path and line.isdigit() else None
    if one.kind == "file":
        return one.subject, 1
    step = steps.get(str(one.detail.get("step") or one.subject.partition(".")[0]))
    return (step.path, step.line) if step is not None and step.path else None


def time_row(shown: Shown) -> Row | None:
    """How long both took: no difference that counts, but one that is looked at."""
    took = [run["seconds"] for run in shown.runs]
    if all(one is None for one in took):
        return None
    return Row("time", Difference("step", TIME, took[0], took[1], {"change": TIME}))


def is_time(one: Difference) -> bool:
    return one.kind == "step" and one.subject == TIME


def rows_of(shown: Shown, *, equal: bool) -> tuple[Row, ...]:
    """Headings with their differences; with `equal` also what is the same."""
    rows: list[Row] = []
    for head, kinds in _HEADS:
        found = [Row(name_of(one), one) for one in shown.differences if one.kind in kinds]
        took = time_row(shown) if "step" in kinds else None
        if found or took:
            rows += [Row(head), *found, *([took] if took else ())]
    if equal and shown.same:
        rows.append(Row("equal"))
        rows += [
            Row(flat(name), Difference(kind, name, value, value), same=True)  # pyright: ignore[reportArgumentType]  # kinds as the engine sent them
            for kind, name, value in shown.same  # the kind came as a text
        ]
    return tuple(rows)


def name_of(one: Difference) -> str:
    """What a row is called: the name of a definition, else the subject."""
    if one.kind != "code":
        return flat(one.subject)
    name = str(one.detail.get("name") or one.subject.rpartition(":")[2] or one.subject)
    return flat(f"{name}()" if one.detail.get("kind") == "function" else name)


def lines_of(rows: Sequence[Row], columns: int) -> list[Text]:
    """The rows in columns: name, A, B, and how it changed."""
    cells = [(row, *_cells(row)) for row in rows]
    there = [one for one in cells if one[0].one is not None]
    names = _room(_NAME, (width(row.title) for row, *_ in there))
    room = _VALUE[1] if columns >= 100 else max(6, (columns - names - _HOW - 14) // 2)
    left = min(room, _room(_VALUE, (width(before) for _, before, _, _ in there)))
    right = min(room, _room(_VALUE, (width(after) for _, _, after, _ in there)))
    lines: list[Text] = []
    for row, before, after, how in cells:
        if row.one is None:
            lines.append(inked(Text(row.title, "dim", no_wrap=True)))
            continue
        ink = "dim" if row.same else "text.bold"
        kind = "" if is_time(row.one) else row.one.kind
        line = Text(no_wrap=True, end="").append(f" {kind:<8} ", "dim")
        line.append(pad(fit(row.title, names), names) + "  ", ink)
        line.append(pad(fit(before, left), left) + "  ", "dim" if row.same else "side-a")
        line.append(pad(fit(after, right), right) + "  ", "dim" if row.same else "side-b")
        lines.append(line.append_text(how))
    return lines


def _room(limits: tuple[int, int], widths: Iterator[int]) -> int:
    return min(limits[1], max([limits[0], *widths]))


def sides_of(one: Difference) -> tuple[str, str, Text]:
    """A, B, and how it changed, of a difference by itself."""
    return _cells(Row("", one))


def _cells(row: Row) -> tuple[str, str, Text]:
    """A, B, and how it changed."""
    one = row.one
    if one is None:
        return "", "", Text()
    if row.same:
        return value_of(one.kind, one.before), "=", Text()
    detail = one.detail
    match one.kind:
        case "code":
            before, after = (str(side or "–") for side in (one.before, one.after))
            how = {"changed": "", "renamed": f"was {detail.get('was')}, "}.get(
                str(detail["change"]), f"{detail['change']}, "
            )
            lines = (
                Text(flat(how), "text").append(f"+{detail['added']}", "ok").append(f" −{detail['removed']}", "failed")
            )
            return flat(before), flat(after), lines.append(" lines", "dim")
        case "file":
            sizes = [size(one) if one is not None else "–" for one in detail["bytes"]]
            told = "" if sizes[0] == sizes[1] else f"{sizes[0]} → {sizes[1]}"
            return _or_none(one.before), _or_none(one.after), Text(told, "dim")
        case "step":
            return _step(one)
        case "metric":
            return _number(one.before), _number(one.after), change_of(one)
        case "table":
            return value_of("table", one.before), value_of("table", one.after), _table(one)
        case "log":
            return plural(int(one.before), "line"), plural(int(one.after), "line"), _lines(detail)
        case _:
            return (
                value_of(one.kind, one.before),
                value_of(one.kind, one.after),
                Text(_odd(detail.get("change")), "dim"),
            )


def change_of(one: Difference) -> Text:
    """How a metric changed, in words: `▲ worse 11.7%, within the spread of 5 seeds (±0.011)`."""
    detail = one.detail
    change = str(detail["change"])
    if change in ("added", "removed"):
        return Text(change, "dim")
    ink = {"better": "ok", "worse": "failed"}.get(change, "text")
    mark = "▲" if (detail.get("absolute") or 0) > 0 else "▼"
    word = f" {change}" if change in ("better", "worse") else ""
    relative = detail.get("relative")
    by = f"{abs(relative):.1%}" if relative is not None else _number(detail.get("absolute"))
    text = Text(f"{mark}{word} {by}", ink)
    spread = detail.get("spread")
    if spread:
        inside = "within" if detail["within_spread"] else "beyond"
        text.append(f", {inside} the spread of {spread['seeds']} seeds (±{_number(spread['margin'])})", "dim")
    return text


def _step(one: Difference) -> tuple[str, str, Text]:
    detail = one.detail
    change = str(detail["change"])
    if is_time(one):
        return _took(one)
    if change in ("slower", "faster"):
        before, after = (seconds(value) for value in detail["seconds"])
        return (
            before,
            after,
            Text(f"{'▲' if change == 'slower' else '▼'} {change}", "stale" if change == "slower" else "ok"),
        )
    if change in ("where", "attempts"):
        before, after = (flat(str(value or "–")) for value in detail[change])
        return before, after, Text("attempts" if change == "attempts" else "where it ran", "dim")
    error = str(detail["error"][1] or detail["error"][0] or "")
    odd = "its key differs by what no snapshot names" if change == "key" else ""
    before, after = (
        f"{MARKS.get(str(side), '')} {side}".strip() if side else "not run" for side in (one.before, one.after)
    )
    return before, after, Text(flat(error or odd or _odd(change)), "failed" if error else "dim")


def _took(one: Difference) -> tuple[str, str, Text]:
    before, after = one.before, one.after
    told = seconds(before) or "–", seconds(after) or "–"
    if before is None or after is None or abs(before - after) < LEAST:
        return *told, Text()
    if after >= before * SLOWER:
        return *told, Text("▲ slower", "stale")
    return *told, Text("▼ faster", "ok") if before >= after * SLOWER else Text()


def _lines(detail: Document) -> Text:
    return Text(f"+{detail['added']}", "ok").append(f" −{detail['removed']}", "failed").append(" lines", "dim")


def _table(one: Difference) -> Text:
    detail = one.detail
    if detail["change"] != "changed":
        return Text(str(detail["change"]), "dim")
    text = Text()
    rows = detail.get("rows") or [0, 0]
    if rows[0] != rows[1]:
        more = (rows[1] or 0) - (rows[0] or 0)
        text.append(f"{'+' if more > 0 else '−'}{plural(abs(more), 'row')}  ", "text")
    columns = detail.get("columns") or {}
    parts = [f"+{name}" for name in columns.get("added", ())] + [f"−{name}" for name in columns.get("removed", ())]
    parts += list(columns.get("changed", ()))
    return text.append(flat(fit(", ".join(map(str, parts)), 40)), "dim")


def value_of(kind: str, value: Any) -> str:  # Any: JSON
    """A side's value in a few words."""
    import json

    if value is None:
        return "–"
    if kind == "table" and isinstance(value, Mapping):
        return f"{value['rows']:,} rows" if value["rows"] is not None else "a table"
    if kind == "array" and isinstance(value, Mapping):
        shape = "×".join(map(str, value.get("shape") or ())) or "scalar"
        return flat(f"{shape} {value.get('dtype') or ''}".strip())
    if kind == "value" and isinstance(value, Mapping):
        return flat(str(value.get("preview") or value.get("content", "")))
    if isinstance(value, str) and kind != "param":
        return flat(value)
    return flat(_number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False))


def _number(value: object) -> str:
    return number(value) or "–"


def _or_none(value: object) -> str:
    return flat(str(value)) if value else "–"


def _odd(change: object) -> str:
    return flat(str(change)) if change in ("added", "removed") else ""


def inked(line: Text) -> Text:
    """The same with its style as a span: the style of a whole text is not drawn where it has no spans."""
    return Text.assemble(line, no_wrap=True, end="")


# The lines above the list


def head(shown: Shown, columns: int) -> list[Text]:
    """A against B in a line, and what differs in another."""
    line = Text(no_wrap=True, end="")
    brief = columns < 100
    for side, run in zip("AB", shown.runs, strict=True):
        ink = f"side-{side.lower()}"
        line.append(f" {side} ", f"{ink}.bold").append_text(_run(run, ink, brief=brief))
        if side == "A":
            line.append("   vs  ", "dim")
    told = Text.assemble((" ", "text"), summary(shown), no_wrap=True, end="")
    told.truncate(columns, overflow="ellipsis")
    return [line, told]


def _run(run: Document, ink: str, *, brief: bool) -> Text:
    if run["run"] == "now":
        return Text("the working tree", f"{ink}.bold")
    state = str(run["state"])
    text = Text().append(str(run["run"]), f"{ink}.bold").append(f" {MARKS.get(state, '·')} ", _STATES.get(state, "dim"))
    parts = ["goes on" if state == "running" else ""]
    parts += [datetime.fromisoformat(run["started_at"]).astimezone().strftime("%H:%M:%S")] if run["started_at"] else []
    # As wide for 9 ms as for 1m02: what stands behind it does not move when a run is read again.
    parts += [f"{seconds(run['seconds']):>5}" if run["seconds"] is not None else ""]
    parts += [] if brief else [str(run["target"])]
    parts += [] if brief else [" ".join(f"{count} {word}" for word, count in run["steps"].items())]
    parts += [fit(str(run["note"]), 20)] if run["note"] and not brief else []
    return text.append(flat(" · ".join(one for one in parts if one)), "text")


def summary(shown: Shown) -> Text:
    """How many things of which kind differ, and where it began."""
    counts: dict[str, int] = {}
    for one in shown.differences:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    told = " · ".join(plural(count, _WORDS.get(kind, kind)) for kind, count in counts.items())
    text = Text(f"{told} differ" if told else "nothing that was recorded differs", "text" if told else "ok")
    if told and len(shown.differences) == 1:
        text = Text(f"{told} differs", "text")
    if shown.divergence:
        text.append(f" · first in {flat(str(shown.divergence['step']))}", "dim")
    return text


def below(shown: Shown, *, equal: bool) -> str:
    """In the frame of the list: what is hidden."""
    many = sum(shown.equal.values())
    return f"{many:,} equal {'shown' if equal else 'hidden'} · = {'hides' if equal else 'shows'} them" if many else ""


def as_text(one: Difference, diff: Diff | None) -> str:
    """To be pasted somewhere: the lines of a diff, else before and after."""
    if diff is not None and one.kind in ("code", "log"):
        signs = {"=": " ", "-": "-", "+": "+"}
        return "\n".join(f"{signs[flat.line.mark]}{flat.line.text}" for flat in flat_lines(diff))
    if is_time(one):
        return f"time: {seconds(one.before)} → {seconds(one.after)}"
    return f"{one.subject}: {value_of(one.kind, one.before)} → {value_of(one.kind, one.after)}"
