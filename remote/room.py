"""Does a step fit anywhere? Ray waits without a word for what no node could ever give, so it is said before."""

from collections.abc import Iterable, Mapping
from typing import Final

from ..engine.graph import Options
from .nodes import NodeState

_WORDS: Final = {"CPU": ("CPU", "CPUs"), "GPU": ("GPU", "GPUs")}


def demand(options: Options) -> dict[str, float]:
    """What one task of a step takes, by Ray's names; memory in bytes. What it takes none of is left out."""
    asked = {"CPU": options.cpus, "GPU": options.gpus, "memory": float(options.memory), **options.resources}
    return {name: amount for name, amount in asked.items() if amount > 0}


def fits(asked: Mapping[str, float], node: NodeState, labels: Mapping[str, str] | None = None) -> bool:
    """Whether the node has all of it, in use or not, and these labels."""
    labelled = all(node.labels.get(name) == value for name, value in (labels or {}).items())
    return node.alive and labelled and all(node.total.get(name, 0.0) >= amount for name, amount in asked.items())


def shortage(asked: Mapping[str, float], nodes: Iterable[NodeState], labels: Mapping[str, str] | None = None) -> str:
    """Why no node could ever run it, the best one named: `needs 2 GPUs, gpu-a has 1`. "" when one could."""
    living = [node for node in nodes if node.alive]
    if any(fits(asked, node, labels) for node in living):
        return ""
    alive = [node for node in living if fits({}, node, labels)]
    if labels and not alive:
        wanted = ", ".join(f"{name}={value}" for name, value in labels.items())
        return f"needs a node with {wanted}, and none has it"
    for name, amount in asked.items():
        best = max(alive, key=lambda node: node.total.get(name, 0.0), default=None)
        most = best.total.get(name, 0.0) if best else 0.0
        if most < amount:
            has = f"{best.host} has {plain(name, most)}" if best and most else "no node has any"
            return f"needs {worded(name, amount)}, {has}"
    both = " and ".join(worded(name, amount) for name, amount in asked.items())
    return f"needs {both} on one node, and no node has all of it"


def worded(name: str, amount: float) -> str:
    """`2 GPUs`, `1 CPU`, `4 GiB of memory`."""
    if name == "memory":
        return f"{plain(name, amount)} of memory"
    one, many = _WORDS.get(name, (name, name))
    return f"{amount:g} {one if amount == 1 else many}"


def plain(name: str, amount: float) -> str:
    """The number alone; memory with its unit."""
    return f"{amount / 2**30:.3g} GiB" if name == "memory" else f"{amount:g}"
