"""The two lines that never move: where one is and what goes on above, what can be done below. Pure functions."""

from collections.abc import Callable, Iterable

from rich.text import Text

from ..keys import PLACES, Action
from ..text import clean, fit, seconds
from .live import Live, time_of_day

_SHORTEST = 34
"""Columns that the places take where only the one that is shown has its name."""


def top(live: Live, place: str, width: int) -> Text:
    """Project, places, and the state of run, engine and Ray; what does not fit goes from the middle."""
    name = Text.assemble((f" {clean(live.project) or '…'} ", "text.bold"))
    if live.branch:
        name.append(f"{fit(clean(live.branch), 20)}{'*' if live.dirty else ''} ", "dim")
    right = _status(live, brief=False)
    if name.cell_len + right.cell_len + _SHORTEST > width:
        right = _status(live, brief=True)
    room = width - name.cell_len - right.cell_len
    places = Text(" ")
    for short in (False, True):
        places = Text(" ")
        for key, (digit, title) in PLACES.items():
            label = f"{digit} {title}" if not short or key == place else digit
            places.append(label, "running.bold" if key == place else "dim")
            places.append("  ")
        if places.cell_len <= room:
            break
    line = Text.assemble(name, places, no_wrap=True, end="")
    gap = width - line.cell_len - right.cell_len
    if gap < 0:
        return Text.assemble(places, no_wrap=True, end="")
    return line.append(" " * gap).append_text(right)


def _status(live: Live, *, brief: bool) -> Text:
    text = Text()
    if live.going:
        text.append(f"▶ run {live.run}  ", "running")
    elif live.run is not None and live.last:
        mark, style = {"done": ("✓", "ok"), "failed": ("✗", "failed")}.get(live.last, ("‖", "dim"))
        text.append(f"{mark} run {live.run}  ", style)
    if not live.watching:
        text.append("‖ paused  ", "stale")
    match live.engine, live.ray:
        case "none", _:
            pass
        case "starting", _:
            text.append("◌ engine starts ", "dim")
        case "lost", _:
            text.append("✗ engine lost ", "failed")
        case _, "starting":
            text.append("◌ ray starts ", "dim")
        case _, "ready":
            text.append("✓ local ", "ok")
        case _:
            text.append("✗ ray ", "failed")
    return text.append_text(_elsewhere(live, brief=brief))


def _elsewhere(live: Live, *, brief: bool) -> Text:
    """What goes on on each cluster: steps that have ended of how many; out of sight is a state of its own."""
    text = Text()
    for target in dict.fromkeys(one.target for one in live.elsewhere.values()):
        runs = [one for one in live.elsewhere.values() if one.target == target]
        lost = min((one.lost_since for one in runs if one.lost_since is not None), default=None)
        name = fit(clean(target), 16)
        if lost is not None:
            since = f"since {time_of_day(lost)}"
            text.append(f" ⇡? {name} {since if brief else f'lost sight {since}'} ", "stale")
            continue
        ended, every = sum(one.ended for one in runs), sum(len(one.steps) for one in runs)
        text.append(f" ⇡ {name}{f' {ended}/{every}' if every else ''} ", "remote")
    return text


def bottom(
    actions: Iterable[Action], why_not: Callable[[str], str], right: Text, width: int, pending: str = ""
) -> Text:
    """The keys that are valid now, the ones that cannot be used dim; `right` is what there is to say."""
    line = Text(no_wrap=True, end="")
    room = width - right.cell_len - 1
    if pending:
        line.append(f" {pending}…", "key")
    parts = [_key(one, usable=not why_not(one.name)) for one in actions]
    always = parts[-1:]  # help: where everything else can be found
    for index, part in enumerate(parts):
        rest = sum(one.cell_len for one in always) if index < len(parts) - 1 else 0
        if line.cell_len + part.cell_len + rest > room:
            if index < len(parts) - 1 and line.cell_len + rest <= room:
                line.append_text(always[0])
            break
        line.append_text(part)
    gap = width - line.cell_len - right.cell_len - 1
    return line.append(" " * max(0, gap)).append_text(right)


def _key(one: Action, *, usable: bool) -> Text:
    if usable:
        return Text.assemble((f" {one.keys[0]}", "key"), (f" {one.label} ", "text"))
    return Text(f" {one.keys[0]} {one.label} ", "dim")


def cost(live: Live) -> str:
    """What `r` would cost, from what each step took when it last ran: `3 steps, about 41 s (train 38 s)`."""
    stale = live.stale()
    if live.going or not live.loaded:
        return ""
    if not stale:
        return "nothing to run" if live.steps else ""
    known = [(one.seconds, one.name) for one in stale if one.seconds is not None]
    count = f"{len(stale)} step" + ("s" if len(stale) > 1 else "")
    if not known:
        return f"{count}, not run before"
    longest, name = max(known)
    total = sum(took for took, _ in known)
    more = f" + {len(stale) - len(known)} not run before" if len(known) < len(stale) else ""
    part = f" ({fit(clean(name), 20)} {seconds(longest)})" if len(known) > 1 and longest > total / 2 else ""
    about = "at most" if live.count("pending") else "about"
    return f"{count}, {about} {seconds(total)}{more}{part}"
