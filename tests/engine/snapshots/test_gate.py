"""The gate lets readers in together and a projector alone, across threads and processes, and ends with its holder."""

import subprocess
import sys
from pathlib import Path

import pytest

from instep.engine.errors import StoreBusy
from instep.engine.snapshots.gate import OBJECTS, Held, hold, reading, say
from instep.engine.snapshots.projector import said_mark

HOLDER = """
import sys
from pathlib import Path
from instep.engine.snapshots.gate import hold
with hold(Path(sys.argv[1]), exclusive=sys.argv[2] == "x"):
    print("have it", flush=True)
    sys.stdin.read()
"""


def holder(store: Path, how: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "have it\n"
    return process


def test_readers_share_it(tmp_path):
    with hold(tmp_path, exclusive=False), hold(tmp_path, exclusive=False):
        pass


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_a_writer_has_it_alone_also_within_a_process(tmp_path, first, second):
    with hold(tmp_path, exclusive=first), pytest.raises(Held), hold(tmp_path, exclusive=second):
        pass


def test_the_gates_are_independent(tmp_path):
    with hold(tmp_path, exclusive=True), hold(tmp_path, OBJECTS, exclusive=True):
        pass


def test_it_names_the_process_that_has_it_and_ends_with_it(tmp_path):
    with holder(tmp_path, "x") as process:
        with pytest.raises(Held) as caught, hold(tmp_path, exclusive=False):
            pass
        assert caught.value.pid == process.pid
        process.kill()
    with hold(tmp_path, exclusive=True):
        pass


def test_a_reader_that_waits_too_long_says_who_has_it(tmp_path):
    with holder(tmp_path, "x") as process:
        with pytest.raises(StoreBusy, match=f"process {process.pid}"), reading(tmp_path, wait=0.05):
            pass
        process.kill()


def test_the_mark_is_written_beside_the_catalog(tmp_path):
    assert said_mark(tmp_path) == 0
    with hold(tmp_path, exclusive=True):
        say(tmp_path, 42)
    assert said_mark(tmp_path) == 42
