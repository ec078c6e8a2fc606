"""`clusters`, `attach`, `detach`: which clusters there are, what one has, and whether it will do."""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...engine.project import load_project
from ..text import clean, colourful, number, paint, plural, table
from .context import DONE, FAILED, put_json, root_of

if TYPE_CHECKING:
    from ...remote.preflight import Preflight

_STATES = {
    "up": "✓ up",
    "attached": "✓ attached",
    "unknown": "◌ not attached",
    "unreachable": "✗ unreachable",
    "refused": "✗ refused",
}
_EFFECTS = {"stops": "cannot run there", "key": "results are not shared", "may": "may matter", "sent": "goes along"}


def clusters(arguments: argparse.Namespace) -> int:
    """The clusters of the project; with `--check` how they are now, 1 if one of them cannot be worked with."""
    from ...remote.preflight import overview

    project = load_project(root_of(arguments))
    document = overview(project, check=arguments.check)
    found: list[dict[str, Any]] = document["clusters"]
    wrong = any(one["state"] in ("unreachable", "refused") for one in found)
    if arguments.json:
        put_json(document)
        return FAILED if wrong else DONE
    if not found:
        print(f"there is no cluster in {project.config}; docs/clusters.md shows how to add one")
        return DONE
    rows = [(one["name"], _STATES[one["state"]], one["address"], _has(one), _seen(one["seen_at"])) for one in found]
    print(table(("cluster", "state", "address", "has", "seen"), rows))
    for one in found:
        for text in filter(None, (one["problem"], *one["doubts"])):
            print(f"{clean(one['name'])}: {clean(text)}")
    return FAILED if wrong else DONE


def attach(arguments: argparse.Namespace) -> int:
    """What a cluster has, and what differs there for the steps of this project; 1 if they cannot be run there."""
    from ...remote.preflight import preflight

    found = preflight(root_of(arguments), arguments.cluster, dict(os.environ), anew=arguments.anew)
    code = FAILED if found.verdict.action == "refuse" else DONE
    if arguments.json:
        put_json(found.to_json())
        return code
    for line in _attached(found, on=colourful()):
        print(line)
    return code


def detach(arguments: argparse.Namespace) -> int:
    """Forget what is known of a cluster; what runs there goes on."""
    from ...remote.facts import forget
    from ...remote.profile import profile

    project = load_project(root_of(arguments))
    name = profile(project, arguments.cluster).name
    was = forget(project.store, name)
    if arguments.json:
        put_json({"cluster": name, "detached": was})
    elif was:
        print(f"detached from {name}; what runs there goes on, and `instep attach {name}` finds it again")
    else:
        print(f"{name} was not attached")
    return DONE


def _attached(found: "Preflight", *, on: bool) -> Iterator[str]:
    document = found.to_json()
    yield f"{paint('✓', 'done', on=on)} {clean(found.profile.name)}  {clean(found.profile.address)}"
    yield f"  Ray {clean(document['ray'])} · Python {clean(document['python'])} · {_has(document)}"
    for doubt in document["doubts"]:
        print(f"{paint('◌', 'stale', on=on)} {clean(doubt)}", file=sys.stderr)
    if found.cluster.open:
        print(f"{paint('◌', 'stale', on=on)} it is open: whoever reaches it can run code there", file=sys.stderr)
    yield ""
    yield table(("node", "state", "CPUs", "GPUs", "memory", "load", "runs"), map(_node, document["nodes"]))
    yield ""
    if not document["parity"]:
        yield f"{paint('✓', 'done', on=on)} nothing that these steps use differs there"
        return
    rows = [
        (
            one["subject"] if one["kind"] != "room" else "room",
            one["here"] or "–",
            one["there"] or "–",
            ", ".join(one["steps"]),
            _EFFECTS[one["effect"]],
        )
        for one in document["parity"]
    ]
    yield table(("differs", "here", "there", "steps", "which"), rows)
    yield ""
    match found.verdict.action:
        case "go":
            yield f"{paint('✓', 'done', on=on)} these steps can run there as it is"
        case "build":
            yield f"{paint('◌', 'stale', on=on)} an environment will be made there before the first run"
        case "refuse":
            yield f"{paint('✗', 'failed', on=on)} they will not be run there:"
            yield from (f"  {clean(why)}" for why in found.verdict.why)


def _has(one: dict[str, Any]) -> str:
    """`2 nodes · 3 CPUs · 1 of 2 GPUs busy (A100) · 46 GiB`; nothing where nothing is known."""
    if not one["node_count"]:
        return ""
    parts = [plural(one["node_count"], "node"), _share(one["cpus_used"], one["cpus"], "CPU")]
    if one["gpus"]:
        kinds = f" ({', '.join(one['gpu_kinds'])})" if one["gpu_kinds"] else ""
        parts.append(_share(one["gpus_used"], one["gpus"], "GPU") + kinds)
    return " · ".join([*parts, _gibibytes(one["memory"])])


def _share(used: float, total: float, word: str) -> str:
    many = word if total == 1 else f"{word}s"
    return f"{number(used)} of {number(total)} {many} busy" if used else f"{number(total)} {many}"


def _node(one: dict[str, Any]) -> tuple[str, ...]:
    used: dict[str, float] = one["used"] or {}

    def share(name: str) -> str:
        total = one["total"].get(name, 0)
        return f"{number(used[name])}/{number(total)}" if name in used else (number(total) if total else "–")

    state = "✓ up" if one["alive"] else "✗ dead"
    gpus = share("GPU") + (f" {', '.join(one['gpus'])}" if one["gpus"] else "")
    names = ", ".join(dict.fromkeys(task["name"] for task in one["running"]))
    return (
        one["host"] + (" (head)" if one["head"] else ""),
        state,
        share("CPU"),
        gpus,
        _gibibytes(one["total"].get("memory", 0)),
        "" if one["cpu"] is None else f"{one['cpu']:.0f}%",
        names or one["why"] or ("" if one["alive"] else _seen(one["until"])),
    )


def _gibibytes(count: float) -> str:
    return f"{count / 2**30:.3g} GiB"


def _seen(at: float | None) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M") if at else ""
