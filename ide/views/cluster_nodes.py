"""The nodes of a cluster and this machine beside them, as lines; and what is told where there is nothing to show. Pure
functions of what the engine answers (`remote/looking.py`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from ..text import clean, fit, oneline, pad, plural, seconds
from .live import Live

Document = Mapping[str, Any]  # Any: JSON
BAR = 7
MOST_RUNNING = 3
"""Tasks of a node that are named; the rest is counted."""


def node_names(nodes: Iterable[Document]) -> dict[str, str]:
    """Id → what a node is called: its host, with the begin of its id where several nodes are on one."""
    told = list(nodes)
    hosts = [str(one["host"]) for one in told]
    return {
        str(one["id"]): oneline(host if hosts.count(host) == 1 else f"{host}·{str(one['id'])[:4]}")
        for one, host in zip(told, hosts, strict=True)
    }


def node_head(room: int) -> Text:
    name, _ = _node_room(room)
    titles = f"{pad('node', name)}  {pad('state', 7)}  {pad('cpu', BAR + 5)}  {pad('gpu', BAR + 5)}  mem"
    return Text(titles, "dim", no_wrap=True, end="")


def node_lines(look: Document, live: Live, now: float, room: int) -> list[Text]:
    """This machine, then the nodes, each with what runs there below it."""
    names = node_names(look["nodes"])
    lines = [_local(look["here"], live, room)]
    for one in look["nodes"]:
        lines.append(_node(one, names[one["id"]], now, room))
        lines += _running(one["running"], now, room)
    return lines


def _local(here: Document, live: Live, room: int) -> Text:
    working = any(one.running for one in live.steps.values())
    mark, word, style = ("▶", "busy", "running") if working else ("✓", "up", "ok")
    told = {"cpu": here["cpu"], "gpus": 0, "memory": here["memory"], "memory_used": here["memory_used"]}
    return _row("local", mark, word, style, told, room)


def _node(one: Document, name: str, now: float, room: int) -> Text:
    if one["head"]:
        name = f"{name} head"
    if not one["alive"]:
        wide, _ = _node_room(room)
        since = f"{ago(now - one['until'])} ago" if one["until"] else "it is gone"
        why = f" – {oneline(one['why'])}" if one["why"] else ""
        line = Text.assemble((pad(fit(name, wide), wide) + "  ", "text"), ("✗ lost   ", "failed"), no_wrap=True, end="")
        return line.append(fit(f"{since}{why}", max(8, room - line.cell_len)), "dim")
    busy = bool(one["running"]) or (one["cpus_held"] or 0) > 0
    return _row(name, *(("⇡", "busy", "remote") if busy else ("✓", "idle", "ok")), one, room)


def _row(name: str, mark: str, word: str, style: str, one: Document, room: int) -> Text:
    wide, bars = _node_room(room)
    line = Text(pad(fit(name, wide), wide) + "  ", "text", no_wrap=True, end="")
    line.append(pad(f"{mark} {word}", 7) + "  ", style)
    line.append(_measure(one["cpu"], None, "running", bars=bars)).append("  ")
    line.append(_gpu(one, bars=bars)).append("  ")
    share = 100.0 * one["memory_used"] / one["memory"] if one["memory"] and one["memory_used"] is not None else None
    return line.append("–" if share is None else f"{share:3.0f}%", "dim" if share is None else _heat(share))


def _gpu(one: Document, *, bars: bool) -> Text:
    """Of devices that no driver tells of, how many are held."""
    if not one["gpus"]:
        return _measure(None, None, "remote", bars=bars)
    held = one["gpu"] * one["gpus"] / 100.0 if one["gpu_held"] and one["gpu"] is not None else None
    words = None if held is None else f"{held:g}/{one['gpus']:g}"
    return _measure(one["gpu"], words, "remote", bars=bars)


def _measure(percent: float | None, words: str | None, style: str, *, bars: bool) -> Text:
    columns = (BAR if bars else 0) + 5
    if percent is None:
        return Text(pad("–", columns), "dim")
    full = round(min(100.0, max(0.0, percent)) / 100 * BAR)
    bar = pad("▇" * full or "▁", BAR) if bars else ""
    return Text.assemble(
        (bar, style), (f"{words or f'{percent:.0f}%':>5}", _heat(percent) if words is None else "text")
    )


def _heat(percent: float) -> str:
    return "stale" if percent >= 90 else "text"


def _node_room(room: int) -> tuple[int, bool]:
    """Columns for names, and whether there are bars."""
    left = room - (7 + 2 + 4 + 6) - 2 * (BAR + 5)
    return (max(7, min(24, left)), True) if left >= 7 else (max(7, min(24, left + 2 * BAR)), False)


def _running(tasks: Sequence[Document], now: float, room: int) -> list[Text]:
    counts: dict[str, int] = {}
    for one in tasks:
        counts[one["name"]] = counts.get(one["name"], 0) + 1
    lines: list[Text] = []
    for name, count in list(counts.items())[:MOST_RUNNING]:
        since = min((one["since"] for one in tasks if one["name"] == name and one["since"]), default=None)
        holds = next(one["resources"] for one in tasks if one["name"] == name)
        many = f" × {count}" if count > 1 else ""
        took = f" {seconds(max(0.0, now - since))}" if since else ""
        lines.append(Text(fit(f"  ▶ {oneline(name)}{many}{took}{_holds(holds)}", room), "running"))
    if len(counts) > MOST_RUNNING:
        lines.append(Text(f"  and {len(counts) - MOST_RUNNING} more", "dim"))
    return lines


def _holds(resources: Mapping[str, float]) -> str:
    told = [f"{much:g} {name}" for name, much in resources.items() if name != "memory" and (name, much) != ("CPU", 1.0)]
    return f" · {', '.join(told)}" if told else ""


def ago(took: float) -> str:
    """`40 s`, `2 min`, `3 h`, `5 days`: how long it is since something was."""
    for least, one, word in ((172800, 86400, "days"), (5400, 3600, "h"), (90, 60, "min")):
        if took >= least:
            return f"{took / one:.0f} {word}"
    return f"{max(0.0, took):.0f} s"


def how_to(config: str) -> list[Text]:
    """What to write where no cluster is configured."""
    text = f"""Every step runs on this machine. A Ray cluster is three lines
in {config}:

    [clusters.gpu]
    address = "http://127.0.0.1:8265"
    token = {{ env = "GPU_RAY_TOKEN" }}

The address is that of its dashboard, through an SSH tunnel or a TLS
proxy; the token is named by where it is, never written down itself.
`a` asks for these, tries whether the cluster answers, and writes them.

After that `o` in Pipeline or Runs sends the identical run there; what
comes of it comes home and is a hit here too.

docs/clusters.md: a machine over SSH, cloud machines, KubeRay, Slurm."""
    return [Text(), *(Text(f"  {one}", "text" if "=" not in one else "running") for one in text.splitlines())]


def trouble(what: str, mend: str, room: int) -> list[Text]:
    """Why the nodes cannot be told."""
    from .steps import wrapped

    return [*wrapped(f"✗ {oneline(what)}", room, "failed"), *wrapped(oneline(mend), room, "text", "  ")]


def below_nodes(look: Document) -> str:
    """`1 head · 2 GPUs (A100) · Ray 2.60.0 · ping 24 ms`."""
    alive = [one for one in look["nodes"] if one["alive"]]
    gpus = sum(one["gpus"] for one in alive)
    kinds = f" ({', '.join(look['gpu_kinds'])})" if look["gpu_kinds"] else ""
    parts = [plural(len(alive), "node"), f"{sum(one['cpus'] for one in alive):g} CPUs"]
    parts += [f"{gpus:g} GPU{'s' if gpus != 1 else ''}{kinds}"] if gpus else []
    return clean(" · ".join([*parts, f"Ray {look['ray']}", f"ping {seconds(look['seconds'])}"]))
