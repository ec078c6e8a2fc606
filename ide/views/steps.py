"""How a step is told: its state in a mark and a few words, and why."""

from collections.abc import Iterable
from typing import Any

from rich.text import Text

from ..text import clean, fit, pad, seconds, width
from .live import Live, Message, StepNow


def state(one: StepNow, clock: float) -> tuple[str, str, str]:
    """(mark, words, style) of a step: what the run that goes on says of it, else what the plan says."""
    match one.doing:
        case "launched" | "storing" | "running" | "retrying":
            took = f" {seconds(clock - one.began)}" if one.began is not None else ""
            share = f" {one.share:.0%}" if one.share is not None else ""
            word = {"launched": " starting", "storing": " storing", "retrying": " again"}.get(one.doing, "")
            return "▶", f"{took}{share}{word}".strip() or "running", "running"
        case "waiting":
            return "◌", f"waits {one.needs[0]}" if one.plan != "fresh" and one.needs else "waits", "stale"
        case "failed":
            title = str((one.error or {}).get("title", "")).partition(":")[0]
            return "✗", title or "failed", "failed"
        case "blocked":
            return "‖", f"blocked by {one.cause}" if one.cause else "blocked", "failed"
        case "cancelled":
            return "‖", "cancelled", "dim"
        case "done" if one.plan == "fresh":
            return "✓", seconds(one.took) or "done", "ok"
        case "reused" if one.plan == "fresh":
            return "✓", "cached", "dim"
        case _:
            return planned(one)


def planned(one: StepNow) -> tuple[str, str, str]:
    """(mark, words, style) by the plan alone."""
    match one.plan:
        case "fresh":
            return "✓", "fresh", "dim"
        case "stale" if not one.auto:
            return "◌", "stale, waits for r", "stale"
        case "stale":
            return "◌", "stale", "stale"
        case "pending":
            root = next((str(reason["via"][0]) for reason in one.reasons if reason.get("via")), "")
            return "◌", f"after {root}" if root else "pending", "stale"
        case _:
            return "✗", "failed", "failed"


def rail_line(art: str, one: StepNow | None, clock: float, room: int, names: int, *, marked: bool = False) -> Text:
    """One row of the rail: art, name, state. `names` is how wide names may be; a mark takes the place of the dot."""
    text = Text(no_wrap=True, end="")
    head, dot, tail = art.partition("●")
    text.append(head, "dim")
    if one is None:
        return text.append(tail, "dim")
    mark, words, style = state(one, clock)
    text.append("◆" if marked else dot, style if style != "dim" else "text").append(f"{tail} ", "dim")
    bold = ".bold" if one.running or one.doing == "failed" else ""
    text.append(pad(fit(clean(one.name), names), names) + "  ", f"text{bold}")
    return text.append(fit(f"{mark} {clean(words)}", max(6, room - text.cell_len)), style)


def why(one: StepNow) -> list[Text]:
    """Why a step is as it is: one line a reason, with the place and before → after."""
    lines: list[Text] = []
    for index, reason in enumerate(one.reasons):
        lead = "stale because " if index == 0 and one.plan == "stale" else ""
        lead = "waits: " if index == 0 and one.plan == "pending" else lead
        lead = "runs because " if index == 0 and one.running else lead
        line = Text.assemble((lead, "dim"), (clean(str(reason["text"])), "text"))
        via = [str(name) for name in reason.get("via") or ()]
        if len(via) > 1 and reason["kind"] != "input":
            line.append(f"  through {clean(' → '.join(via))}", "dim")
        lines.append(line)
    lines += [Text.assemble(("? ", "stale"), (clean(spot), "dim")) for spot in one.blind_spots]
    return lines


def why_it_ran(one: StepNow, answer: Message | None, columns: int) -> list[Text]:
    """Of a step that is fresh: why its last run ran it, or took a result over. `answer` is what was read of it."""
    document: Message = (answer or {}).get("step") or {}
    if one.plan != "fresh" or one.running or not document:
        return []
    run = document["run"]
    if document["state"] == "reused":
        made = (answer or {}).get("made")
        return [Text(f"cached: run {run} has what run {made} made with the same code, params and inputs", "dim")]
    reasons = [str(reason["text"]) for reason in document.get("reasons") or ()]
    if not reasons:
        return [Text(f"fresh: nothing that determines it has changed since run {run}", "dim")]
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    lead = f"run {run} ran it because "
    told = fit(clean(reasons[0]), max(10, columns - len(lead) - len(more)))
    return [Text.assemble((lead, "dim"), (told, "text"), (more, "dim"), no_wrap=True)]


def headline(one: StepNow, clock: float, columns: int) -> Text:
    """The first line of a step's detail: state, progress bar, eta."""
    mark, words, style = state(one, clock)
    line = Text(f"{mark} {clean(words)}", style, no_wrap=True, end="")
    if one.running:
        share = one.share
        if share is not None:
            counted = f"  {one.done or 0:,}/{one.total:,}" if one.total else _items(one)
            line.append(counted, "text")
            room = max(10, min(40, columns - line.cell_len - 24))
            full = round(share * room)
            line.append("  ").append("━" * full, "running").append("━" * (room - full), "line")
            eta = _eta(one, clock)
            line.append(f"  eta {seconds(eta)}" if eta is not None else "", "text")
        elif one.seconds is not None:
            line.append(f"  last time {seconds(one.seconds)}", "dim")
    elif one.fan and one.counts:
        told = " · ".join(f"{count:,} {name}" for name, count in one.counts.items() if count)
        line.append(f"  {clean(told)}", "text")
    return line


def _items(one: StepNow) -> str:
    """Of a fan-out that runs: how many of its items have ended, and how many of them badly."""
    if not one.fan or not one.counts:
        return ""
    ended = sum(one.counts.get(state, 0) for state in ("done", "reused", "failed"))
    failed = one.counts.get("failed", 0)
    return f"  {ended:,}/{sum(one.counts.values()):,}" + (f" · {failed:,} failed" if failed else "")


def _eta(one: StepNow, clock: float) -> float | None:
    share = one.share
    if one.began is None or not share or share >= 1:
        return None
    return (clock - one.began) * (1 - share) / share


def summary(live: Live) -> str:
    """Below the rail: how many steps, and how they are."""
    steps = live.steps.values()
    parts = [f"{len(live.steps)} step" + ("" if len(live.steps) == 1 else "s")]
    running = sum(one.running for one in steps)
    for count, word in (
        (running, "running"),
        (sum(one.plan in ("stale", "pending") and not one.running for one in steps), "stale"),
        (sum(one.plan == "failed" for one in steps), "failed"),
        (sum(one.doing == "blocked" for one in steps), "blocked"),
    ):
        if count:
            parts.append(f"{count} {word}")
    return " · ".join(parts)


def activity(live: Live, room: int) -> list[Text]:
    """The newest lines of what happened, the newest last."""
    from datetime import datetime

    marks = {"ok": "✓", "stale": "◌", "failed": "✗", "running": "▶", "remote": "⇡", "dim": "·"}
    lines: list[Text] = []
    for one in live.activity:
        when = datetime.fromtimestamp(one.at).strftime("%H:%M:%S")
        lines.append(
            Text.assemble(
                (f"{when} ", "dim"), (f"{marks.get(one.mark, '·')} ", one.mark), (clean(one.text), "text"), no_wrap=True
            )
        )
    return lines[-room:] if room else lines


def wrapped(text: str, columns: int, style: str, indent: str = "") -> list[Text]:
    """A sentence in as many lines as it needs."""
    import textwrap

    found = textwrap.wrap(clean(text), max(20, columns), initial_indent=indent, subsequent_indent=indent)
    return [Text(line, style) for line in found]


def problem_lines(problems: Iterable[Message], columns: int) -> list[Text]:
    """Mistakes, each with what, where and how to mend it."""
    lines: list[Text] = []
    for one in problems:
        place = f"{one['place']}: " if one.get("place") else ""
        lines += wrapped(f"✗ {place}{one['what']}", columns, "failed.bold")
        for part in ("why", "mend"):
            lines += wrapped(str(one.get(part) or ""), columns, "text", "  ")
        lines.append(Text())
    return lines


def error_lines(error: Message, columns: int, frames: int = 3) -> list[Text]:
    """A failure: title, message, the last `frames` frames of the person's own code with their source, the locals."""
    lines = [Text(clean(str(error["title"])), "failed.bold"), Text()]
    message = clean(str(error.get("message") or ""))
    lines += [Text(one, "text") for one in message.splitlines()[:20] if one != str(error["title"])]
    every: list[Any] = list(error.get("frames") or [])  # Any: JSON
    for one in every[-frames:] if frames else every:
        lines += [
            Text(),
            Text(f"{clean(str(one['path']))}:{one['line']} in {clean(str(one['function']))}", "dim"),
            Text.assemble(
                ("▸ ", "failed"), (f"{one['line']:>4}  ", "dim"), (clean(str(one["source"])).strip(), "text.bold")
            ),
        ]
    hidden = len(every) - frames if frames else 0
    if hidden > 0:
        lines.append(Text(f"  z  all {len(every)} frames", "dim"))
    local: dict[str, Any] = every[-1].get("locals") or {} if every else {}
    given: dict[str, Any] = error.get("arguments") or {}
    for title, told in (("locals", local), ("given", given)):
        if told:
            lines += [Text(), Text(title, "dim")]
        for name, value in told.items():
            cut = fit(clean(str(value)), max(20, columns - 18))
            lines.append(Text.assemble((f"  {pad(clean(name), 14)} ", "text"), cut))
    if error.get("mend"):
        lines += [Text(), Text(clean(str(error["mend"])), "text")]
    return lines


def names_width(live: Live) -> int:
    """Room for names on the rail: the longest, within reason."""
    return min(28, max((width(clean(name)) for name in live.steps), default=8))
