"""Is there what is here? Pure: the facts of both sides in, rows of what differs out.

What differs is named together with the steps that it touches and with what it means for them. Only nodes on which a
step could run count for it. The rules are those of the step key (`engine/keys.py`): the distributions that the code
imports are in it, what those need in turn is not and may change a result all the same.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final, Literal

from ..engine.environment import Packages, hardware, read_packages
from ..engine.ids import Json, StepName
from ..engine.plan import Facts
from .facts import ClusterFacts, Machine
from .needs import NEEDS, OLDEST_PYTHON, at_least
from .room import demand, fits, shortage

Kind = Literal["python", "ray", "need", "package", "env", "system", "processor", "gpu", "room", "node"]
Effect = Literal["stops", "key", "may", "sent"]
"""`stops`: these steps cannot run there. `key`: it is in their keys, so results of here and there are not shared.
`may`: not in the key, and could change results. `sent`: the value of here goes along with the run."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that differs. `here` and `there` are words for people, None where there is none of it; nodes that
    differ among themselves are named in `there`."""

    kind: Kind
    subject: str
    here: str | None
    there: str | None
    steps: tuple[StepName, ...]
    effect: Effect

    def to_json(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "subject": self.subject,
            "here": self.here,
            "there": self.there,
            "steps": list(self.steps),
            "effect": self.effect,
        }


@dataclass(frozen=True)
class Here:
    """This side: Python's full version, what is installed, the environment steps are run with, the hardware."""

    python: str
    packages: Packages
    env: Mapping[str, str]
    hardware: Mapping[str, Json]

    @cached_property
    def minor(self) -> str:
        return ".".join(self.python.split(".")[:2])


def look_here(facts: Facts) -> Here:
    """This side as it is now; asks `nvidia-smi` where there is one. Packages are read even if no step imports any."""
    packages = read_packages(facts.project.store / "packages.json", facts.packages if facts.packages.versions else None)
    return Here(platform.python_version(), packages, facts.env, hardware())


def parity(
    facts: Facts, here: Here, there: ClusterFacts, steps: Iterable[StepName] | None = None
) -> tuple[Mismatch, ...]:
    """Every difference that touches one of `steps` (default: all of the graph), the weightiest first."""
    chosen = tuple(facts.graph.steps) if steps is None else tuple(steps)
    rows: dict[tuple[Kind, str, str | None, str | None, Effect], list[StepName]] = {}

    def add(kind: Kind, subject: str, here: str | None, there: str | None, effect: Effect, step: StepName) -> None:
        rows.setdefault((kind, subject, here, there, effect), []).append(step)

    for step in chosen:
        options = facts.graph.steps[step].options
        asked = demand(options)
        short = shortage(asked, there.nodes, options.labels)
        if short:
            add("room", step, None, short, "stops", step)
            continue
        able = {node.node_id for node in there.nodes if fits(asked, node, options.labels)}
        machines = [machine for machine in there.machines if machine.node_id in able]
        for node in there.nodes:
            if node.node_id in able and node.node_id in there.silent:
                add("node", node.host, None, there.silent[node.node_id], "may", step)
        # The agent is on the head whatever runs elsewhere.
        for kind, subject, one, other, effect in (
            *_python(here, [there.head, *machines]),
            *_needs([there.head, *machines]),
            *_ray(here, there),
            *_packages(facts, here, there, machines, step),
            *_env(facts, here, there, machines, step),
            *_hardware(facts, here, there, machines, step),
        ):
            add(kind, subject, one, other, effect, step)
    found = [
        Mismatch(kind, subject, one, other, tuple(names), effect)
        for (kind, subject, one, other, effect), names in rows.items()
    ]
    return tuple(sorted(found, key=_weight))


def _python(here: Here, machines: Sequence[Machine]) -> Iterable[tuple[Kind, str, str | None, str | None, Effect]]:
    other = {machine.python for machine in machines if machine.python != here.python}
    if not other:
        return
    effect: Effect = "key" if any(machine.minor != here.minor for machine in machines) else "may"
    if not all(at_least(machine.python, OLDEST_PYTHON) for machine in machines):
        effect = "stops"
    yield "python", "python", here.python, ", ".join(sorted({machine.python for machine in machines})), effect


def _ray(here: Here, there: ClusterFacts) -> Iterable[tuple[Kind, str, str | None, str | None, Effect]]:
    mine = here.packages.versions.get("ray")
    if mine != there.ray:
        yield "ray", "ray", mine, there.ray, "may"


def _needs(machines: Sequence[Machine]) -> Iterable[tuple[Kind, str, str | None, str | None, Effect]]:
    for name, least in NEEDS.items():
        if not all(at_least(machine.packages.get(name, ""), least) for machine in machines):
            yield "need", name, f"{least} or newer", _versions(machines, name), "stops"


def _packages(
    facts: Facts, here: Here, there: ClusterFacts, machines: Sequence[Machine], step: StepName
) -> Iterable[tuple[Kind, str, str | None, str | None, Effect]]:
    fingerprint, part = facts.fingerprints[step], facts.graph.steps[step].options.packages
    imported = here.packages.of(fingerprint.imports)
    in_key = here.packages.of(fingerprint.imports, part)
    for name, mine in here.packages.reachable(fingerprint.imports).items():
        others = {machine.packages.get(name) for machine in machines}
        if name == "ray" or others == {mine}:
            continue
        if name in NEEDS and not all(at_least(machine.packages.get(name, ""), NEEDS[name]) for machine in machines):
            continue  # told already, and weightier
        effect: Effect = "may"
        if None in others and name in imported:
            effect = "stops"
        elif name in in_key and any(_cut(other, part) != in_key[name] for other in others):
            effect = "key"
        yield "package", name, mine, _versions(machines, name), effect


def _cut(version: str | None, part: str) -> str | None:
    return version if version is None or part == "exact" else ".".join(version.split(".")[:2])


def _env(
    facts: Facts, here: Here, there: ClusterFacts, machines: Sequence[Machine], step: StepName
) -> Iterable[tuple[Kind, str, str | None, str | None, Effect]]:
    """Of values only whether they are equal is known, and only that is told."""
    for name in facts.graph.steps[step].options.env:
        mine = keyed(here.env[name], there.salt) if name in here.env else None
        others = {machine.env.get(name) for machine in machines}
        if others == {mine}:
            continue
        if mine is None:
            yield "env", name, None, "set", "may"
        else:
            yield "env", name, "set", None if others == {None} else "set otherwise", "sent"


def _hardware(
    facts: Facts, here: Here, there: ClusterFacts, machines: Sequence[Machine], step: StepName
) -> Iterable[tuple[Kind, str, str | None, str | None, Effect]]:
    system = str(here.hardware.get("system", "")).split(" ")[0]
    others = sorted({machine.system.split(" ")[0] for machine in machines})
    if machines and others != [system]:
        yield "system", "system", system, ", ".join(others), "may"
    processor = str(here.hardware.get("processor", ""))
    kinds = sorted({machine.processor for machine in machines})
    if machines and kinds != [processor]:
        yield "processor", "processor", processor, ", ".join(kinds), "may"
    if facts.graph.steps[step].options.gpus > 0:
        told = here.hardware.get("gpus")
        mine = ", ".join(dict.fromkeys(map(str, told))) if isinstance(told, list) else ""
        theirs = ", ".join(_gpus(there, machines))
        if mine != theirs:
            yield "gpu", "gpu", mine or None, theirs or "declared", "may"


def _gpus(there: ClusterFacts, machines: Sequence[Machine]) -> Iterable[str]:
    wanted = {machine.node_id for machine in machines}
    seen = [kind for machine in machines for kind in machine.gpus]
    return dict.fromkeys(seen or [kind for node in there.alive if node.node_id in wanted for kind in node.gpu_kinds])


def keyed(value: str, salt: str) -> str:
    """The digest that `probe.py` gives of an environment variable."""
    return blake2b(value.encode(), key=salt.encode(), digest_size=16).hexdigest()


def _versions(machines: Sequence[Machine], name: str) -> str | None:
    """One version, or each with the nodes that have it; None where no node has any."""
    hosts: dict[str | None, list[str]] = {}
    for machine in {machine.node_id: machine for machine in machines}.values():
        hosts.setdefault(machine.packages.get(name), []).append(machine.host)
    if len(hosts) <= 1:
        return next(iter(hosts), None)
    return ", ".join(f"{version or 'none'} on {', '.join(dict.fromkeys(names))}" for version, names in hosts.items())


_EFFECTS: Final[tuple[Effect, ...]] = ("stops", "key", "may", "sent")
_KINDS: Final[tuple[Kind, ...]] = (
    "room",
    "python",
    "need",
    "package",
    "env",
    "ray",
    "gpu",
    "system",
    "processor",
    "node",
)


def _weight(one: Mismatch) -> tuple[int, int, str]:
    return _EFFECTS.index(one.effect), _KINDS.index(one.kind), one.subject
