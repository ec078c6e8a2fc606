"""A Ray of our own on this machine: private, reachable from here only, and gone afterwards.

Left to itself Ray listens on every interface, writes a token into the home folder, uploads the current folder when it
was started by `uv run`, and leaves processes and a session folder behind when its driver is killed. All of these are
settled by the environment before `import ray`, so nothing here imports it early.
"""

import contextlib
import fcntl
import importlib
import json
import os
import secrets
import shutil
import signal
import stat
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psutil

from ..errors import ExecutorError

_SETTINGS = {
    # On Linux this is what makes everything bind to 127.0.0.1; --node-ip-address=127.0.0.1 is silently replaced.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Otherwise each worker under `uv run` becomes a runtime environment with the folder uploaded.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Otherwise the GCS keeps an event for each task: 394 MB after 120,000 calls instead of 47.
    "RAY_task_events_report_interval_ms": "0",
    # Otherwise a task that is asked for while Ray is down starts one of Ray's own liking.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # Otherwise Ray writes ~/.ray/auth_token, readable by everybody.
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A machine with much to do needs more than the 60 seconds that a worker gets to come up.
    "RAY_worker_register_timeout_seconds": "180",
    # Sets of strings iterate in the order of their hashes: with one seed in all workers they do so alike, and a step
    # that lets such an order into its output gives the same output wherever it runs.
    "PYTHONHASHSEED": "0",
}
_UNWANTED = ("PYTHONDONTWRITEBYTECODE", "RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH", "RAY_RUNTIME_ENV_HOOK")
_TOKEN = secrets.token_hex(32)
"""One for all that this process starts: Ray keeps the first that it was given, also after a shutdown."""
_STORE_BYTES = 128 * 1024 * 1024
_VITAL = ("raylet", "gcs_server")
_PATIENCE_SECONDS = 3.0
_TOO_SLOW = "timed out during startup"
_START_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class _Started:
    """A process, for sure: numbers are used again, numbers with start times are not."""

    pid: int
    at: float


class LocalRay:
    """A running Ray; `stop` ends it with all that it started."""

    def __init__(self, folder: Path, session: str, pids: tuple[int, ...]) -> None:
        self.folder = folder
        self.session = session
        self.pids = pids
        self._vital = {name: one for one in _family(pids) if (name := _name_of(one)) in _VITAL}

    def dead(self) -> str:
        """The process that nothing works without and that has died; "" while both live."""
        return next((name for name, one in self._vital.items() if _lives(one) is None), "")

    def record(self) -> None:
        """Write down the processes there are now, for whoever starts after this process was killed."""
        _write_record(self.folder, _family(self.pids))

    def stop(self) -> None:
        processes = _family(self.pids)
        _import_ray().shutdown()
        _end(processes)
        shutil.rmtree(self.folder, ignore_errors=True)
        _record_path(self.folder).unlink(missing_ok=True)


def start_local(
    folder: Path, cpus: float = 0, gpus: float = 0, memory: int = 0, resources: Mapping[str, float] | None = None
) -> LocalRay:
    """Start Ray for the project whose store is `folder` and connect this process to it as its driver.

    `cpus` and `memory` (bytes) 0 mean what the machine has, `gpus` 0 none. Raises ExecutorError.
    """
    place = session_folder(folder)
    with _locked(place):
        _reap(place)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _prepare_environment()
        ray = _import_ray()
        before = _children()
        asked = {
            "num_cpus": cpus or None,
            "num_gpus": gpus,
            "_memory": memory or None,
            "resources": dict(resources or {}),
        }
        try:
            address = _init(ray, place, asked)
        except ExecutorError as error:
            if _TOO_SLOW not in str(error):
                raise
            # The machine does ten other things; what it has read by now is in memory.
            address = _init(ray, place, asked)
        place.chmod(0o700)  # Ray lets everybody in
        pids = tuple(sorted(_children() - before))
        running = LocalRay(place, address["session_dir"], pids)
        running.record()
        return running


def reap(folder: Path) -> int:
    """End what a killed driver of this project left behind; the number of processes ended.

    Does nothing while the driver lives.
    """
    place = session_folder(folder)
    with _locked(place):
        return _reap(place)


def abandon(folder: Path) -> None:
    """End what a start that is going on in this process has started so far; the process has to end right after."""
    place = session_folder(folder)
    _end(_strays(place))
    shutil.rmtree(place, ignore_errors=True)


def session_folder(folder: Path) -> Path:
    """Where Ray of this project keeps its sockets: a short path, because socket names are limited to 107 bytes.

    Raises ExecutorError if somebody else has made the folder above it.
    """
    return private_folder() / ("r-" + blake2b(os.fsencode(folder.resolve()), digest_size=5).hexdigest())


def private_folder() -> Path:
    """A folder with a short path that nobody else can enter. Raises ExecutorError if somebody else has made it."""
    base = Path("/tmp") / f"instep-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    status = base.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise ExecutorError(f"{base} belongs to somebody else", mend=f"Have it removed: `rm -r {base}`.")
    if status.st_mode & 0o077:
        base.chmod(0o700)
    return base


def _prepare_environment() -> None:
    os.environ.update(_SETTINGS)
    os.environ["RAY_AUTH_TOKEN"] = _TOKEN
    for name in _UNWANTED:
        os.environ.pop(name, None)


def _import_ray() -> Any:  # Any: Ray's functions are untyped in places that differ between versions
    early = "ray" in sys.modules
    try:
        import ray
        from ray._private import ray_constants
    except ImportError as error:
        raise ExecutorError(f"Ray cannot be imported: {error}", mend="pip install ray") from error
    if early and getattr(ray_constants, "ENABLE_RAY_CLUSTER", False):
        raise ExecutorError("Ray was imported before instep could make it private", mend="Import instep first.")
    return ray


def _init(ray: Any, place: Path, asked: dict[str, Any]) -> dict[str, Any]:  # Any: Ray is untyped
    before = _children()
    try:
        with _patience(before):
            context = ray.init(
                address="local",
                **asked,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
                object_store_memory=_STORE_BYTES,
                _temp_dir=str(place),
            )
    except Exception as error:
        # What was started has to go, or it takes the place of the next try.
        ray.shutdown()
        _end(_family(_children() - before))
        mend = f"Run it again when the machine has less to do; Ray's logs are in {place}."
        raise ExecutorError(f"Ray did not start: {error}", mend=mend) from error
    return context.address_info


@contextlib.contextmanager
def _patience(before: set[int]) -> Generator[None]:
    """Ray gives its node 30 seconds to come up, which is too little for a busy machine: ask on while the node lives."""
    services: Any = importlib.import_module("ray._private.services")  # Any: it has no types
    ask = services.get_node

    def asked(*about: object) -> object:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return ask(*about)
            except RuntimeError:
                if time.monotonic() > deadline or not any(map(_is_node, _children() - before)):
                    raise
            time.sleep(0.1)

    services.get_node = asked
    try:
        yield
    finally:
        services.get_node = ask


def _name_of(one: _Started) -> str:
    process = _lives(one)
    with contextlib.suppress(psutil.Error):
        return process.name() if process else ""
    return ""


def _is_node(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "raylet" and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def _family(pids: Iterable[int]) -> list[_Started]:
    """These processes and all below them that live now."""
    found: list[_Started] = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            found += [_Started(one.pid, one.create_time()) for one in (process, *process.children(recursive=True))]
    return found


def _reap(place: Path) -> int:
    """Under the lock: end the recorded processes of a dead driver, remove its folder."""
    ended = 0
    path = _record_path(place)
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        record = json.loads(path.read_text())
        if _lives(_Started(*record["driver"])) is not None and record["driver"][0] != os.getpid():
            raise ExecutorError(
                f"another engine (process {record['driver'][0]}) runs Ray for this project",
                mend="`instep stop` ends it.",
            )
        processes = [_Started(*one) for one in record["processes"]]
        ended = _end([*_family(one.pid for one in processes if _lives(one)), *processes])
    ended += _end(_strays(place))
    shutil.rmtree(place, ignore_errors=True)
    path.unlink(missing_ok=True)
    return ended


def _strays(place: Path) -> list[_Started]:
    """Processes of ours that were started after the record was written; Ray's all name their session folder."""
    found: list[_Started] = []
    for process in psutil.process_iter(["pid", "uids", "cmdline", "create_time"]):
        info = process.info
        mine = info["uids"] is not None and info["uids"].real == os.getuid() and info["pid"] != os.getpid()
        if mine and any(f"{place}/" in part for part in info["cmdline"] or ()):
            found.append(_Started(info["pid"], info["create_time"]))
    return found


def _lives(one: _Started) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(one.pid)
        if abs(process.create_time() - one.at) < 0.05 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _end(processes: Iterable[_Started]) -> int:
    """Ask each process to end, then make it; the number that were alive."""
    alive = {one: process for one in processes if (process := _lives(one))}
    count = len(alive)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in alive.values():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        while alive and time.monotonic() < deadline:
            alive = {one: process for one, process in alive.items() if _lives(one)}
            time.sleep(0.02)
        deadline = time.monotonic() + _PATIENCE_SECONDS
    return count


def _record_path(place: Path) -> Path:
    return place.with_suffix(".json")


def _write_record(place: Path, processes: list[_Started]) -> None:
    me = psutil.Process()
    record = {"driver": [me.pid, me.create_time()], "processes": [[one.pid, one.at] for one in processes]}
    path = _record_path(place)
    temporary = path.with_suffix(f".{me.pid}")
    temporary.write_text(json.dumps(record))
    temporary.replace(path)


@contextlib.contextmanager
def _locked(place: Path) -> Generator[None]:
    with place.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
