"""Why a run failed or a metric is not what it was, as lines: the chain of steps, and the causes, nearest first. Pure
functions of the documents that `docs/json.md` describes under `why`."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The documents are read as JSON.

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from ...engine.compare.differences import Difference
from ..text import clean, fit, number, pad, plural, width
from .compare import Row, change_of, inked, lines_of, name_of, sides_of
from .live import Live, Message

Document = Mapping[str, Any]  # Any: JSON
_NAME: Final = 30
_VALUE: Final = 24
MOST: Final = 6
"""Causes shown beside an error; `w` in Runs shows all of them."""
NONE: Final = "nothing that was recorded: chance, time, or what lies outside the project"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the page; `one` is the difference that it tells of, to be opened in Compare."""

    text: Text
    one: Difference | None = None


def cause_lines(causes: Sequence[Document], columns: int) -> list[Line]:
    """One line a cause: what it is in A and in B, by which way it got there, and whether the error came through it."""
    found = [(cause, Difference.from_json(cause)) for cause in causes]
    names = min(_NAME, max((width(name_of(one)) for _, one in found), default=0))
    lines: list[Line] = []
    for cause, one in found:
        line = Text.assemble(
            (f" {one.kind:<8} ", "dim"), (pad(fit(name_of(one), names), names), "text.bold"), no_wrap=True
        )
        if cause["at_failure"]:
            line.append("  it failed in here", "failed")
        line.append("  ").append_text(_change(one))
        if len(cause["via"]) > 1:
            line.append(f"  {clean(' → '.join(map(str, cause['via'])))}", "dim")
        line.truncate(columns, overflow="ellipsis")
        lines.append(Line(line, one))
    return lines


def _change(one: Difference) -> Text:
    before, after, how = sides_of(one)
    text = Text()
    if before != after:
        text.append(fit(before, _VALUE), "side-a").append(" → ", "dim").append(fit(after, _VALUE), "side-b").append(
            "  "
        )
    return text.append_text(how)


def since_lines(since: Document | None, good: int | None, columns: int) -> list[Text]:
    """Below an error: the last good run, and what changed since. `since` is None until it was read."""
    if good is None:
        return [Text("It has never ended well. `e` opens the line, `r` runs again.", "text")]
    lines = [Text(f"Last good run: {good}. `e` opens the line, `d` compares, `r` runs again.", "text")]
    if since is None or since["last_good"] is None:
        return lines
    causes = since["causes"]
    if not causes:
        return [*lines, Text(f"Changed since: {NONE}", "dim")]
    lines += [Text("Changed since, nearest first:", "dim"), *(one.text for one in cause_lines(causes[:MOST], columns))]
    more = len(causes) - MOST
    return [*lines, Text(f"  and {plural(more, 'other')}: `w` in Runs", "dim")] if more > 0 else lines


def kept_lines(live: Live) -> list[Text]:
    """What a failure has not cost."""
    kept = sum(one.plan == "fresh" for one in live.steps.values())
    blocked = sum(one.doing == "blocked" for one in live.steps.values())
    parts = [f"{plural(kept, 'step')} kept what they made" if kept != 1 else "1 step kept what it made"] if kept else []
    parts += [f"{plural(blocked, 'step')} blocked by it"] if blocked else []
    return [Text(f"{'; '.join(parts)}.", "dim")] if parts else []


def page(document: Message, metric: str, columns: int) -> list[Line]:
    """All of it. `document` is the answer to `why`; of a run that did not fail it tells `metric`."""
    if document["failure"] is not None:
        return list(_failure(document["failure"], columns))
    told = document["metric"]
    if told is None:
        return list(_nothing(document))
    return list(_metric(told, document["metrics"], metric, columns))


def _failure(found: Document, columns: int) -> Iterator[Line]:
    step = clean(found["step"])
    if found["last_good"] is None:
        yield Line(Text(f"{step} failed, and never ended well before.", "text"))
        return
    yield Line(Text.assemble((step, "text.bold"), f" failed; it last ended well in run {found['last_good']}."))
    yield Line(Text())
    yield Line(Text("changed since, nearest first" if found["causes"] else f"changed since: {NONE}", "dim"))
    yield from cause_lines(found["causes"], columns)
    if found["elsewhere"]:
        yield Line(Text())
        yield Line(Text(f"{plural(found['elsewhere'], 'other change')} cannot have reached it", "dim"))


def _nothing(document: Message) -> Iterator[Line]:
    against = document["against"]
    if against is None:
        yield Line(Text("There is no other run to hold it against.", "text"))
    else:
        yield Line(Text(f"No metric differs from run {against}{' so far' if document['going'] else ''}.", "text"))
        if document["going"]:
            yield Line(Text("The run is going on.", "running"))
    if document["reasons"]:
        yield Line(Text())
        yield Line(Text("why its steps ran", "dim"))
    for step, text in document["reasons"]:
        yield Line(Text.assemble(("  " + clean(step), "text.bold"), "  ", clean(text)))


def _metric(found: Document, names: Sequence[str], metric: str, columns: int) -> Iterator[Line]:
    one = Difference.from_json(found["metric"])
    at = f"   {names.index(metric) + 1} of {len(names)}, h l" if metric in names and len(names) > 1 else ""
    line = Text.assemble(
        (f"{clean(one.subject)}  ", "text.bold"), (number(one.before) or "–", "side-a"), (" → ", "dim")
    )
    line.append(number(one.after) or "–", "side-b").append("  ").append_text(change_of(one)).append(at, "dim")
    yield Line(line, one)
    for link in found["chain"]:
        yield from _link(link, columns)
    yield Line(Text())
    yield Line(Text("causes, nearest first" if found["causes"] else f"causes: {NONE}", "dim"))
    yield from cause_lines(found["causes"], columns)
    yield Line(Text())
    a, b = found["a"], found["b"]
    hint = f"`instep why {b} --than {a} --metric {clean(one.subject)} --attribute` says what each contributed"
    if len(found["causes"]) > 1:
        yield Line(Text(hint, "dim"))


def _link(link: Document, columns: int) -> Iterator[Line]:
    why = [f"its own {plural(len(link['own']), 'change')}"] if link["own"] else []
    why += [f"{clean(name)} is not what it was" for name in link["before"]]
    told = ", ".join(why) or "unexplained: it got the same, is the same, and gave something else"
    indent = "  " * min(8, int(link["depth"]))
    yield Line(Text())
    text = Text.assemble((f"{indent}{clean(link['step'])}", "text.bold"), ("  differs: ", "dim"), (told, "text"))
    yield Line(inked(text))
    found = [Difference.from_json(one) for one in (*link["own"], *link["outputs"])]
    for one, line in zip(
        found, lines_of([Row(name_of(one), one) for one in found], columns - len(indent)), strict=True
    ):
        yield Line(Text.assemble(indent, line), one)
