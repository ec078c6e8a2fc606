"""What is looked at in a log, and what is told around its lines: above them, below, and where there are none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.text import Text

from ..text import clean, fit, plural
from .log_lines import shown

LEVELS = ("debug", "info", "warning", "error")
"""As the reading process ranks them; `debug` leaves every line."""
_SHOWN = {"debug": "all", "info": "≥info", "warning": "≥warning", "error": "≥error"}


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked at: lines of `step` ("": all) from `level` on with `text` in them; `find` is marked in them."""

    run: int | None = None
    step: str = ""
    level: str = LEVELS[0]
    text: str = ""
    find: str = ""

    def request(self) -> dict[str, Any]:  # Any: JSON
        """As the reading process is asked. What is marked changes no line."""
        return {"number": self.run, "step": self.step, "level": self.level, "text": self.text}

    def same_lines(self, other: "Looked") -> bool:
        return self.request() == other.request()

    def turns_from(self, other: "Looked") -> bool:
        """Whether rows of `other` are certainly no rows of this."""
        filters = (self.step, self.level, self.text) != (other.step, other.level, other.text)
        return filters or self.run not in (None, other.run)

    def next_level(self) -> "Looked":
        return replace(self, level=LEVELS[(LEVELS.index(self.level) + 1) % len(LEVELS)])


@dataclass(frozen=True, slots=True)
class Counted:
    """What the reading process says of the log as a whole."""

    number: int | None = None
    state: str = ""
    going: bool = False
    share: float = 1.0
    total: int = 0
    matching: int = 0
    by_step: Mapping[str, int] | None = None
    by_rank: tuple[int, int, int, int] = (0, 0, 0, 0)
    folder: str = ""


def counted_of(document: Mapping[str, Any]) -> Counted:  # Any: JSON of `log`
    by_step: dict[str, int] = {}
    by_rank = [0, 0, 0, 0]
    for step, rank, lines in document["counts"]:
        by_step[step] = by_step.get(step, 0) + lines
        by_rank[rank] += lines
    return Counted(
        document["number"],
        str(document.get("state", "")),
        document["going"],
        document["share"],
        document["total"],
        document["matching"],
        by_step,
        (by_rank[0], by_rank[1], by_rank[2], by_rank[3]),
        str(document.get("folder", "")),
    )


@dataclass(frozen=True, slots=True)
class Manner:
    """How lines are shown: whether the end is followed, wrapped, or from which column on."""

    follows: bool = True
    wrap: bool = False
    aside: int = 0


def above(looked: Looked, counted: Counted, found: tuple[int, int] | None, manner: Manner, room: int) -> Text:
    """The line above the log: what is looked at, which match, whether it follows. `found` is (which, of how many)."""
    run = counted.number if counted.number is not None else looked.run
    text = Text.assemble(
        (" run ", "dim"),
        (str(run) if run is not None else "–", "text.bold"),
        ("   steps ", "dim"),
        no_wrap=True,
        end="",
    )
    text.append(fit(clean(looked.step), 24) or "all", "running" if looked.step else "text")
    text.append("   level ", "dim").append(_SHOWN[looked.level], "text" if looked.level == LEVELS[0] else "stale")
    if looked.text:
        text.append("   only ", "dim").append(fit(shown(looked.text), 24), "stale")
    if looked.find:
        at = "no match" if found == (0, 0) else f"{found[0]:,}/{found[1]:,}" if found else "…"
        text.append("   find: ", "dim").append(f" {fit(shown(looked.find), 24)} ", "match").append(f" {at}", "text")
    aside = f"   from column {manner.aside + 1:,}" if manner.aside else ""
    wrap = f"{aside}   wrap {'on' if manner.wrap else 'off'} "
    right = Text.assemble(_following(counted, follows=manner.follows), (wrap, "dim"))
    gap = room - text.cell_len - right.cell_len
    return text.append(" " * gap).append_text(right) if gap > 0 else text


def _following(counted: Counted, *, follows: bool) -> Text:
    if counted.share < 1:
        return Text(f"reading {counted.share:.0%}", "running")
    if counted.going:
        return Text("▼ following (f)", "ok") if follows else Text("‖ not following (f)", "stale")
    mark, style = {"done": ("✓ ", "ok"), "failed": ("✗ ", "failed")}.get(counted.state, ("‖ ", "dim"))
    return Text(f"{mark}{counted.state}", style) if counted.state else Text()


def below(counted: Counted) -> str:
    """The sum in the frame: `1,204 of 88,310 lines · 2 warnings · written to .instep/runs/42`."""
    if counted.matching != counted.total:
        parts = [f"{counted.matching:,} of {plural(counted.total, 'line')}"]
    else:
        parts = [plural(counted.total, "line")]
    parts += [
        plural(counted.by_rank[rank], word) for rank, word in ((3, "error"), (2, "warning")) if counted.by_rank[rank]
    ]
    return " · ".join([*parts, f"written to {counted.folder}"] if counted.folder else parts)


def nothing(looked: Looked, counted: Counted | None, problem: str, mend: str) -> list[Text]:
    """What is told where there is no line to show: an error, that it is still read, or that there is none and why."""
    if problem:
        return [Text(), Text(f"  ✗ {clean(problem)}", "failed"), Text(f"    {clean(mend)}", "text")]
    if counted is None or counted.share < 1:
        share = f" {counted.share:.0%}" if counted else ""
        return [Text(), Text(f"  … reading the log{share}", "running")]
    if counted.number is None:
        told = ["Nothing was run here yet.", "`1` then `r` runs the steps; what they print and log is told here."]
    elif counted.total:
        kept = [f"step {clean(looked.step)}"] * bool(looked.step) + [f"level {_SHOWN[looked.level]}"] * (
            looked.level != LEVELS[0]
        )
        kept += [f"“{shown(looked.text)}”"] * bool(looked.text)
        told = [f"None of {plural(counted.total, 'line')} is left by {', '.join(kept)}.", "`esc` shows all of them."]
    elif counted.going:
        told = [f"Run {counted.number} has said nothing yet.", "What it prints and logs comes here as it is said."]
    else:
        told = [f"The steps of run {counted.number} printed and logged nothing.", "`[` goes to the run before."]
    return [Text(), Text(f"  {told[0]}", "text"), Text(f"  {told[1]}", "dim")]
