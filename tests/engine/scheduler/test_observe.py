"""What a step was seen to depend on is reported, and nothing else is."""

import os
import threading
from pathlib import Path

import pytest

from instep.engine.digest import digest
from instep.engine.scheduler.assignment import FileValue


def observed(bench, body, **more):
    bench.step(
        "import os\nfrom pathlib import Path\ndef work():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    )
    outcome = bench.run(**more)
    assert outcome.items[0].failure is None, outcome.items[0].failure
    return outcome.observed


@pytest.mark.parametrize(
    ("body", "files"),
    [
        ("open('data.csv').close()", ("data.csv",)),
        ("Path('data.csv').read_text()", ("data.csv",)),
        ("os.close(os.open(b'data.csv', os.O_RDONLY))", ("data.csv",)),
        ("open(Path.cwd() / 'folder/../data.csv').close()", ("data.csv",)),
        ("os.listdir()", ("./",)),
        ("list(Path('folder').iterdir())", ("folder/",)),
        ("list(os.walk('folder'))", ("folder/",)),
        ("try: open('absent')\nexcept OSError: pass", ("absent",)),
        ("open('new', 'w').close(); open('new').close()", ()),
        ("open('tmp', 'w').close(); os.replace('tmp', 'new'); open('new').close()", ()),
        ("open('log', 'a').close()", ()),
        ("open('.hidden', 'w').close(); open('.hidden').close()", ()),
        ("open('/etc/hostname').close()", ()),
        ("import json.tool, email.mime.text", ()),
        (
            "import threading\nt = threading.Thread(target=lambda: open('data.csv').close()); t.start(); t.join()",
            ("data.csv",),
        ),
    ],
)
def test_files(bench, body, files):
    bench.write({"data.csv": "1", "folder/x.csv": "1"})
    assert observed(bench, body).files == files


def test_declared_files_and_folders_do_not_count(bench):
    bench.write({"data.csv": "1", "folder/x.csv": "1"})
    files = {
        "a": FileValue((str(bench.root / "data.csv"),), False),
        "b": FileValue((str(bench.root / "folder"),), False),
    }
    body = "open('data.csv').close(); open('folder/x.csv').close(); os.listdir('folder')"
    assert observed(bench, body, files=files).files == ()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("os.environ['SEEN']", {"SEEN"}),
        ("os.environ.get('SEEN')", {"SEEN"}),
        ("os.getenv('UNSET', 'x')", {"UNSET"}),
        ("'UNSET' in os.environ", {"UNSET"}),
        ("dict(os.environ)", set()),
        ("{**os.environ}", set()),
        ("os.environ.copy()", set()),
        ("for name, value in os.environ.items(): pass", set()),
        ("import subprocess, sys; subprocess.run([sys.executable, '-c', ''], env={**os.environ, 'A': '1'})", set()),
        ("import tempfile; tempfile.gettempdir()", set()),
    ],
)
def test_environment(bench, monkeypatch, body, names):
    monkeypatch.setenv("SEEN", "value")
    env = observed(bench, body).env
    assert set(env) == names
    assert all(value == (digest("env/1", "value") if name == "SEEN" else None) for name, value in env.items())


def test_modules_beyond_the_static_ones_are_named_by_their_first_name(bench):
    bench.write({"src/lib/__init__.py": "", "src/lib/one.py": "", "src/lib/two.py": ""})
    body = "import lib.one, src.lib.two"
    assert observed(bench, body, static_modules=("steps.work", "lib.one")).modules == ("lib.two",)


def test_what_modules_read_while_they_are_imported_counts_for_every_launch(bench, monkeypatch):
    monkeypatch.setenv("SEEN", "value")
    bench.write(
        {
            "data.csv": "1",
            "steps/work.py": """
                import os
                X = open('data.csv').read(), os.environ['SEEN']
                def work(): open('b.csv', 'w')
            """,
        }
    )
    first, second = bench.run().observed, bench.run().observed
    assert first == second
    assert (first.files, set(first.env)) == (("data.csv",), {"SEEN"})


def test_what_one_item_read_does_not_count_for_the_next_launch(bench):
    bench.write({"a": "", "b": ""})
    bench.step("def work(name): open(name).close()")
    assert bench.run(params={"name": "a"}).observed.files == ("a",)
    assert bench.run(params={"name": "b"}).observed.files == ("b",)


def test_other_threads_of_the_process_are_not_observed(bench):
    bench.write({"data.csv": "1", "other.csv": "1"})
    stop = threading.Event()

    def read():
        while not stop.is_set():
            (bench.root / "other.csv").read_text()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert observed(bench, "import time; time.sleep(0.05); open('data.csv').close()").files == ("data.csv",)
    finally:
        stop.set()
        thread.join()


def test_nothing_is_left_behind(bench):
    kind = type(os.environ)
    observed(bench, "os.environ['X'] = '1'; os.environ.pop('HOME', None)")
    assert type(os.environ) is kind
    assert "X" not in os.environ
    assert Path.home()
