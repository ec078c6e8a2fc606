"""What the palette finds: one list of everything that can be done or gone to, narrowed by what is typed.

`>` only actions, `@` steps, `#` runs, `/` sends the rest to the log's search; without a sign everything is looked at.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

from ..keys import PLACES, Action, valid_in
from ..text import clean, pad
from .live import Live

Kind = Literal["action", "step", "run", "log"]
MOST = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """`does` is what the kind needs: an action's name, a step, a run's number, a text to find."""

    kind: Kind
    label: str
    does: str
    keys: str = ""
    where: str = ""
    why_not: str = ""


def entries(live: Live, place: str, runs: Sequence[tuple[int, str]], why_not: Callable[[str], str]) -> list[Entry]:
    """Everything there is, the actions of this place first."""
    found = [_action(one, why_not) for one in valid_in(place) if one.group != "move"]
    found += [Entry("step", name, name, where="step") for name in live.steps]
    return found + [Entry("run", told, str(number), where="run") for number, told in runs]


def _action(one: Action, why_not: Callable[[str], str]) -> Entry:
    where = ", ".join(PLACES[place][1] for place in one.places if place in PLACES) or "everywhere"
    return Entry("action", f"{one.label}: {one.help}", one.name, " ".join(one.keys), where, why_not(one.name))


def matching(every: Iterable[Entry], typed: str) -> list[Entry]:
    """The entries whose label has every word that was typed, those that begin with it first."""
    kinds: dict[str, Kind] = {">": "action", "@": "step", "#": "run"}
    if typed.startswith("/"):
        text = typed[1:].strip()
        return [Entry("log", f"find “{text}” in the log", text, where="Logs")] if text else []
    kind = kinds.get(typed[:1])
    words = (typed[1:] if kind else typed).lower().split()
    found = [
        one
        for one in every
        if (kind is None or one.kind == kind) and all(word in one.label.lower() or word == one.keys for word in words)
    ]
    first = words[0] if words else ""
    return sorted(found, key=lambda one: not one.label.lower().startswith(first))[:MOST]


def line(one: Entry, columns: int) -> Text:
    """One row: what, its key, where; what cannot be done now says why not."""
    room = max(20, columns - 26)
    style = "dim" if one.why_not else "text"
    text = Text(pad(clean(one.label)[:room], room), style, no_wrap=True, end="")
    if one.why_not:
        return text.append(f"  not now: {clean(one.why_not)}", "stale")
    return text.append(f"  {one.keys:8}", "key").append(one.where, "dim")
