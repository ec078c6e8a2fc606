"""What an engine tells of a cluster: two nodes with GPUs and one that was lost, a run on its way, and a price."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from place_app import Told, picture

import instep.ide.app
from instep.engine.errors import ClusterUnreachable
from instep.ide.app import InstepApp

NOW = 1_700_000_000.0


def node(name: str, host: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "host": host, "head": False, "alive": True, "since": NOW - 3600, "until": None, "why": "",
        "cpu": 3.0, "cpus": 4.0, "cpus_held": 0.0, "gpus": 0.0, "gpu": None, "gpu_held": True, "gpu_kinds": [],
        "memory_used": 12 * 2**30, "memory": 100 * 2**30, "running": [],
    } | more  # fmt: skip


TRAIN = {"name": "train", "since": NOW - 41, "resources": {"CPU": 1.0, "GPU": 2.0}}
LOOK: Mapping[str, Any] = {
    "cluster": "gpu",
    "address": "http://127.0.0.1:8265",
    "seconds": 0.024,
    "ray": "2.60.0",
    "python": "3.11.7",
    "open": False,
    "doubts": [],
    "gpu_kinds": ["A100"],
    "here": {"cpu": 92.0, "memory_used": 31 * 2**30, "memory": 100 * 2**30},
    "nodes": [
        node("h1", "head", head=True, cpus=2.0),
        node("a1", "gpu-a", gpus=1.0, gpu=0.0, gpu_held=False),
        node("b1", "gpu-b", cpu=41.0, cpus_held=1.0, gpus=4.0, gpu=88.0, gpu_held=False, running=[TRAIN]),
        node("c1", "gpu-c", alive=False, until=NOW - 125, why="missed too many heartbeats"),
    ],
    "asks": {"train": {"needs": "2 GPUs", "room": "", "waits": "needs 2 GPUs, gpu-a has 1 free"}},
}
PRICE: Mapping[str, Any] = {
    "cluster": "gpu",
    "on_mismatch": "warn",
    "replay": None,
    "steps": [
        {"name": "train", "here": 41.0, "there": 12.0, "needs": "2 GPUs", "room": "", "waits": ""},
        {"name": "report", "here": 1.0, "there": None, "needs": "", "room": "", "waits": ""},
    ],
    "cached": 2,
    "here": 42.0,
    "there": 12.0,
    "unknown": {"here": 0, "there": 1},
    "pieces": [
        {"kind": "code", "name": "pipeline.py", "bytes": 3100, "there": False},
        {"kind": "code", "name": "words.py", "bytes": 900, "there": True},
        {"kind": "data", "name": "data/split.parquet", "bytes": 11_996_000, "there": True},
    ],
    "ship": 3100,
    "sure": True,
    "parity": [
        {
            "kind": "package", "subject": "polars", "here": "2.1", "there": "2.0", "steps": ["train"], "effect": "key",
            "text": "polars is 2.1 here and 2.0 on the cluster: results of train are not shared between here and there",
        }
    ],
    "verdict": {"action": "go", "why": []},
}  # fmt: skip


def elsewhere(message: dict[str, Any], run: int = 42, target: str = "gpu") -> dict[str, Any]:
    return {"t": "elsewhere", "run": run, "target": target, "message": message}


def sent_off(**more: Any) -> dict[str, Any]:
    """A run of four steps, the first of which is known."""
    states = {"load": "fresh", "clean": "pending", "train": "pending", "report": "pending"}
    steps = [{"name": name, "state": state} for name, state in states.items()]
    return elsewhere({"t": "run", "run": 42, "steps": steps, **more})


PLANNED = picture(
    {"name": "load"},
    {"name": "clean", "state": "stale", "needs": ["load"]},
    {"name": "train", "state": "pending", "needs": ["clean"]},
    {"name": "report", "state": "pending", "needs": ["train"]},
)
PLANNED["doc"]["clusters"] = ["gpu", "big"]
AT_WORK = (
    PLANNED,
    {"t": "hello", "project": "small"},
    {"t": "ray", "state": "ready", "why": ""},
    sent_off(),
    elsewhere({"t": "step", "step": "clean", "state": "done", "counts": {}, "seconds": 1.0}),
    # Begun before the screen was there: how long it takes is not told, and looks the same every time.
    elsewhere({"t": "step", "step": "train", "state": "storing", "counts": {}}),
)
"""What an engine says while a run goes on on a cluster."""


def write_clusters(root: Path) -> Path:
    """A project with two clusters, and a comment that must stay."""
    root.mkdir(parents=True)
    (root / "instep.toml").write_text(
        '[project]\nname = "small"\n\n# ours\n[clusters.gpu]\naddress = "http://127.0.0.1:8265"\n'
        'token = { env = "GPU_TOKEN" }  # ask Ada\n\n[clusters.big]\naddress = "https://ray.example.org"\n'
    )
    return root


def now_as(look: Mapping[str, Any]) -> dict[str, Any]:
    """The same nodes, with times as if they were told now."""
    shift = time.time() - NOW
    nodes: list[dict[str, Any]] = []
    for one in look["nodes"]:
        running = [task | {"since": task["since"] + shift} for task in one["running"]]
        nodes.append(one | {"running": running, "until": one["until"] and one["until"] + shift})
    return {**look, "nodes": nodes}


class ClusterTold(InstepApp):
    """The screen on a project whose engine answers about its clusters what a test has it answer; `asked` has the
    questions. `look` None: it does not answer."""

    CSS_PATH = Path(instep.ide.app.__file__).parent / "styles" / "app.tcss"

    def __init__(self, root: Path, place: str, *, look: bool | None = True) -> None:
        super().__init__(root, Told())
        self.kept = {"place": place}
        self.asked: list[dict[str, Any]] = []
        self._answers, self._why = look, ""
        self.tried: dict[str, Any] = {
            "ray": "2.60.0",
            "open": False,
            "nodes": 2,
            "cpus": 8.0,
            "gpus": 1.0,
            "doubts": [],
        }

    def refuse(self, why: str) -> None:
        """From now on the cluster cannot be reached."""
        self._answers, self._why = True, why

    def reach(self) -> None:
        self._answers, self._why = True, ""

    async def ask_engine(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if self._answers is None:
            await asyncio.Event().wait()
        if self._why:
            raise ClusterUnreachable(self._why, mend="Is the tunnel open?")
        if request["op"] == "adopt":
            return {"runs": [43]}
        match request["do"]:
            case "price":
                return {**PRICE, "cluster": request["on"], "replay": request.get("replay")}
            case "try":
                return self.tried
            case _:
                return now_as({**LOOK, "cluster": request["on"]})
