"""The executor on Ray: one generic remote function that any warm worker can run, whatever the code.

Ray's own retries are off, because retries, timeouts and what cannot be placed are the scheduler's. An answer is
noticed by the future's callback, with no polling; that a worker has begun is read from its live file.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ..ids import LaunchId
from ..project import Local
from .assignment import Assignment, Failure, Outcome, Resources
from .executor import Capacity, Crashed, Emit, ExecutorEvent, Finished, Started
from .failure import cancelled, died, last_lines
from .isolated import ProcessDied, run_isolated
from .live import now_us, read_live
from .ray_local import LocalRay, start_local
from .worker import execute

_LOOK_SECONDS = 0.005
_LOOK_SLOWLY_SECONDS = 0.05
_WATCH_SECONDS = 0.5
_RARELY_SECONDS = 30.0
CAPACITY_SECONDS = 2.0
_NODE_SECONDS = 2.0
"""How long after its worker a node may be known to be gone."""
_WARM = ("instep.engine.scheduler.worker", "numpy", "pyarrow.parquet", "polars")


def run_step(assignment: Assignment) -> Outcome | Failure:
    """What runs in a Ray worker; a Failure says that the process of an isolated step died."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    if not assignment.isolate:
        return execute(assignment, node=node)
    try:
        return run_isolated(assignment, node=node)
    except ProcessDied as error:
        return died(assignment.live, assignment.root, code=error.code)


def warm_up() -> None:
    """Import what a first step would wait for."""
    import importlib

    for name in _WARM:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


class RayExecutor:
    """Implements `Executor` on the Ray that this process is connected to."""

    def __init__(
        self,
        emit: Emit,
        local: LocalRay | None = None,
        start_again: Callable[[], LocalRay] | None = None,
        run: Callable[[Assignment], Outcome | Failure] = run_step,
    ) -> None:
        """`local` is a Ray that ends with this executor, `start_again` makes another in its place where it dies first;
        `run` is what its workers are given an assignment to do with.
        """
        import ray

        self._local, self._start_again = local, start_again
        self._ray: Any = ray  # Any: its decorators and errors have no types that a checker can follow
        self._emit_event = emit
        self._step = run
        self._connect()
        self._lock = threading.Lock()
        self._launched: dict[LaunchId, _Launched] = {}
        self._unseen = threading.Event()
        self._up = threading.Event()
        self._up.set()
        self._ending = threading.Lock()
        self._closed = False
        threading.Thread(target=self._look_for_started, name="instep-ray-started", daemon=True).start()
        if start_again is not None:
            threading.Thread(target=self._watch, name="instep-ray-watch", daemon=True).start()

    @classmethod
    def start_local(cls, store: Path, local: Local, emit: Emit) -> "RayExecutor":
        """Start a private Ray for the project with that store, warm its workers up. Raises ExecutorError."""

        def start() -> LocalRay:
            return start_local(store, local.cpus, local.gpus, local.memory, local.resources)

        running = start()
        executor = cls(emit, running, start)
        executor.warm(int(executor.capacity().cpus))
        running.record()
        return executor

    def _connect(self) -> None:
        """What belongs to one Ray and not to the next."""
        self._run: Any = self._ray.remote(max_retries=0, max_calls=0)(self._step)
        # A process that has used a GPU keeps some of its memory (JAX nearly all of it) for as long as it lives.
        self._run_once: Any = self._ray.remote(max_retries=0, max_calls=1)(self._step)
        self._own_node: str = self._ray.get_runtime_context().get_node_id()
        self._first = self._counted()

    def capacity(self) -> Resources:
        """A Ray of our own is as it was started, whether it can be asked or not."""
        return self._first if self._start_again is not None else self._counted()

    def _counted(self) -> Resources:
        total: dict[str, float] = dict(self._ray.cluster_resources())
        custom = {name: size for name, size in total.items() if not _builtin(name)}
        return Resources(total.get("CPU", 0), total.get("GPU", 0), int(total.get("memory", 0)), custom)

    def warm(self, workers: int) -> None:
        """Let as many workers import what steps need; returns at once."""
        task = self._ray.remote(max_retries=0, max_calls=0)(warm_up)
        for _ in range(workers):
            task.remote()

    def launch(self, assignment: Assignment) -> None:
        self._up.wait()
        launched = _Launched(assignment)
        with self._lock:
            self._launched[assignment.launch] = launched
        self._submit(launched)

    def _submit(self, launched: "_Launched") -> None:
        assignment = launched.assignment
        try:
            run = self._run_once if assignment.resources.gpus else self._run
            options = _options(assignment.resources, labels=self._local is None)
            launched.ref = run.options(name=assignment.step, **options).remote(assignment)
            future: Future[Any] = launched.ref.future()
        except Exception as error:
            if self._to_be_replaced():
                return
            self._end(launched, Failure("executor", f"Ray did not take the task: {type(error).__name__}: {error}"))
            return
        future.add_done_callback(lambda done: self._done(launched, done))
        self._unseen.set()

    def cancel(self, launch: LaunchId, *, force: bool) -> None:
        with self._lock:
            launched = self._launched.get(launch)
            if launched is not None:
                launched.cancelled = True
        if launched is not None and launched.ref is not None:
            with contextlib.suppress(Exception):  # a task that has just ended cannot be cancelled, and need not be
                self._ray.cancel(launched.ref, force=force)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            running = list(self._launched.values())
            self._launched.clear()
        self._unseen.set()
        self._up.set()
        with self._ending:
            for launched in running:
                if launched.ref is not None:
                    with contextlib.suppress(Exception):  # Ray may be gone already
                        self._ray.cancel(launched.ref, force=True)
            if self._local is not None:
                self._local.stop()

    def _watch(self) -> None:
        """Ray's driver waits for ever for the tasks of a node, or of a control store, that was killed."""
        pause = _WATCH_SECONDS
        while not self._closed:
            time.sleep(pause)
            with self._ending:
                if self._local is not None and not self._closed and (dead := self._local.dead()):
                    done = self._replace_local(dead)
                    pause = _WATCH_SECONDS if done else min(2 * pause, _RARELY_SECONDS)

    def _to_be_replaced(self) -> bool:
        """Whether all that was launched is about to be told as lost."""
        return self._start_again is not None and self._local is not None and self._local.dead() != ""

    def _replace_local(self, dead: str) -> bool:
        """Start another Ray, and say whether it did. What ran on the dead one is lost, and told when that is known."""
        assert self._local is not None and self._start_again is not None
        self._up.clear()
        with self._lock:
            lost = list(self._launched.values())
            self._launched.clear()
        try:
            self._local.stop()
            self._local = self._start_again()
            self._connect()
            self.warm(int(self.capacity().cpus))
            self._local.record()
        except Exception as error:  # the dead one is still seen as dead: it is tried again
            why, done = f"{type(error).__name__}: {error}", False
        else:
            why, done = "It was started again.", True
        finally:
            self._up.set()
        for one in lost:
            failure = cancelled() if one.cancelled else Failure("lost", f"Ray's process {dead} died", why)
            told = last_lines(one.assignment.live)
            self._emit(Crashed(one.assignment.launch, failure, one.pid, told, now_us()))
        return done

    def _done(self, launched: "_Launched", future: "Future[Any]") -> None:
        try:
            answer: Outcome | Failure = future.result()
        except BaseException as error:
            # Not here: this thread is Ray's, and what a dead worker left is read from files.
            threading.Thread(target=self._crashed, args=(launched, error), daemon=True).start()
            return
        if isinstance(answer, Failure):
            self._end(launched, cancelled() if launched.cancelled else answer)
            return
        self._saw(launched, answer.node, answer.pid, answer.items[0].started_us)
        with self._lock:
            known = self._launched.pop(launched.assignment.launch, None)
        if known is not None:
            self._emit(Finished(answer.launch, answer))

    def _crashed(self, launched: "_Launched", error: BaseException) -> None:
        if self._to_be_replaced():
            return
        if self._never_began(launched, error):
            launched.again = True
            self._submit(launched)
            if launched.cancelled:  # meant the task that is no more
                self.cancel(launched.assignment.launch, force=False)
            return
        try:
            failure = self._failure(launched, error)
        except Exception as unexpected:  # a launch without a last event would hang its run
            failure = Failure("executor", f"instep could not say why it failed: {unexpected}", str(error)[-3000:])
        self._end(launched, failure)

    def _never_began(self, launched: "_Launched", error: BaseException) -> bool:
        """Whether Ray gave the task to a worker that was dying of another one, which may happen to it once. On a
        cluster a worker may begin without being seen from here."""
        if self._local is None or launched.again or launched.cancelled:
            return False
        if not isinstance(error, self._ray.exceptions.WorkerCrashedError):
            return False
        self._look_at(launched)
        with self._lock:  # not one that was told as lost meanwhile: it has a next attempt already
            return not launched.seen and self._launched.get(launched.assignment.launch) is launched

    def _failure(self, launched: "_Launched", error: BaseException) -> Failure:
        errors = self._ray.exceptions
        assignment = launched.assignment
        if launched.cancelled or isinstance(error, errors.TaskCancelledError):
            return cancelled()
        if isinstance(error, errors.OutOfMemoryError):
            return died(assignment.live, assignment.root, memory=str(error).partition("\n")[0])
        if isinstance(error, errors.WorkerCrashedError):
            if launched.node and not self._is_alive(launched.node):
                return self._node_gone(launched, str(error))
            return died(assignment.live, assignment.root)
        if isinstance(error, errors.NodeDiedError | errors.ObjectLostError | errors.OwnerDiedError):
            return self._node_gone(launched, str(error))
        mend = "If a step replaces functions of Python or of a library, give that step `isolate=True`."
        return Failure("executor", f"instep could not run it: {type(error).__name__}", str(error)[-3000:], mend)

    def _node_gone(self, launched: "_Launched", why: str) -> Failure:
        name = next((one["NodeName"] for one in self._ray.nodes() if one["NodeID"] == launched.node), "")
        told = f"the node {name} ({launched.node[:8]}) that ran it is gone" if name else "the node that ran it is gone"
        return Failure("lost", told, why[:1000])

    def _is_alive(self, node: str) -> bool:
        """A worker that died with its node is told of before the node is: wait for that a little."""
        deadline = time.monotonic() + _NODE_SECONDS
        while any(one["NodeID"] == node and one["Alive"] for one in self._ray.nodes()):
            if node == self._own_node or time.monotonic() > deadline:
                return True
            time.sleep(0.1)
        return False

    def _end(self, launched: "_Launched", failure: Failure) -> None:
        self._look_at(launched)
        assignment = launched.assignment
        with self._lock:
            known = self._launched.pop(assignment.launch, None)
        if known is not None:
            self._emit(Crashed(assignment.launch, failure, launched.pid, last_lines(assignment.live), now_us()))

    def _look_for_started(self) -> None:
        while not self._closed:
            self._unseen.wait()
            self._unseen.clear()
            while not self._closed:
                with self._lock:
                    waiting = [one for one in self._launched.values() if not one.seen]
                if not waiting:
                    break
                for one in waiting:
                    self._look_at(one)
                recent = time.monotonic() - max(one.at for one in waiting) < 1.0
                time.sleep(_LOOK_SECONDS if recent and len(waiting) < 64 else _LOOK_SLOWLY_SECONDS)

    def _look_at(self, launched: "_Launched") -> None:
        if launched.seen:
            return
        for record in read_live(launched.assignment.live)[0][:1]:
            if record["k"] == "start":
                self._saw(launched, str(record["node"]), int(str(record["pid"])), int(str(record["t"])))

    def _saw(self, launched: "_Launched", node: str, pid: int, at_us: int) -> None:
        with self._lock:
            first = not launched.seen and launched.assignment.launch in self._launched
            launched.seen = True
            launched.pid = pid
            launched.node = node
        if first:
            self._emit(Started(launched.assignment.launch, at_us, node, pid))

    def watch_capacity(self) -> None:
        """Tell when nodes come and go, for as long as this executor lives."""
        threading.Thread(target=self._watch_capacity, name="instep-ray-capacity", daemon=True).start()

    def _watch_capacity(self) -> None:
        known = self.capacity()
        while not self._closed:
            time.sleep(CAPACITY_SECONDS)
            with contextlib.suppress(Exception):  # the control store restarts; it is asked again
                now = self.capacity()
                if now != known:
                    known = now
                    self._emit(Capacity(now))

    def _emit(self, event: ExecutorEvent) -> None:
        if not self._closed:
            self._emit_event(event)


class _Launched:
    """A launch that has not ended."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.ref: Any = None  # Any: an ObjectRef
        self.at = time.monotonic()
        self.pid = 0
        self.node = ""
        self.seen = False
        self.cancelled = False
        self.again = False


def _options(resources: Resources, *, labels: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"num_cpus": resources.cpus}
    if labels and resources.labels:
        options["label_selector"] = dict(resources.labels)
    if resources.gpus:
        options["num_gpus"] = resources.gpus
    if resources.memory:
        options["memory"] = resources.memory
    if resources.custom:
        options["resources"] = dict(resources.custom)
    return options


def _builtin(name: str) -> bool:
    return name in ("CPU", "GPU", "memory", "object_store_memory") or name.startswith(("node:", "accelerator_type:"))
