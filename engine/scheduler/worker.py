"""What runs where a step runs: load its code by hash, load its inputs, call it, store what it returns, report.

Nothing of instep's own state is here: an assignment says all there is to know, the outcome and the live file all there
is to tell. A failing item does not end a batch, and no exception of the user's leaves this module.
"""

import contextlib
import importlib
import os
import platform
import resource
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from .. import authoring
from ..errors import InstepError
from ..snapshots.artifact import Artifact
from ..snapshots.formats import store
from ..snapshots.objects import ObjectStore, StoredObject
from . import failure, results
from .assignment import Assignment, Failure, Item, ItemOutcome, Outcome
from .bundle import cached_bundle
from .capture import capture
from .forks import end_forked
from .inputs import Inputs
from .live import LiveFile, now_us
from .masking import masked, secrets_of
from .observe import Observer, every_thread, observing, own_threads
from .program import Program
from .replaced import builtins_now, modules_now
from .seeds import seed_all, seeding
from .surroundings import surroundings

Function = Callable[..., object]
_program: tuple[tuple[object, ...], Program] | None = None
_held: contextlib.ExitStack | None = None


@dataclass(slots=True)
class _Call:
    """One item on its way: what it returned by output name, or why it failed."""

    item: Item
    started_us: int
    ended_us: int = 0
    values: dict[str, object] = field(default_factory=dict[str, object])
    failure: Failure | None = None


def execute(assignment: Assignment, *, node: str = "", shared: bool = False) -> Outcome:
    """Run an assignment. `shared` says that this process does other things too (the inline executor), so that its
    descriptors, crash handler and other threads are left alone.

    Raises KeyboardInterrupt only if it comes outside the step; in the step it is how a cancel arrives.
    """
    secrets = secrets_of({**os.environ, **assignment.env})
    live = LiveFile(assignment.live, watch_size=not shared, secrets=secrets)
    try:
        live.start(assignment.step, node or platform.node())
        with contextlib.nullcontext() if shared else _exits(live):
            return _execute(assignment, live, node, shared=shared)
    finally:
        live.close()


def _execute(assignment: Assignment, live: LiveFile, node: str, *, shared: bool) -> Outcome:
    objects = ObjectStore(Path(assignment.store))
    mine = own_threads() if shared else every_thread
    if not shared:
        _reset_peak()
    try:
        program = _program_for(assignment, objects)
    except InstepError as error:
        return Outcome(assignment.launch, _all_failed(assignment, _executor_failure(error)), node, os.getpid())
    declared = [path for value in assignment.files.values() for path in value.paths]
    observer = Observer(assignment.root, declared, program.imported, program.is_user_file, mine)
    sink = _Sink(live, objects)
    with contextlib.ExitStack() as stack:
        _hold(stack)
        stack.enter_context(surroundings(assignment.root, assignment.env))
        stack.enter_context(capture(live, mine=mine, process=not shared))
        stack.enter_context(program.active(observer))
        stack.enter_context(_sink(sink))
        stack.enter_context(seeding())
        stack.enter_context(observing(observer))
        put_back = modules_now()
        try:
            calls = _call_all(assignment, objects, program, live)
        finally:
            put_back()
        items, blocks, written = _store(assignment, calls, objects, live)
    if live.secrets:
        items = tuple(replace(one, failure=masked(one.failure, live.mask)) if one.failure else one for one in items)
    if any(item.failure for item in items):
        _forget()
    return Outcome(
        assignment.launch,
        items,
        node,
        os.getpid(),
        0.0 if shared else _peak_mb(),
        observer.observed(),
        blocks,
        (*sink.written, *written),
    )


def _call_all(assignment: Assignment, objects: ObjectStore, program: Program, live: LiveFile) -> list[_Call]:
    calls: list[_Call] = []
    after = _after_users_code()
    try:
        seed_all(assignment.items[0].seed)
        inputs = Inputs(assignment, objects)
        function = _function(assignment, program, after)
        for item in assignment.items:
            call = _Call(item, now_us())
            calls.append(call)
            if isinstance(function, Failure):
                call.failure = function
            else:
                live.begin_item(item.index)
                _call(call, function, inputs, assignment, program, after)
            call.ended_us = now_us()
    except KeyboardInterrupt:
        done = [call for call in calls if call.ended_us]
        rest = [_Call(item, now_us(), now_us(), failure=failure.cancelled()) for item in assignment.items[len(done) :]]
        if len(calls) > len(done):
            rest[0].started_us = calls[-1].started_us
        return done + rest
    return calls


def _after_users_code() -> Callable[[], None]:
    """What is to be done whenever the user's code has returned or raised."""
    put_back, owner = builtins_now(), os.getpid()

    def after() -> None:
        put_back()
        end_forked(owner)

    return after


def _function(assignment: Assignment, program: Program, after: Callable[[], None]) -> Function | Failure:
    """The step's function, or why its module could not be imported."""
    try:
        try:
            module = importlib.import_module(assignment.module)
        finally:
            after()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return failure.raised(error, program.user_file, {})
    function = getattr(module, assignment.step, None)
    if not callable(function):
        mend = "It must be a function at the top level of its module."
        return Failure("raised", f"{assignment.module} has no function {assignment.step}", mend=mend)
    return function


def _call(
    call: _Call,
    function: Function,
    inputs: Inputs,
    assignment: Assignment,
    program: Program,
    after: Callable[[], None],
) -> None:
    arguments: dict[str, Any] = {}
    try:
        arguments = inputs.positional(call.item)
        params = inputs.params()
        seed_all(call.item.seed)
        try:
            value = function(*arguments.values(), **params)
        finally:
            after()
        call.values = results.named_outputs(value, assignment.outputs)
    except KeyboardInterrupt:
        raise
    except results.WrongResult as error:
        shown = {name: failure.summarise(value, name) for name, value in {**arguments, **assignment.params}.items()}
        call.failure = replace(error.failure, arguments=shown)
    except InstepError as error:
        call.failure = _executor_failure(error)
    except BaseException as error:
        call.failure = failure.raised(error, program.user_file, {**arguments, **assignment.params})


def _store(
    assignment: Assignment, calls: list[_Call], objects: ObjectStore, live: LiveFile
) -> tuple[tuple[ItemOutcome, ...], tuple[Artifact, ...], tuple[StoredObject, ...]]:
    if assignment.items[0].index is None:
        item, written = _store_one(calls[0], objects)
        return (item,), (), written
    live.item = None
    done = [call for call in calls if call.failure is None]
    began = time.perf_counter()
    try:
        stored, blocks = (
            results.store_batch([call.values for call in done], assignment.outputs, objects) if done else ([], [])
        )
    except KeyboardInterrupt:
        stored, blocks = [failure.cancelled() for _ in done], []
    seconds = (time.perf_counter() - began) / max(1, len(done))
    kept = iter(stored)
    items = tuple(_item(call, next(kept) if call.failure is None else call.failure, seconds) for call in calls)
    return items, tuple(one.artifact for one in blocks), tuple(one for block in blocks for one in block.objects)


def _store_one(call: _Call, objects: ObjectStore) -> tuple[ItemOutcome, tuple[StoredObject, ...]]:
    if call.failure is not None:
        return _item(call, call.failure, 0.0), ()
    began = time.perf_counter()
    written: tuple[StoredObject, ...] = ()
    kept: Mapping[str, Any] | Failure
    try:
        kept, written = results.store_outputs(call.values, objects)
    except results.WrongResult as error:
        kept = error.failure
    except KeyboardInterrupt:
        kept = failure.cancelled()
    except Exception as error:
        kept = failure.output(f"the result could not be stored: {failure.message_of(error)}")
    return _item(call, kept, time.perf_counter() - began), written


def _item(call: _Call, kept: Mapping[str, Any] | Failure, store_seconds: float) -> ItemOutcome:
    index, started, ended = call.item.index, call.started_us, call.ended_us
    if isinstance(kept, Failure):
        return ItemOutcome(index, started, ended, failure=kept)
    return ItemOutcome(index, started, ended, dict(kept), None, store_seconds)


def _program_for(assignment: Assignment, objects: ObjectStore) -> Program:
    """The program that the last launch left if this one is of the same step in the same run, else a new one."""
    global _program  # noqa: PLW0603  what one launch leaves for the next
    key = (
        *(assignment.code, assignment.store, assignment.root, assignment.step, assignment.static_modules),
        Path(assignment.live).parent,
    )
    if _program is None or _program[0] != key:
        bundle = cached_bundle(objects, assignment.code)
        _program = key, Program(bundle, objects, assignment.root, assignment.module, assignment.static_modules)
    return _program[1]


def _forget() -> None:
    """After a failure modules may be half imported or in a state that made it fail: a retry gets fresh ones."""
    global _program  # noqa: PLW0603  what one launch leaves for the next
    _program = None


def _hold(stack: contextlib.ExitStack) -> None:
    global _held  # noqa: PLW0603  `abandon` must find it
    _held = stack


def abandon() -> None:
    """Put back what a step that cannot be ended has changed of this process; it goes on without an audience."""
    if _held is not None:
        _held.pop_all().close()
    _forget()


def _all_failed(assignment: Assignment, why: Failure) -> tuple[ItemOutcome, ...]:
    return tuple(ItemOutcome(item.index, now_us(), now_us(), failure=why) for item in assignment.items)


def _executor_failure(error: InstepError) -> Failure:
    return replace(failure.refused(error), kind="executor")


class _Sink:
    """Where `log` and `progress` of the step go."""

    def __init__(self, live: LiveFile, objects: ObjectStore) -> None:
        self._live = live
        self._objects = objects
        self.written: list[StoredObject] = []

    def metrics(self, values: Mapping[str, float]) -> None:
        self._live.metrics(values)

    def attach(self, kind: str, name: str, value: object) -> None:
        """Store what was attached; that it cannot be is worth a line, not a failed step."""
        try:
            stored = store(value, self._objects)
        except InstepError as error:
            self._live.log("instep", "warning", f"log.{kind}({name!r}) was not kept: {error.problems[0].what}")
            return
        self.written += stored.objects
        self._live.attach(kind, name, stored.artifact.to_json())

    def progress(self, done: int, total: int | None) -> None:
        self._live.progress(done, total)


@contextlib.contextmanager
def _sink(sink: _Sink) -> Generator[None]:
    before = authoring.set_sink(sink)
    try:
        yield
    finally:
        authoring.set_sink(before)


@contextlib.contextmanager
def _exits(live: LiveFile) -> Generator[None]:
    """`os._exit` leaves no trace anywhere, so it says so first. Forked children inherit this and do not."""
    real = os._exit
    owner = os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() == owner:
            live.exiting(status)
        else:
            live.flush()
        real(status)

    os._exit = leave
    try:
        yield
    finally:
        os._exit = real


def _reset_peak() -> None:
    """Start measuring the peak of this process' memory anew (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
