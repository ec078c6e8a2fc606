"""Real Ray clusters on this machine, "the remote" of the tests: their own ports, folders, homes and token.

Nothing of them listens beyond loopback, and nothing of them outlives the tests: nodes are ended by pid with all that
they started, and by themselves when the process that started them is killed.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
from buckets import KEYS

T = TypeVar("T")
_APART = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"']
_LINKS = Path(f"/tmp/instep-links-{os.getuid()}")
LOOPBACK = "127.0.0.1"
START_SECONDS = 150.0
"""A node is there in 4 s on an idle machine; a minute and more was seen while it compiled and tested other things."""
_NODE = Path(__file__).with_name("ray_node.py")


@dataclass(slots=True)
class Node:
    """One `ray start`. `folder` holds Ray's files and the home of what runs there."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def log(self) -> str:
        return (self.folder / "out").read_text(errors="replace")

    def pids(self) -> list[int]:
        return [one.pid for one in _family(self.process.pid)]

    def kill(self) -> None:
        """End it at once with everything it started, as a power cut would."""
        family = _family(self.process.pid)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, 20)
        self.process.wait(20)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class Cluster:
    """A head and its workers. `token` is empty where the cluster lets everybody in."""

    address: str
    gcs: str
    token: str
    head: Node
    python: Path
    workers: list[Node] = field(default_factory=list[Node])

    def add_worker(
        self,
        cpus: int = 1,
        gpus: int = 0,
        resources: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
        *,
        apart: bool = False,
    ) -> Node:
        """Start a node that joins, and wait until the cluster counts it. GPUs are declared, not there. One that is
        `apart` does not see the home of the head: it lives in a mount namespace with an empty folder in its place."""
        words = [f"--address={self.gcs}", f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--include-log-monitor=false"]
        words += [f"--resources={json.dumps(dict(resources or {}))}"]
        words += [f"--labels={','.join(f'{name}={value}' for name, value in labels.items())}"] if labels else []
        before = len(self.alive())
        inside = [*_APART, str(self.head.home)] if apart else []
        node = _start(self.python, self.token, words, ports("dashboard-agent-listen-port"), inside)
        self.workers.append(node)
        _until(lambda: len(self.alive()) > before, node)
        return node

    def kill_worker(self, at: int = -1) -> None:
        self.workers.pop(at).remove()

    def kill_head(self) -> None:
        self.head.kill()

    def stop(self) -> None:
        for node in (*self.workers, self.head):
            node.remove()
        self.workers.clear()
        if self.python.is_relative_to(_LINKS):
            shutil.rmtree(_LINKS / self.python.relative_to(_LINKS).parts[0])

    def alive(self) -> list[str]:
        """The ids of the nodes that the cluster holds alive."""
        found = self.get("/api/v0/nodes?detail=1&limit=1000")["data"]["result"]["result"]
        return [node["node_id"] for node in found if node["state"] == "ALIVE"]

    def get(self, path: str):
        """What the dashboard answers, asked by nothing of instep."""
        request = urllib.request.Request(self.address + path)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)


def start_cluster(
    *,
    token: str | None = None,
    cpus: int = 1,
    python: Path | None = None,
    port: int | None = None,
    namespace: str = "",
    host: str = LOOPBACK,
) -> Cluster:
    """A head with its dashboard, answering. `token` "" starts one that lets everybody in; `python` is the interpreter
    (with its Ray) that it consists of, `port` that of its dashboard, which listens at `host` of the network
    `namespace` where one is given. A port that somebody else took meanwhile is worth
    two more tries."""
    token = secrets.token_hex(32) if token is None else token
    python = _without_spaces(python or Path(sys.executable))
    for attempt in range(3):
        at = ports("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
        at |= {"dashboard-port": port} if port else {}
        words = ["--head", "--include-dashboard=true", f"--dashboard-host={host}", f"--num-cpus={cpus}"]
        before = ["ip", "netns", "exec", namespace] if namespace else []
        head = _start(python, token, words, at, before)
        cluster = Cluster(f"http://{host}:{at['dashboard-port']}", f"{LOOPBACK}:{at['port']}", token, head, python)
        try:
            _until(lambda cluster=cluster: bool(cluster.alive()), head)
        except NodeEnded:
            head.remove()
            if attempt == 2:
                raise
        except BaseException:
            head.remove()
            raise
        else:
            return cluster
    raise AssertionError("unreachable")


def _without_spaces(python: Path) -> Path:
    """The same interpreter by a path that Ray can start jobs with: it gives theirs to a shell as it is."""
    if " " not in str(python):
        return python
    _LINKS.mkdir(mode=0o700, exist_ok=True)
    link = Path(tempfile.mkdtemp(dir=_LINKS)) / "venv"
    link.symlink_to(python.parent.parent, target_is_directory=True)
    return link / python.parent.name / python.name


def until(ask: Callable[[], T], holds: Callable[[T], bool], seconds: float = 120) -> T:
    """Ask until the answer is as wanted; with a deadline for a machine that does ten other things."""
    deadline = time.monotonic() + seconds
    while not holds(found := ask()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds:.0f} s"
        time.sleep(0.1)
    return found


class NodeEnded(Exception):
    """A node did not come up; the text is the end of what it said."""


def ports(*names: str) -> dict[str, int]:
    """A free port for each name. All are held until the last is found, so that no two are one."""
    with ExitStack() as held:
        found: dict[str, int] = {}
        for name in names:
            one = held.enter_context(socket.socket())
            one.bind((LOOPBACK, 0))
            found[name] = one.getsockname()[1]
        return found


def why_not_apart() -> str:
    """Why this machine lets no process have mounts of its own; "" where it does."""
    if sys.platform != "linux":
        return "mount namespaces are Linux's"
    done = subprocess.run([*_APART, "/tmp", "true"], check=False, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def _start(python: Path, token: str, words: list[str], at: Mapping[str, int], before: Sequence[str] = ()) -> Node:
    folder = Path(tempfile.mkdtemp(prefix="inr", dir="/tmp"))  # short: names of sockets are limited to 107 bytes
    (folder / "home").mkdir()
    words = [*words, *(f"--{name}={port}" for name, port in at.items())]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [
                *before,
                str(python), str(_NODE), str(os.getpid()), "start", "--block", f"--node-ip-address={LOOPBACK}",
                f"--temp-dir={folder / 'r'}", "--object-store-memory=100000000", "--log-color=false", *words,
            ],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, cwd=folder / "home",
            env=_environment(token, folder / "home"),
        )  # fmt: skip
    return Node(process, folder)


def _environment(token: str, home: Path) -> dict[str, str]:
    """That of a bare cluster: nothing of this session's Ray, project or virtual environment."""
    unwanted = ("RAY_", "PYTHON", "VIRTUAL_ENV", "INSTEP_", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(unwanted)}
    ours = {
        "HOME": str(home),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        # Half a minute is not enough for nine processes on a machine that does ten other things.
        "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": str(START_SECONDS),
    }
    ours |= KEYS  # its machines have credentials of their own for a bucket
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
    return kept | ours | auth


def _until(true: Callable[[], bool], node: Node) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if node.process.poll() is not None:
            raise NodeEnded(f"a node ended with {node.process.returncode}:\n{node.log[-3000:]}")
        with suppress(urllib.error.URLError, OSError, ValueError, KeyError):
            if true():
                return
        time.sleep(0.1)
    raise NodeEnded(f"a node was not there after {START_SECONDS:.0f} s:\n{node.log[-3000:]}")


def _family(pid: int) -> list[psutil.Process]:
    """A process with all that it started; also what has another parent by now but is in its session still."""
    try:
        root = psutil.Process(pid)
        found = {one.pid: one for one in [root, *root.children(recursive=True)]}
    except psutil.NoSuchProcess:
        found = {}
    for one in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(one.pid) == pid:
                found.setdefault(one.pid, one)
    return list(found.values())
