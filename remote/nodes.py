"""What a cluster's dashboard says of its nodes → `NodeState`.

Three answers are needed: the state API has the true names of resources and labels and when a node died; the summary
has use and load but spells names anew (`big_Disk` becomes `bigDisk`), so of it only what is spelled by Ray itself and
the text of logical use are read; the tasks say what runs. What a Ray does not say is None, never 0.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from ..engine.ids import Json

_UNITS: Final = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_USE: Final = re.compile(r"([\d.eE+-]+)([KMGT]?i?B?)/([\d.eE+-]+)([KMGT]?i?B?) (\S+)")
_WORKER: Final = "--python_worker_command="
_OWN: Final = ("node:", "object_store_memory", "accelerator_type:")
"""Resources by which Ray keeps its own books."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device that is really there: its kind, how busy it is in percent, memory in bytes where the driver tells."""

    kind: str
    busy: float | None = None
    memory_used: int | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A task that runs on a node: a driver's job id in Ray, since when (seconds since 1970), what it holds."""

    name: str
    job: str
    since: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class NodeState:
    """`total` are logical resources by Ray's names (`CPU`, `GPU`, `memory` in bytes, custom ones), `used` what tasks
    hold of them (None where the cluster does not say); `cpu` in percent and `memory_used`/`memory` in bytes are the
    machine's. `since` and `until` are seconds since 1970; `until` and `why` are those of a dead node. `python` is the
    interpreter that Ray itself runs by there, "" where the cluster does not say."""

    node_id: str
    host: str
    ip: str
    head: bool
    alive: bool
    since: float | None = None
    until: float | None = None
    why: str = ""
    total: Mapping[str, float] = field(default_factory=dict[str, float])
    used: Mapping[str, float] | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    gpus: tuple[Gpu, ...] = ()
    cpu: float | None = None
    memory_used: int | None = None
    memory: int | None = None
    running: tuple[Running, ...] = ()
    python: str = ""

    @property
    def available(self) -> Mapping[str, float]:
        """What could be taken now; all of `total` where the cluster does not say what is used."""
        used = self.used or {}
        return {name: max(0.0, amount - used.get(name, 0.0)) for name, amount in self.total.items()}

    @property
    def gpu_kinds(self) -> tuple[str, ...]:
        """The kinds of its devices, or what its label says of declared ones."""
        label = self.labels.get("ray.io/accelerator-type", "")
        return tuple(dict.fromkeys(gpu.kind for gpu in self.gpus)) or ((label,) if label else ())


def read_nodes(found: Json, live: Json, running: Json) -> list[NodeState]:
    """The three answers in one, the head first, then as they joined."""
    summaries = {_text(raylet.get("nodeId")): (one, raylet) for one, raylet in _summaries(live)}
    use = _at(live, "data", "nodeLogicalResources")
    tasks = list(_rows(running))
    nodes = [
        _node(
            row,
            *summaries.get(_text(row.get("node_id")), ({}, {})),
            use.get(_text(row.get("node_id"))) if isinstance(use, dict) else None,
            [task for task in tasks if task.get("node_id") == row.get("node_id")],
        )
        for row in _rows(found)
    ]
    return sorted(nodes, key=lambda node: (not node.alive, not node.head, node.since or 0, node.node_id))


def _node(
    row: Mapping[str, Json],
    live: Mapping[str, Json],
    raylet: Mapping[str, Json],
    use: Json,
    tasks: Iterable[Mapping[str, Json]],
) -> NodeState:
    alive = row.get("state") == "ALIVE"
    memory = live.get("mem") if alive else None
    total, _, _, used = memory if isinstance(memory, list) and len(memory) >= 4 else (None,) * 4
    labels = row.get("labels")
    return NodeState(
        node_id=_text(row.get("node_id")),
        host=_text(live.get("hostname")) or _text(raylet.get("nodeManagerHostname")) or _text(row.get("node_name")),
        ip=_text(row.get("node_ip")),
        head=row.get("is_head_node") is True,
        alive=alive,
        since=_seconds(row.get("start_time_ms")),
        until=None if alive else _seconds(row.get("end_time_ms")),
        why="" if alive else _text(row.get("state_message")),
        total=_amounts(row.get("resources_total")),
        used=_use(use) if isinstance(use, str) and alive else None,
        labels={key: _text(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        gpus=tuple(_gpus(live.get("gpus"))) if alive else (),
        cpu=_number(live.get("cpu")) if alive else None,
        memory_used=_whole(used),
        memory=_whole(total),
        running=tuple(_running(tasks)) if alive else (),
        python=_python(live.get("cmdline")),
    )


def _use(text: str) -> dict[str, float]:
    """`1.0/2.0 CPU` and `0B/19.25GiB memory`, a line a resource; placement groups' parts are left out."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _USE.match(line.strip())
        if match and not match[5].startswith(_OWN):
            found[match[5]] = float(match[1]) * _UNITS.get(match[2], 1)
    return found


def _gpus(told: Json) -> Iterator[Gpu]:
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict):
            used, total = _number(one.get("memoryUsed")), _number(one.get("memoryTotal"))
            yield Gpu(
                kind=_text(one.get("name")),
                busy=_number(one.get("utilizationGpu")),
                memory_used=None if used is None else int(used * 2**20),
                memory=None if total is None else int(total * 2**20),
            )


def _python(cmdline: Json) -> str:
    """The raylet is told how to start a worker: the interpreter first, its path as it is there."""
    for word in cmdline if isinstance(cmdline, list) else ():
        if isinstance(word, str) and word.startswith(_WORKER):
            path = re.split(r" \S*setup_worker\.py| \S*default_worker\.py", word.removeprefix(_WORKER), maxsplit=1)[0]
            return path if path.startswith("/") else ""
    return ""


def _running(tasks: Iterable[Mapping[str, Json]]) -> Iterator[Running]:
    for task in tasks:
        name = _text(task.get("name"))
        if not name.startswith("JobSupervisor."):  # Ray's own watcher of a job
            yield Running(
                name,
                _text(task.get("job_id")),
                _seconds(task.get("start_time_ms")),
                _amounts(task.get("required_resources")),
            )


def _summaries(live: Json) -> Iterator[tuple[Mapping[str, Json], Mapping[str, Json]]]:
    told = _at(live, "data", "summary")
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict):
            raylet = one.get("raylet")
            yield one, raylet if isinstance(raylet, dict) else {}


def _rows(answer: Json) -> Iterator[Mapping[str, Json]]:
    told = _at(answer, "data", "result", "result")
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict):
            yield one


def _at(answer: Json, *path: str) -> Json:
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _amounts(told: Json) -> dict[str, float]:
    rows = told.items() if isinstance(told, dict) else ()
    return {
        name: float(cast("float", amount))
        for name, amount in rows
        if not name.startswith(_OWN) and isinstance(amount, int | float)
    }


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Json) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _seconds(milliseconds: Json) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) and milliseconds else None
