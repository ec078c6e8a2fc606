"""Code that does its worst: one clear message for each step, the others go on, and nothing grows without bound.

All of it runs once, on one real Ray, through the real command line. `INSTEP_HELL=1` makes the floods as large as they
come (a million lines, 100 MB without a newline, a million metrics, an array of 5 GB).
"""

import os
import re
import time
from pathlib import Path

import psutil
import pytest
from cli_project import Project, Told

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

FULL = bool(os.environ.get("INSTEP_HELL"))
LINES, METRICS = (1_000_000, 1_000_000) if FULL else (210_000, 30_000)
LONG = 100_000_000 if FULL else 10_000_000
ARRAY = 5_000_000_000 if FULL else 500_000_000

PIPELINE = f"""
import builtins, ctypes, json, os, sys, threading, time
from instep import Each, log, step

@step
def segfault():
    print("about to")
    ctypes.string_at(0)

@step
def leaves(): os._exit(7)

@step
def killed(): os.kill(os.getpid(), 9)

@step(isolate=True)
def memory():
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    return bytearray(4 << 30)

@step(timeout="1s")
def endless():
    while True: pass

@step(timeout="1s")
def deaf():
    while True:
        try:
            while True: time.sleep(0.01)
        except BaseException: pass

@step
def forks():
    child = os.fork()
    if child == 0:
        print("the child's line")
        return "of the child"
    return os.waitpid(child, 0)[1]

@step
def forks_badly():
    child = os.fork()
    if child == 0: raise ValueError("in the child")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

@step
def threads():
    def say(number): print("thread", number)
    many = [threading.Thread(target=say, args=(number,)) for number in range(20)]
    for one in many: one.start()
    for one in many: one.join()
    threading.Thread(target=time.sleep, args=(60,)).start()
    return "threads"

@step
def lines():
    for number in range({LINES}): print("line", number)
    return 1

@step
def one_line():
    for _ in range({LONG} // 1_000_000):
        sys.stdout.write("x" * 500_000)
        os.write(1, b"y" * 500_000)
    return 1

@step
def noise():
    sys.stdout.buffer.write(os.urandom(100_000))
    os.write(1, os.urandom(100_000))
    print("\\x1b]0;owned\\x07\\x1b[2J\\x9b31mred\\u202e!")
    return 1

@step
def moves():
    os.chdir("/")
    os.environ["HELL"] = "1"
    return 1

@step
def closes():
    print("before")
    sys.stdout.close()
    os.close(1)
    print("after")
    return 1

@step
def lock(): return threading.Lock()

@step
def locks(): return [1, {{"a": threading.Lock()}}]

class Raises:
    def __repr__(self): raise RuntimeError("no repr")

class Slow(Exception):
    def __repr__(self): time.sleep(300)
    def __str__(self): time.sleep(300)

@step
def repr_raises(): return Raises()

@step
def repr_slow(): return Slow()

@step
def fails_slowly(repr_slow):
    many = [Slow() for _ in range(12)]
    raise Slow

@step
def generator(): yield 1

@step
def array():
    import numpy as np
    return np.zeros({ARRAY}, dtype="u1")

@step
def metrics():
    for number in range({METRICS}): log(loss=number)
    return 1

@step
def names():
    for number in range(2_000): log(**{{f"m{{number}}": number}})
    return 1

@step
def deep():
    def again(n): return again(n + 1)
    return again(0)

@step
def nested():
    made = []
    for _ in range(100_000): made = [made]
    return made

@step
def patches():
    builtins.len = builtins.print = builtins.open = builtins.isinstance = None
    json.dumps = os.write = os.getpid = time.time = None
    return 1

@step
def after_patches(patches):
    print("here")
    return [len([1, 2]), json.dumps("x"), os.getpid() > 0]

@step
def imports():
    import elsewhere
    return elsewhere

@step
def one(): return 1

@step
def two(one): return [one + 1, os.getcwd(), os.environ.get("HELL")]
"""
ELSEWHERE = 'raise ImportError("libcuda.so.1: cannot open shared object file")\n'


@pytest.fixture(scope="module")
def hell(shared) -> Project:
    return shared("hell", {"instep.toml": "", "pipeline.py": PIPELINE, "elsewhere.py": ELSEWHERE})


@pytest.fixture(scope="module")
def told(hell: Project) -> Told:
    return hell("run", timeout=550)


@pytest.fixture(scope="module")
def document(hell: Project, told: Told):
    return {one["name"]: one for one in hell("show", "1", "--json").document["steps"]}


FAILURES = {
    "segfault": ("process # died by SIGSEGV", "pipeline.py:8"),
    "leaves": ("process # ended: the step called os._exit(7)", "Return or raise instead."),
    "killed": ("process # died without a word", "out of memory"),
    "memory": ("MemoryError", "Give the step less data at a time"),
    "endless": ("endless took too long", "It was stopped after 1 s."),
    "deaf": ("deaf took too long", "It was stopped after 1 s."),
    "lock": ("the output is a lock, which cannot be stored", "Return data alone."),
    "locks": (
        "item 1 of what it returned: the output, a dict, cannot be stored: its `['a']` is a _thread.lock",
        "Take",
    ),
    "fails_slowly": ("Slow: <its message cannot be shown: __str__ takes too long>", "its repr takes too long"),
    "generator": ("returned a generator, which can be read once and cannot be stored", "Return a list"),
    "deep": ("RecursionError: maximum recursion depth exceeded", "A function calls itself without end"),
    "nested": ("item 0 of what it returned: the output, a list, is nested too deep to be stored", "Return it flat"),
    "imports": ("ImportError: libcuda.so.1: cannot open shared object file", "elsewhere.py:1"),
}


def test_each_failure_is_told_once_and_says_what_to_do(told: Told, document):
    failed = {name for name, one in document.items() if one["state"] == "failed"}
    assert failed == set(FAILURES), told.out[-5000:]
    for name, (title, told_too) in FAILURES.items():
        assert re.sub(r"process \d+", "process #", document[name]["error"]["title"]) == title
        paragraphs = re.findall(rf"^✗ {name}: .*?(?=^$)", told.out, re.M | re.S)
        assert len(paragraphs) == 1, name
        assert told_too in paragraphs[0]
        assert len(paragraphs[0].splitlines()) < 20


def test_all_the_others_ran_and_nothing_else_was_changed_for_them(hell: Project, told: Told, document):
    assert told.code == 1
    assert {name for name, one in document.items() if one["state"] == "done"} == set(document) - set(FAILURES)
    assert hell("out", "1/two").out.count(str(hell.root)) == 1
    assert "None" in hell("out", "1/two").out
    assert "True" in hell("out", "1/after_patches").out


def test_a_forked_child_ends_where_the_step_does(hell: Project, told: Told):
    assert "0" in hell("out", "1/forks").out.splitlines()[-1]
    assert "1" in hell("out", "1/forks_badly").out.splitlines()[-1]
    log = hell("log", "1/forks").out + hell("log", "1/forks_badly").out
    assert log.count("the child's line") == 1
    assert log.count("ValueError: in the child") == 1


def test_values_that_cannot_be_shown_are_named(hell: Project, told: Told):
    assert "repr takes too long" in hell("out", "1/repr_slow").out
    assert "repr raises RuntimeError" in hell("out", "1/repr_raises").out


def test_floods_are_cut_and_say_so(hell: Project, told: Told):
    assert len(told.out) < 20_000_000
    assert re.search(r"lines │ … and [\d,]+ more lines; `instep log 1/lines` has them", told.out)
    assert "200,000 lines are kept of one task; the rest is counted, not kept" in hell("log", "1/lines").out
    assert "more; `instep show 1 --json` has them" in told.out
    assert f"{METRICS - 1:,}".replace(",", "")[:2] in told.out
    live = sum(path.stat().st_size for path in (hell.root / ".instep" / "runs" / "1").iterdir())
    assert live < 3 * LONG + 400_000_000


def test_no_noise_reaches_the_terminal_raw(hell: Project, told: Told):
    for text in (told.out, told.err, hell("log", "1/noise").out, hell("log", "1/noise", "--json").out):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "red" in told.out


def test_the_engine_lives_and_its_memory_is_bounded(hell: Project, told: Told):
    engine = _engine(hell.root)
    peak = next(line for line in Path(f"/proc/{engine.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) / 1024 < 900, f"the engine's peak: {peak}"
    array = {one["name"]: one for one in hell("show", "1", "--json").document["outputs"]}["array"]
    assert array["bytes"] > ARRAY


def test_what_a_step_left_running_ends_with_the_engine(hell: Project, told: Told):
    family = _engine(hell.root).children(recursive=True)
    assert family
    hell.stop()
    deadline = time.monotonic() + 30
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _engine(root: Path) -> psutil.Process:
    for one in psutil.process_iter(["cmdline"]):
        if (one.info["cmdline"] or [])[-2:] == ["instep.remote.service", str(root)]:
            return one
    raise AssertionError("the engine is gone")
