"""The one registry of actions: key dispatch, footer, help, palette and the README's key table come from here.

An action `run` is the method `action_run` of the focused widget, of what is around it, of the place, or of the app,
whichever has it first. Two actions that are valid in one place must not share a key; a test holds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Group = Literal["move", "act", "look", "app"]
PLACES: Mapping[str, tuple[str, str]] = {
    "pipeline": ("1", "Pipeline"),
    "runs": ("2", "Runs"),
    "compare": ("3", "Compare"),
    "data": ("4", "Data"),
    "logs": ("5", "Logs"),
    "time": ("6", "Time"),
    "cluster": ("7", "Cluster"),
}
"""Name → key and title."""


@dataclass(frozen=True, slots=True)
class Action:
    """`places` empty: everywhere. `shown` puts it into the footer; `keys[0]` is the one that is shown."""

    name: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: Group
    places: tuple[str, ...] = ()
    shown: bool = False

    def valid_in(self, place: str) -> bool:
        return not self.places or place in self.places


def _move(name: str, keys: str, label: str) -> Action:
    return Action(name, tuple(keys.split()), label, label, "move")


ACTIONS: Sequence[Action] = (
    # Pipeline
    Action("run", ("r",), "Run stale", "run what is stale (the footer says the cost)", "act", ("pipeline",), True),
    Action("run_below", ("R",), "Run from here", "run this step and all below it", "act", ("pipeline",)),
    Action("ignore_cache", ("!",), "Ignore cache", "run this step whatever is known (asks)", "act", ("pipeline",)),
    Action("cancel", ("x",), "Cancel", "end the run that is going on", "act", ("pipeline", "logs", "time"), True),
    Action("pause", ("p",), "Watching", "pause or go on re-running what a save made stale", "act", ("pipeline",), True),
    Action("offload", ("o",), "Offload", "send to a cluster (tells the price and asks)", "act", ("pipeline", "runs")),
    Action("mark", ("space",), "Mark", "mark steps for `o`", "act", ("pipeline",)),
    Action("edit", ("e",), "Edit", "open the editor at the line", "look", ("pipeline",), True),
    Action("open", ("enter",), "Open", "open what is under the cursor", "act", ("pipeline",), True),
    Action("zoom", ("z",), "Zoom", "give this pane the whole screen", "look", ("pipeline",)),
    Action("since", ("d",), "Diff", "what differs from the last run in which it went well", "look", ("pipeline",)),
    Action("next_tab", ("]",), "Next tab", "next tab", "move", ("pipeline",)),
    Action("previous_tab", ("[",), "Previous tab", "previous tab", "move", ("pipeline",)),
    # Runs
    Action("open", ("enter",), "Open", "open this run in the pipeline", "act", ("runs",), True),
    Action("mark", ("space",), "Mark", "mark A, then B", "act", ("runs",), True),
    Action("compare", ("c",), "Compare", "compare the two marked runs", "act", ("runs", "pipeline"), True),
    Action("baseline", ("b",), "Baseline", "make it the run that others are compared with", "act", ("runs",), True),
    Action("why", ("w",), "Why", "why it failed, or why a metric is not what it was", "look", ("runs",), True),
    Action("sort", ("s",), "Sort", "sort by the column under the cursor", "look", ("runs",), True),
    Action("columns", ("t",), "Columns", "choose which metrics and params are columns", "look", ("runs",), True),
    Action("note", ("i",), "Note", "edit the run's note", "act", ("runs",), True),
    Action("delete", ("D",), "Delete", "hide the run; `u` brings it back", "act", ("runs",)),
    # Logs
    Action("find", ("/",), "Find", "find a text and mark it", "look", ("logs",), True),
    Action("narrow", ("&",), "Filter", "only lines with a text in them", "look", ("logs",), True),
    Action("level", ("v",), "Level", "all lines, from info, from warning, errors", "look", ("logs",), True),
    Action("step_only", ("s",), "Step", "only lines of one step", "look", ("logs",), True),
    Action("this_step", ("S",), "This step", "only lines of the step under the cursor, or all", "look", ("logs",)),
    Action("follow", ("f",), "Follow", "follow the end as it comes; scrolling up stops it", "look", ("logs",), True),
    Action("wrap", ("w",), "Wrap", "long lines in several rows, or moved with h and l", "look", ("logs",), True),
    Action("next_match", ("n",), "Next match", "to the next match", "look", ("logs",), True),
    Action("previous_match", ("N",), "Match before", "to the match before", "look", ("logs",)),
    Action("open", ("enter", "gs"), "Go to step", "open the step that said this line", "act", ("logs",), True),
    Action("edit", ("e",), "Edit", "open the editor at the step that said this line", "look", ("logs",), True),
    # Time
    Action("open", ("enter",), "Step", "open the step in the pipeline", "act", ("time",), True),
    Action("finer", ("+",), "Finer", "fewer seconds in a column", "look", ("time",), True),
    Action("coarser", ("-",), "Coarser", "more seconds in a column", "look", ("time",), True),
    # Logs and Time
    Action("older_run", ("[",), "Older run", "the run before this one", "look", ("logs", "time"), True),
    Action("newer_run", ("]",), "Newer run", "the run after this one", "look", ("logs", "time"), True),
    Action("choose_run", ("#",), "Run", "choose the run by its number", "look", ("logs", "time")),
    Action("copy", ("y",), "Copy", "copy the line or the step's time", "look", ("logs", "time")),
    # Start
    Action("begin", ("enter",), "First pipeline", "write a first pipeline and run it", "act", ("start",), True),
    Action("pick", ("s",), "Pick functions", "mark functions in my files as steps", "act", ("start",), True),
    # Data
    Action("open", ("enter",), "Open", "open the output; on a cell: show all of it", "act", ("data",), True),
    Action("diff", ("d",), "Diff", "what changed since the version before", "look", ("data",), True),
    Action("sort", ("s",), "Sort", "sort by the column under the cursor: up, down, not", "look", ("data",), True),
    Action("filter", ("/",), "Filter", "only the rows that an SQL condition holds for", "look", ("data",), True),
    Action("copy", ("y",), "Copy", "copy the cell under the cursor, whole", "look", ("data",), True),
    Action(
        "export", ("E",), "Export", "write to a file: .parquet, .csv, .json, … by its ending", "act", ("data",), True
    ),
    Action("console", ("S",), "SQL", "ask in SQL about everything that was recorded", "look", ("data",), True),
    Action("its_step", ("gs",), "Its step", "go to the step that made it", "look", ("data",), True),
    # Compare
    Action("open", ("enter",), "Open", "look at the difference; of a table: read its rows", "act", ("compare",), True),
    Action("next_hunk", ("n",), "Next diff", "to the next change", "look", ("compare",), True),
    Action("previous_hunk", ("N",), "Diff before", "to the change before", "look", ("compare",)),
    Action("equal", ("=",), "Equal", "show or hide what is equal", "look", ("compare",), True),
    Action("split", ("|",), "Split", "both sides beside each other, or in one column", "look", ("compare",), True),
    Action("swap", ("~",), "Swap", "swap A and B", "look", ("compare",), True),
    Action("choose_a", ("A",), "Choose A", "choose run A by its number, `latest` or `now`", "look", ("compare",), True),
    Action("choose_b", ("B",), "Choose B", "choose run B by its number, `latest` or `now`", "look", ("compare",)),
    Action("next_kind", ("]",), "Next kind", "to the next kind: params, code, metrics, …", "look", ("compare",)),
    Action("previous_kind", ("[",), "Kind before", "to the kind before", "look", ("compare",)),
    Action("why", ("w",), "Why", "back from a metric to its causes", "look", ("compare",), True),
    Action("log_scale", ("S",), "Log scale", "curves on a logarithmic scale, or not", "look", ("compare",)),
    Action("axis", ("X",), "Axis", "curves over how many values, over seconds, or over an epoch", "look", ("compare",)),
    Action("finer", ("+",), "Finer", "a smaller part of the curves; h and l move it", "look", ("compare",)),
    Action("coarser", ("-",), "Coarser", "a larger part of the curves", "look", ("compare",)),
    Action("export", ("E",), "Export", "write what differs, a column a run: .csv, .parquet, .md", "act", ("compare",)),
    Action("zoom", ("z",), "Zoom", "give this pane the whole screen", "look", ("compare",)),
    Action("edit", ("e",), "Edit", "open the editor at the line", "look", ("compare",), True),
    Action("copy", ("y",), "Copy", "copy the difference", "look", ("compare",)),
    # Cluster
    Action(
        "offload",
        ("o",),
        "Offload",
        "send marked steps, else all stale (tells the price, asks)",
        "act",
        ("cluster",),
        True,
    ),
    Action(
        "stop_there", ("x",), "Stop", "end the run under the cursor on its cluster (asks)", "act", ("cluster",), True
    ),
    Action("open", ("enter",), "Log", "open the log of the run under the cursor", "act", ("cluster",), True),
    Action("add_cluster", ("a",), "Add cluster", "try a cluster and write it down", "act", ("cluster",), True),
    Action("reconnect", ("R",), "Reconnect", "look at the cluster anew; find its runs", "act", ("cluster",), True),
    Action("next_cluster", ("]",), "Next cluster", "the next cluster", "move", ("cluster",)),
    Action("previous_cluster", ("[",), "Cluster before", "the cluster before", "move", ("cluster",)),
    Action("copy", ("y",), "Copy", "copy the line under the cursor", "look", ("cluster",)),
    # Everywhere
    Action("undo", ("u",), "Undo", "take back what was just done", "act"),
    Action("filter", ("/",), "Filter", "filter; in Runs `/where SQL` too", "look", ("pipeline", "runs"), True),
    Action("copy", ("y",), "Copy", "copy what is under the cursor", "look", ("pipeline", "runs")),
    _move("down", "j down", "down"),
    _move("up", "k up", "up"),
    _move("left", "h left", "left"),
    _move("right", "l right", "right"),
    _move("half_down", "ctrl+d pagedown", "half a page down"),
    _move("half_up", "ctrl+u pageup", "half a page up"),
    _move("first", "gg home", "to the first"),
    _move("last", "G end", "to the last"),
    Action("next_pane", ("tab",), "Next pane", "next pane", "move"),
    Action("previous_pane", ("shift+tab",), "Previous pane", "previous pane", "move"),
    *(Action(f"go_{name}", (key,), title, f"go to {title}", "app", ()) for name, (key, title) in PLACES.items()),
    Action("palette", (":", "ctrl+p"), "Commands", "find a command, step, run or log line", "app", (), True),
    Action("help", ("?",), "Help", "the keys that are valid here", "app", (), True),
    Action("leave", ("esc", "q"), "Back", "back; at the root: quit", "app"),
    Action("theme", (), "Next theme", "dark, light, 16 colours, no colours", "app"),
    Action("suspend", ("ctrl+z",), "Suspend", "back to the shell; `fg` returns", "app"),
)

_TEXTUAL = {
    "enter": "enter",
    "escape": "esc",
    "space": "space",
}


def key_of(key: str, character: str | None) -> str:
    """The registry's name of a key as Textual reports it: what it prints, or its name."""
    if key in _TEXTUAL:
        return _TEXTUAL[key]
    return character if character is not None and character.isprintable() else key


def valid_in(place: str) -> Iterator[Action]:
    """The actions of a place, its own first."""
    yield from (one for one in ACTIONS if one.places and one.valid_in(place))
    yield from (one for one in ACTIONS if not one.places)


def find(place: str, keys: str) -> Action | None:
    """The action that `keys` (one or several key names, joined) mean in a place."""
    return next((one for one in valid_in(place) if keys in one.keys), None)


def begins(place: str, keys: str) -> bool:
    """Whether more keys could make `keys` an action."""
    return any(
        key != keys and key.startswith(keys) and "+" not in key and len(key) == 2
        for one in valid_in(place)
        for key in one.keys
    )


def conflicts() -> list[str]:
    """Keys that mean two things in one place; empty if the registry is sound."""
    found: list[str] = []
    for place in PLACES:
        seen: dict[str, str] = {}
        for one in ACTIONS:
            for key in one.keys if one.valid_in(place) else ():
                if key in seen:
                    found.append(f"{place}: {key} is {seen[key]} and {one.name}")
                seen[key] = one.name
    return found


def table() -> str:
    """The README's key table, as Markdown."""
    lines = ["| key | what it does | where |", "|---|---|---|"]
    for group in ("move", "act", "look", "app"):
        for one in ACTIONS:
            if one.group == group and one.keys:
                keys = " ".join(f"`{key}`" for key in one.keys).replace("|", "\\|")
                where = ", ".join(PLACES[place][1] for place in PLACES if place in one.places)
                lines.append(f"| {keys} | {one.help} | {where or 'everywhere'} |")
    return "\n".join(lines)
