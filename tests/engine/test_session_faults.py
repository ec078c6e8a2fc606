"""A session meets a full disk, a damaged object, two engines: one clear message, nothing lost."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from instep.engine.errors import ExecutorError
from instep.engine.scheduler.executor import Emit
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session
from instep.engine.snapshots.verify import verify

PIPELINE = """
from instep import step
@step
def small(): return 1
@step
def big(small): return bytes(12_000_000)
@step
def after(big): return len(big)
@step
def beside(small): return small + 1
"""
LIMITED = """
import json, resource, signal, sys, threading
from pathlib import Path
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session
# A file size limit gives what a full disk gives: a write that ends early.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
session = Session(Path(sys.argv[1]), lambda _, emit: InlineExecutor(emit))
session.warm()
document = session.run(RunRequest(), lambda _: None, threading.Event())
session.close()
print(json.dumps({one["name"]: [one["state"], (one["error"] or {}).get("title", "")] for one in document["steps"]}))
"""


def project(root: Path) -> Path:
    (root / "instep.toml").write_text('[project]\nname = "case"\n')
    (root / "pipeline.py").write_text(PIPELINE)
    return root


def run(root: Path) -> dict[str, str]:
    session = Session(root, lambda _, emit: InlineExecutor(emit))
    try:
        session.warm()
        document = session.run(RunRequest(), lambda _: None, threading.Event())
    finally:
        session.close()
    return {one["name"]: one["state"] for one in document["steps"]}


def test_a_full_disk_fails_the_step_being_written_and_nothing_else(tmp_path: Path) -> None:
    root = project(tmp_path)
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), str(root)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    import json

    states = json.loads(told.stdout.splitlines()[-1])
    assert states["big"][0] == "failed"
    assert "full" in states["big"][1]
    assert states["after"][0] == "blocked"
    assert {states[name][0] for name in ("small", "beside")} == {"done"}
    assert verify(root / ".instep").sound
    assert run(root) == {"small": "reused", "big": "done", "after": "done", "beside": "reused"}


def test_two_sessions_at_once_agree(tmp_path: Path) -> None:
    root = project(tmp_path)
    found: list[dict[str, str]] = []
    threads = [threading.Thread(target=lambda: found.append(run(root))) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 3
    assert {state for states in found for state in states.values()} <= {"done", "reused"}
    assert verify(root / ".instep").sound
    assert set(run(root).values()) == {"reused"}


def test_only_one_engine_has_the_lease(tmp_path: Path) -> None:
    root = project(tmp_path)
    code = (
        "import sys, pathlib; from instep.engine.session import Session;"
        "print(Session(pathlib.Path(sys.argv[1])).take_lease())"
    )
    session = Session(root, lambda _, emit: InlineExecutor(emit))
    try:
        assert session.take_lease()
        told = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
        assert told.stdout.strip() == "False"
    finally:
        session.close()
    told = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True"


def test_an_executor_that_could_not_start_gets_another_try(tmp_path: Path) -> None:
    tries: list[int] = []

    def start(_: Session, emit: Emit) -> InlineExecutor:
        tries.append(1)
        if len(tries) == 1:
            raise ExecutorError("Ray did not start: the node timed out")
        return InlineExecutor(emit)

    session = Session(project(tmp_path), start)
    try:
        with pytest.raises(ExecutorError):
            session.run(RunRequest(), lambda _: None, threading.Event())
        assert session.run(RunRequest(), lambda _: None, threading.Event())["state"] == "done"
    finally:
        session.close()
    assert verify(tmp_path / ".instep").sound
