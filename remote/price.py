"""What sending a run to a cluster would take, before anything is sent: what runs, how long, and what goes over.

Pure: what was planned, what the cluster has and what history says come in. Times are those that steps took before, one
after the other; of what a run re-uses nothing is counted. Sizes are bytes before packing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.digest import digest_bytes
from ..engine.graph import Options
from ..engine.ids import StepName
from ..engine.scheduler.bundle import SOURCE
from ..engine.snapshots.journal import Journal
from .nodes import NodeState
from .offload import Frozen
from .parity import Mismatch
from .request import FileAt, files_of, known_for
from .room import demand, fits, plain, shortage, worded
from .verdict import Verdict, sentence


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that a run needs there: `kind` is code, data (a file) or result (of a step that is known here).
    `there` is None where the cluster could not say."""

    kind: str
    name: str
    bytes: int
    there: bool | None

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        return {"kind": self.kind, "name": self.name, "bytes": self.bytes, "there": self.there}


def pieces_of(frozen: Frozen, journal: Journal, there: frozenset[str] | None) -> list[Piece]:
    """All that the run needs; `there` has the names `<hash>.<format>` of the objects that the cluster has.

    Raises ProjectError for input files that cannot be sent.
    """
    facts, plan, selected, forced = frozen.facts, frozen.plan, frozen.selected, frozen.forced
    files = files_of(facts, plan, selected, forced, journal)
    known = known_for(facts, plan, selected, forced, journal)
    names = {name for name in known.needed if "." in name}
    found = [
        Piece("code", path, len(data), _has(there, f"{digest_bytes(data)}.{SOURCE}"))
        for path, data in sorted(frozen.code.items())
    ]
    found += [_file(one, there) for one in files if one.needed]
    for content, format, size, *_ in journal.objects_named(names):
        found.append(Piece("result", f"{content[:8]}.{format}", size, _has(there, f"{content}.{format}")))
    return found


def price(
    frozen: Frozen,
    pieces: Sequence[Piece],
    here: Mapping[StepName, float],
    there: Mapping[StepName, float],
    nodes: Sequence[NodeState],
    found: Sequence[Mismatch],
    judged: Verdict,
) -> dict[str, Any]:  # Any: JSON
    """{"steps": [{"name", "here", "there" (seconds, null: never ran), and what `asks` says}],
    "cached", "here", "there" (sums of what is known), "unknown": {"here", "there": steps that never ran}, "pieces",
    "ship": bytes to send, "sure": whether the cluster said what it has, "parity": [row with "text"], "verdict":
    {"action", "why"}}."""
    runs = [name for name in frozen.selected if name in frozen.forced or frozen.plan.steps[name].state != "fresh"]
    options = {name: frozen.facts.graph.steps[name].options for name in runs}
    steps = [
        {"name": name, "here": here.get(name), "there": there.get(name), **asks(options[name], nodes)} for name in runs
    ]
    return {
        "steps": steps,
        "cached": len(frozen.selected) - len(runs),
        "here": sum(here.get(name, 0.0) for name in runs),
        "there": sum(there.get(name, 0.0) for name in runs),
        "unknown": {"here": _unknown(runs, here), "there": _unknown(runs, there)},
        "pieces": [one.to_json() for one in pieces],
        "ship": sum(one.bytes for one in pieces if not one.there),
        "sure": all(one.there is not None for one in pieces),
        "parity": [one.to_json() | {"text": sentence(one)} for one in found],
        "verdict": {"action": judged.action, "why": list(judged.why)},
    }


def asks(options: Options, nodes: Sequence[NodeState]) -> dict[str, str]:
    """What a step asks of a node beyond one CPU (`needs`), why no node could give it (`room`), and why none can now
    (`waits`); "" where there is nothing to say."""
    asked = demand(options)
    needs = [worded(name, much) for name, much in asked.items() if (name, much) != ("CPU", 1)]
    return {
        "needs": " and ".join(needs),
        "room": shortage(asked, nodes, options.labels),
        "waits": waits(asked, nodes, options.labels),
    }


def waits(asked: Mapping[str, float], nodes: Iterable[NodeState], labels: Mapping[str, str]) -> str:
    """Why a step would have to wait now though a node could run it: `needs 2 GPUs, gpu-a has 1 free`. "" if not."""
    able = [node for node in nodes if fits(asked, node, labels)]
    free = [node for node in able if all(node.available.get(name, 0.0) >= much for name, much in asked.items())]
    if free or not able:
        return ""
    best = max(able, key=lambda node: sum(node.available.get(name, 0.0) for name in asked))
    short = next(name for name, much in asked.items() if best.available.get(name, 0.0) < much)
    return f"needs {worded(short, asked[short])}, {best.host} has {plain(short, best.available.get(short, 0.0))} free"


def _unknown(runs: Iterable[StepName], took: Mapping[StepName, float]) -> int:
    return sum(name not in took for name in runs)


def _file(one: FileAt, there: frozenset[str] | None) -> Piece:
    return Piece("data", one.path, one.bytes, _has(there, f"{one.content_hash}.{one.format}"))


def _has(there: frozenset[str] | None, name: str) -> bool | None:
    return None if there is None else name in there
