"""What one column holds, and what became of a table since the version before. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from ..text import clean, fit, pad, plural, size, width
from .cells import flat, type_name
from .data import facts_of, short

Document = Mapping[str, Any]  # Any: JSON
_BARS = " ▁▂▃▄▅▆▇█"
_STATES = {"added": ("+", "ok"), "removed": ("-", "failed"), "retyped": ("±", "stale"), "changed": ("~", "stale")}


def profile_lines(
    column: Document, profile: Document | None, change: Document | None, room: int, tall: int
) -> list[Text]:
    """The profile as lines: `column` is what was stored of it, `profile` what was counted since (None: not yet),
    `change` its row of the difference to the version before."""
    lines = [_facts(column, profile, room)]
    histogram = profile and profile.get("histogram")
    if histogram:
        lines += histogram_lines(histogram, room, max(1, tall - 2))
    elif profile and profile.get("top"):
        lines += top_lines(profile["top"], profile["rows"], room, max(1, tall - 2))
    elif profile and profile.get("why"):
        lines.append(Text(fit(f"no more is known: {flat(profile['why'])}", room), "dim"))
    elif profile is None:
        lines.append(Text("counting …", "dim"))
    if change is not None:
        lines.append(_since(change, room))
    return lines


def _facts(column: Document, profile: Document | None, room: int) -> Text:
    stored = facts_of(column["summary"])
    told: Document = profile or {}
    rows = column["rows"]
    nulls = column["nulls"] if column["nulls"] is not None else told.get("nulls")
    facts: list[tuple[str, str]] = []
    if nulls is not None:
        share = f" ({nulls / rows:.1%})" if rows and nulls else ""
        facts.append(("nulls", f"{nulls:,}{share}"))
    if told.get("distinct") is not None:
        facts.append(("distinct", ("" if told["distinct"] < 100 else "≈") + f"{told['distinct']:,}"))
    if told.get("nan"):
        facts.append(("not finite", f"{told['nan']:,}"))
    if stored.get("true") is not None:
        facts.append(("true", f"{stored['true']:,}"))
    quantiles: Sequence[Any] = stored.get("quantiles") or []
    known = {"min": stored.get("min"), "p50": quantiles[2] if len(quantiles) == 5 else None, "mean": stored.get("mean")}
    for name in ("min", "p50", "mean", "max"):
        value = told[name] if told.get(name) is not None else known.get(name, stored.get(name))
        if value is not None:
            facts.append((name, short(value)))
    if told.get("histogram") and sum(width(name) + width(value) + 4 for name, value in facts) > room + 3:
        facts = [one for one in facts if one[0] not in ("min", "max")]  # they stand at the histogram's ends
    text = Text(no_wrap=True)
    for name, value in facts:
        part = Text.assemble((f"{name} ", "dim"), (value, "text"))
        if text.cell_len + part.cell_len + 3 > room:
            break
        text.append("   " if text else "").append_text(part)
    return text


def histogram_lines(histogram: Document, room: int, tall: int) -> list[Text]:
    """Bars of eighths, at most `tall` lines high, with its ends beside the lowest line."""
    low, high = short(histogram["low"]), short(histogram["high"])
    columns = max(4, room - width(low) - width(high) - 4)
    counts = grouped(histogram["counts"], columns)
    most, tall = max(counts) or 1, min(tall, 4)
    # A bin that holds anything at all is seen, however small it is beside the others.
    eighths = [0 if not one else max(1, round(one / most * tall * 8)) for one in counts]
    lines: list[Text] = []
    for line in range(tall - 1, -1, -1):
        bars = "".join(_BARS[min(8, max(0, one - line * 8))] for one in eighths)
        left, right = (f"{low} ┤", f"├ {high}") if line == 0 else (" " * width(low) + " │", "│")
        lines.append(Text.assemble((left, "dim"), (bars, "running"), (right, "dim"), no_wrap=True))
    return lines


def grouped(counts: Sequence[int], columns: int) -> list[int]:
    """`counts` in at most so many bins; none is lost."""
    if len(counts) <= columns:
        each = max(1, columns // len(counts))
        return [one for one in counts for _ in range(min(each, 2))]
    return [sum(counts[at * len(counts) // columns : (at + 1) * len(counts) // columns]) for at in range(columns)]


def top_lines(top: Sequence[Sequence[Any]], rows: int, room: int, tall: int) -> list[Text]:
    """The most common values with a bar, how many, and their share."""
    shown = [(flat(str(value)) or '""', count) for value, count in top[:tall]]
    wide = min(max((width(one) for one, _ in shown), default=0), max(8, room // 3))
    most = shown[0][1] if shown else 1
    length, digits = max(4, min(24, room - wide - 26)), max((len(f"{one:,}") for _, one in shown), default=1)
    return [
        Text.assemble(
            (pad(fit(value, wide), wide) + "  ", "text"),
            (pad("█" * max(1, round(count / most * length)), length), "running"),
            (f"  {count:>{digits},}", "text"),
            (f"  {count / rows:.1%}" if rows else "", "dim"),
            no_wrap=True,
        )
        for value, count in shown
    ]


def _since(change: Document, room: int) -> Text:
    head = f"{change['title']}: "
    if change["state"] == "equal":
        return Text.assemble((head, "dim"), ("= every value is the same", "ok"), no_wrap=True)
    mark, style = _STATES.get(change["state"], ("~", "stale"))
    told = ", ".join(differences(change)) or change["state"]
    return Text.assemble((head, "dim"), (fit(f"{mark} {told}", max(8, room - width(head))), style), no_wrap=True)


def differences(change: Document) -> list[str]:
    """What the recorded summaries of a column say of the change."""
    told: list[str] = []
    before, after = change["dtype"]
    if change["state"] == "added":
        return [f"added, {type_name(after)}"]
    if change["state"] == "removed":
        return [f"removed, was {type_name(before)}"]
    if before != after:
        told.append(f"type {type_name(before)} → {type_name(after)}")
    if change["nulls"][0] != change["nulls"][1]:
        told.append(f"nulls {change['nulls'][0]:,} → {change['nulls'][1]:,}")
    old, new = map(facts_of, change["summary"])
    for name in ("distinct", "min", "mean", "max", "true"):
        one, other = old.get(name), new.get(name)
        if one != other and one is not None and other is not None:
            about = [_about(name, facts, rows) for facts, rows in zip((old, new), change["rows"], strict=True)]
            told.append(f"{name} {about[0]}{short(one)} → {about[1]}{short(other)}")
    return told or ["other values, the same summary"]


def _about(name: str, facts: Document, rows: int | None) -> str:
    """A sign for what was taken from a part of the rows when the table was stored; its ends were taken from all."""
    return "≈" if name in ("distinct", "mean") and facts.get("sampled", 0) < (rows or 0) else ""


def change_lines(document: Document, old: str, new: str, room: int) -> list[Text]:
    """The difference of two versions: sizes, then columns, the equal ones counted."""
    before, after = document["rows"]
    lines = [
        Text.assemble(
            ("rows ", "dim"),
            (_move(before or 0, after or 0), "text"),
            ("   stored ", "dim"),
            (f"{size(document['bytes'][0])} → {size(document['bytes'][1])}", "text"),
            (f"   the first {plural(document['shared'], 'block')} of rows equal" if document["shared"] else "", "dim"),
        )
    ]
    columns: Sequence[Document] = document["columns"]
    equal = [one for one in columns if one["state"] == "equal"]
    if len(equal) == len(columns) and before == after:
        lines.append(Text("= every column is equal, value by value", "ok"))
    other = [one for one in columns if one["state"] != "equal"]
    wide = min(max((width(flat(one["name"])) for one in other), default=0), max(8, room // 4))
    for one in other:
        mark, style = _STATES[one["state"]]
        name = pad(fit(flat(one["name"]), wide), wide)
        lines.append(Text.assemble((f"{mark} {name}  ", style), (", ".join(differences(one)), "text"), no_wrap=True))
    if equal and other:
        names = ", ".join(flat(one["name"]) for one in equal)
        lines.append(Text(fit(f"= {plural(len(equal), 'column')} equal: {names}", room), "dim", no_wrap=True))
    lines.append(Text(f"{clean(old)} → {clean(new)}, from what was recorded; d or esc closes", "dim"))
    return lines


def _move(before: int, after: int) -> str:
    return f"{before:,} = {after:,}" if before == after else f"{before:,} → {after:,} ({after - before:+,})"
