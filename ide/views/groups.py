"""What the items of a fan-out have come to, as lines: the best of them, and each group with how far it is."""

from typing import Any

from rich.text import Text

from ..text import clean, fit, number, pad, width
from .live import Message

_BAR = 12
_NAMES = 24


def group_lines(groups: Message, room: int) -> list[Text]:
    """Groups that fail first, then those that are under way, then the others in the order of their list."""
    told: list[list[Any]] = list(groups["groups"])  # Any: JSON
    metric, by = clean(str(groups["metric"])), clean(str(groups["by"]))
    lines = _best_lines(groups, metric, room)
    if not told:
        return lines
    names = min(_NAMES, max(width(by), *(width(clean(str(one[0]))) for one in told)))
    counts = max(len("done"), *(len(f"{one[2]:,}/{one[1]:,}") for one in told))
    head = f"{pad(by, names)}  {'':{_BAR}}  {'done':>{counts}}  {'failed':>6}"
    lines += [Text(), Text(head + (f"  {f'mean {metric}':>12}" if metric else ""), "dim")]
    for label, items, done, failed, mean in sorted(told, key=lambda one: (not one[3], not 0 < one[2] < one[1])):
        full = round(_BAR * done / items) if items else 0
        line = Text.assemble(
            (pad(fit(clean(str(label)), names), names), "text"),
            ("  ", ""),
            ("━" * full, "ok" if done == items else "running"),
            ("━" * (_BAR - full), "line"),
            (f"  {f'{done:,}/{items:,}':>{counts}}", "text"),
            (f"  {f'✗ {failed:,}' if failed else '':>6}", "failed"),
            no_wrap=True,
        )
        if metric:
            line.append(f"  {number(float(mean)) if mean is not None else '':>{max(12, len(metric) + 5)}}", "text")
        lines.append(line)
    return lines


def _best_lines(groups: Message, metric: str, room: int) -> list[Text]:
    """The best result so far, and of each argument what is best on average."""
    best = groups["best"]
    if not best:
        return []
    rows = [("best", best["value"], " · ".join(f"{name} {label}" for name, label in best["arguments"].items()), "")]
    for name, (label, mean, items) in groups["leaders"].items():
        rows.append((f"best {name}", mean, str(label), f"mean of {items:,}"))
    heads = max(width(clean(head)) for head, *_ in rows)
    lines = [Text(f"{'':{heads}}  {metric:>10}", "dim")]
    for head, value, where, note in rows:
        told = f"{number(float(value)):>10}"
        left = room - heads - len(told) - len(note) - 6
        lines.append(
            Text.assemble(
                (pad(clean(head), heads), "dim"),
                (f"  {told}  ", "text.bold"),
                (fit(clean(where), max(10, left)), "text"),
                (f"  {note}", "dim"),
                no_wrap=True,
            )
        )
    return lines
