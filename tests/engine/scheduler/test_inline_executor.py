"""The executor without Ray runs, cancels, isolates, and says what died."""

import os
import sys
import threading
from pathlib import Path

import pytest

from instep.engine.scheduler import inline_executor
from instep.engine.scheduler.assignment import Resources
from instep.engine.scheduler.executor import Crashed, Finished, Started
from instep.engine.scheduler.inline_executor import InlineExecutor

SOURCE = """
    import ctypes, os, sys, time
    def pid(): return os.getpid()
    def loop():
        print("looping")
        while True: pass
    def stubborn():
        said = False
        while True:
            try:
                said = said or not print("no")
                while True: time.sleep(0.01)
            except BaseException: pass
    def segv():
        print("about to")
        ctypes.string_at(0)
    def leave(): os._exit(7)
    def killed(): os.kill(os.getpid(), 9)
    def order(): return list({"a", "b", "c", "d", "e"}) + [hash("x")]
"""


@pytest.fixture
def inline(launcher, bench):
    bench.step(SOURCE)
    found = launcher(InlineExecutor)
    yield found
    found.executor.close()


def test_it_runs_in_this_process_one_after_the_other(inline, bench):
    first, second = bench.assign("pid"), bench.assign("pid")
    inline.executor.launch(first)
    inline.executor.launch(second)
    events = [inline.events.get(timeout=60) for _ in range(4)]
    assert [(type(one), one.launch) for one in events] == [
        (Started, first.launch), (Finished, first.launch), (Started, second.launch), (Finished, second.launch),
    ]  # fmt: skip
    assert bench.value_of(events[1].outcome) == os.getpid()


def test_a_polite_cancel_ends_a_loop(inline, bench):
    loop = bench.assign("loop")
    inline.inside(loop)
    inline.executor.cancel(loop.launch, force=False)
    event = inline.ended(loop)
    assert event.outcome.items[0].failure.kind == "cancelled"
    assert bench.lines() == ["looping"]
    assert bench.value_of(inline.outcome(bench.assign("pid"))) == os.getpid()


def test_what_waits_can_be_cancelled_and_never_starts(inline, bench):
    loop, waiting = bench.assign("loop"), bench.assign("pid")
    inline.inside(loop)
    inline.executor.launch(waiting)
    inline.executor.cancel(waiting.launch, force=False)
    assert inline.ended(waiting).outcome.items[0].failure.kind == "cancelled"
    inline.executor.cancel(loop.launch, force=True)
    inline.ended(loop)


def test_a_step_that_will_not_end_is_left_behind_and_the_process_put_right(inline, bench):
    out, cwd, env = sys.stdout, Path.cwd(), dict(os.environ)
    stubborn = bench.assign("stubborn")
    inline.inside(stubborn)
    inline.executor.cancel(stubborn.launch, force=True)
    event = inline.ended(stubborn)
    assert isinstance(event, Crashed)
    assert "left behind" in event.failure.title
    assert event.last_lines == ("no",)
    assert (sys.stdout, Path.cwd(), dict(os.environ)) == (out, cwd, env)
    assert bench.value_of(inline.outcome(bench.assign("pid"))) == os.getpid()


@pytest.mark.parametrize(
    ("step", "title", "lines"),
    [("segv", "died by SIGSEGV", ("about to",)), ("leave", "os._exit(7)", ()), ("killed", "killed by SIGKILL", ())],
)
def test_an_isolated_step_that_dies_says_by_what(inline, bench, step, title, lines):
    event = inline.run(bench.assign(step, isolate=True))
    assert isinstance(event, Crashed)
    assert event.failure.kind == "died"
    assert title in event.failure.title
    assert event.last_lines == lines
    assert event.pid not in (0, os.getpid())
    if step == "segv":
        assert (event.failure.frames[-1].function, event.failure.frames[-1].source) == ("segv", "ctypes.string_at(0)")


def test_isolated_steps_each_have_a_process(inline, bench):
    pids = {bench.value_of(inline.outcome(bench.assign("pid", isolate=True))) for _ in range(3)}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_sets_iterate_alike_in_all_processes(inline, bench):
    orders = [bench.value_of(inline.outcome(bench.assign("order", isolate=True))) for _ in range(3)]
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize(("step", "force"), [("loop", False), ("loop", True), ("stubborn", True)])
def test_isolated_steps_can_be_cancelled(inline, bench, step, force):
    assignment = bench.assign(step, isolate=True)
    started = inline.inside(assignment)
    inline.executor.cancel(assignment.launch, force=force)
    event = inline.ended(assignment)
    failure = event.failure if isinstance(event, Crashed) else event.outcome.items[0].failure
    assert failure.kind == "cancelled"
    assert not Path(f"/proc/{started.pid}").exists()


def test_it_says_what_it_was_told_it_has(launcher):
    found = launcher(lambda emit: InlineExecutor(emit, Resources(cpus=4, gpus=1)))
    assert found.executor.capacity() == Resources(cpus=4, gpus=1)
    found.executor.close()


def test_closing_ends_what_runs(launcher, bench):
    bench.step(SOURCE)
    before = set(threading.enumerate())
    found = launcher(InlineExecutor)
    found.inside(bench.assign("loop"))
    found.executor.close()
    assert set(threading.enumerate()) <= before


def test_an_edit_reaches_the_next_launch(inline, bench):
    for number in range(5):
        bench.step(f"def work(): return {number}")
        assert bench.value_of(inline.outcome(bench.assign())) == number


def test_a_full_stop_in_the_machinery_is_an_event_too(inline, bench, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError("oh")

    monkeypatch.setattr(inline_executor, "execute", broken)
    event = inline.run(bench.assign("pid"))
    assert (event.failure.kind, event.failure.title) == ("executor", "instep could not run it: RuntimeError: oh")


def test_an_isolated_step_that_is_cancelled_while_it_starts_is_cancelled(inline, bench):
    assignment = bench.assign("loop", isolate=True)
    inline.started(assignment)
    inline.executor.cancel(assignment.launch, force=False)
    event = inline.ended(assignment)
    failure = event.failure if isinstance(event, Crashed) else event.outcome.items[0].failure
    assert failure.kind == "cancelled"
