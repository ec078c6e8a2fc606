"""Truths that need more than an edit of files: clocks, environments, packages, the store, other processes."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
from harness import Bench

from instep.engine.errors import ProjectError
from instep.engine.ids import StepName
from instep.engine.params import parse_set
from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session
from instep.engine.snapshots import projector

READS = """
from instep import File, step
@step
def a(path=File("data.txt")): return path.read_text()
@step
def b(a): return a + "!"
"""


def kinds(bench: Bench, step: str, **options) -> set[str]:
    return {reason["kind"] for reason in bench.status(**options)[step]["reasons"]}


def test_touching_a_file_runs_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"pipeline.py": READS, "data.txt": "one"})
    bench.run()
    os.utime(tmp_path / "data.txt")
    os.utime(tmp_path / "pipeline.py")
    assert bench.run().ran == set()


def test_an_edit_whose_old_mtime_is_restored_is_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"pipeline.py": READS, "data.txt": "one"})
    bench.run()
    before = (tmp_path / "data.txt").stat()
    (tmp_path / "data.txt").write_text("two")
    os.utime(tmp_path / "data.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert bench.run().ran == {"a", "b"}


def test_two_edits_of_one_size_within_a_second_are_both_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"pipeline.py": READS, "data.txt": "one"})
    seen = [bench.run().outputs["b"]]
    for text in ("two", "six"):
        (tmp_path / "data.txt").write_text(text)
        ran = bench.run()
        assert ran.ran == {"a", "b"}
        seen.append(ran.outputs["b"])
    assert len(set(seen)) == 3


def test_an_edit_while_a_run_is_going_counts_for_the_next_run_only(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "pipeline.py": """
            import time
            from pathlib import Path
            from instep import step
            import late
            @step
            def a():
                Path(__file__).with_name("going").write_text("")
                time.sleep(0.5)
                return 1
            @step
            def b(a): return late.value()
            """.replace("\n            ", "\n"),
            "late.py": "def value(): return 1\n",
        },
    )
    found: list = []
    thread = threading.Thread(target=lambda: found.append(bench.run()))
    thread.start()
    while not (tmp_path / "going").exists():
        time.sleep(0.01)
    (tmp_path / "late.py").write_text("def value(): return 2\n")
    thread.join()
    (tmp_path / "going").unlink()
    again = bench.run()
    assert again.ran == {"b"}
    assert again.outputs["b"] != found[0].outputs["b"]
    (tmp_path / "late.py").write_text("def value(): return 1\n")
    assert bench.run().outputs["b"] == found[0].outputs["b"], "the first run executed what it was planned with"


def test_a_file_that_changes_while_it_is_read_is_shown_and_not_kept(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "data.txt": "one",
            "pipeline.py": """
from instep import File, step
@step
def a(path=File("data.txt")):
    text = path.read_text()
    path.write_text(text + "+")
    return text
""",
        },
    )
    assert bench.run().document["state"] == "done"
    assert bench.status()["a"]["state"] == "stale"


def test_a_declared_environment_variable_counts(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "pipeline.py": """
import os
from instep import step
@step(env=["MODE"])
def a(): return os.environ.get("MODE")
@step
def b(): return 1
"""
        },
    )
    bench.run(env={"MODE": "x"})
    assert bench.run(env={"MODE": "x", "OTHER": "1"}).ran == set()
    assert kinds(bench, "a", env={"MODE": "y"}) == {"env"}
    assert bench.run(env={"MODE": "y"}).ran == {"a"}


def test_an_environment_variable_that_was_read_counts_without_being_declared(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "pipeline.py": """
import os
from instep import step
@step
def a(): return os.environ.get("TRUTH_MODE", "none")
@step
def b(): return 1
"""
        },
    )
    bench.run(env=dict(os.environ))
    assert bench.run(env=dict(os.environ)).ran == set()
    changed = dict(os.environ) | {"TRUTH_MODE": "y"}
    assert kinds(bench, "a", env=changed) == {"env"}
    assert bench.run(env=changed).ran == {"a"}


def test_an_upgraded_package_runs_who_imports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"

    def install(name: str, version: str) -> None:
        for old in site.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        folder = site / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (folder / "RECORD").write_text(f"{name}.py,,\n")
        (folder / "top_level.txt").write_text(f"{name}\n")
        (site / f"{name}.py").write_text(f"VERSION = {version!r}\n")

    install("truth_used", "1.0")
    install("truth_unused", "1.0")
    monkeypatch.syspath_prepend(str(site))
    bench = Bench(
        tmp_path / "project",
        {
            "pipeline.py": """
from instep import step
import truth_used
@step
def a(): return truth_used.__name__
@step
def b(): return 1
@step(packages="minor")
def c(): return truth_used.__name__
"""
        },
    )
    bench.run()
    install("truth_unused", "2.0")
    assert bench.run().ran == set()
    install("truth_used", "1.0.1")
    assert kinds(bench, "a") == {"package"}
    assert bench.run().ran == {"a"}
    install("truth_used", "1.1")
    assert bench.run().ran == {"a", "c"}


@pytest.mark.parametrize("lost", ["removed", "truncated"])
def test_an_output_that_is_gone_is_made_again(tmp_path: Path, lost: str) -> None:
    bench = Bench(
        tmp_path,
        {
            "pipeline.py": """
from instep import step
@step
def a(): return b'x' * 9000
@step
def b(a): return len(a)
"""
        },
    )
    before = bench.run()
    (path,) = (tmp_path / ".instep" / "objects").glob("*/*.bytes")
    if lost == "removed":
        path.unlink()
        assert kinds(bench, "a") == {"output_missing"}
    else:
        path.write_bytes(b"x")
        from instep.engine.snapshots.verify import verify

        report = verify(tmp_path / ".instep")
        assert report.sound
        assert [one.kind for one in report.problems] == ["damaged"]
    again = bench.run()
    assert again.ran == {"a"}
    assert again.outputs == before.outputs


def test_set_and_variants_are_runs_of_their_own_and_come_back_from_the_store(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "instep.toml": '[project]\nname = "case"\n[variants.big]\nsize = 9\n',
            "pipeline.py": "from instep import step\n@step\ndef a(*, size=1): return size\n@step\ndef b(a): return a\n",
        },
    )
    first = bench.run()
    name, value = parse_set("a.size=5")
    other = bench.run(wishes=Wishes({name: value}))
    assert other.ran == {"a", "b"}
    assert other.outputs != first.outputs
    assert bench.run(wishes=Wishes({}, "big")).ran == {"a", "b"}
    assert bench.run().outputs == first.outputs
    assert bench.run(wishes=Wishes({name: value})).ran == set()


def test_forced_steps_run_and_the_cascade_stops_where_the_output_is_the_same(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, {"pipeline.py": "from instep import step\n@step\ndef a(): return 1\n@step\ndef b(a): return a\n"}
    )
    bench.run()
    assert bench.run(wishes=Wishes({}, forced=frozenset({StepName("a")}))).ran == {"a"}
    assert bench.run(wishes=Wishes({}, fresh_all=True)).ran == {"a", "b"}


def test_sets_dicts_and_shared_objects_have_one_content_in_every_process(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "pipeline.py": """
from instep import step
class Box:
    def __init__(self, **held): self.__dict__.update(held)
@step
def names(): return {"delta", "alpha", "omega", "kappa"}
@step
def nested(): return Box(kinds=frozenset({"x", "y", "z"}), table={name: {name, "q"} for name in ("a", "b")})
@step
def shared():
    inner = [1, 2]
    return Box(one=inner, two=inner)
@step
def same(shared): return shared.one is shared.two
"""
        },
    )
    code = (
        "import sys, json, pathlib; sys.path.insert(0, sys.argv[2]);"
        "from harness import Bench;"
        "bench = Bench(pathlib.Path(sys.argv[1]), {});"
        "from instep.engine.planner import Wishes;"
        "print(json.dumps(dict(bench.run(wishes=Wishes({}, fresh_all=True)).outputs), sort_keys=True))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)],
            env=dict(os.environ) | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for seed in ("1", "2", "3")
    ]
    assert told[0] == told[1] == told[2]
    assert bench.run().outputs == json.loads(told[0])


def test_accepting_an_edit_keeps_the_results(tmp_path: Path) -> None:
    from instep.engine.acceptance import accept

    bench = Bench(
        tmp_path, {"pipeline.py": "from instep import step\n@step\ndef a(): return 1\n@step\ndef b(a): return a\n"}
    )
    bench.run()
    bench.write({"pipeline.py": "from instep import step\n@step\ndef a(): return 2\n@step\ndef b(a): return a\n"})
    assert accept(tmp_path, ["a"], {}) == ["a"]
    assert {one["state"] for one in bench.status().values()} == {"fresh"}
    assert bench.run().ran == set()


def test_a_random_step_gives_the_same_when_it_is_run_again(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "pipeline.py": """
import random
import numpy as np
from instep import step
@step
def a(): return [random.random(), float(np.random.rand())]
@step
def b(): return random.random()
"""
        },
    )
    first = bench.run()
    again = bench.run(wishes=Wishes({}, fresh_all=True))
    assert again.ran == {"a", "b"}
    assert again.outputs == first.outputs


def test_a_syntax_error_keeps_the_last_good_graph_of_a_living_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"pipeline.py": "from instep import step\n@step\ndef a(): return 1\n"})
    session = Session(tmp_path, lambda _, emit: InlineExecutor(emit))
    try:
        session.warm()
        session.run(RunRequest(), lambda _: None, threading.Event())
        bench.write({"pipeline.py": "from instep import step\n@step\ndef a(: return 1\n"})
        document = session.status(RunRequest())
        assert [one["state"] for one in document["steps"]] == ["fresh"]
        assert document["problems"][0]["what"].startswith("syntax error")
        assert document["problems"][0]["place"] == "pipeline.py:3"
    finally:
        session.close()


def test_a_project_that_is_gone_is_said_to_be_gone_as_often_as_one_looks(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "project", {"pipeline.py": READS, "data.txt": "one"})
    with bench.living() as session:
        for name in ("instep.toml", "pipeline.py"):
            (bench.root / name).unlink()
        for _ in range(2):
            with pytest.raises(ProjectError, match=r"no instep\.toml"):
                session.look(RunRequest())
        bench.write({"instep.toml": "", "pipeline.py": READS})
        assert len(session.look(RunRequest())[1].steps) == 2


def test_a_replay_runs_the_snapshot_whatever_the_folder_holds(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"pipeline.py": READS, "data.txt": "one"})
    first = bench.run()
    bench.write({"data.txt": "two", "pipeline.py": READS.replace('"!"', '"?"')})
    bench.run()
    session = bench.session()
    try:
        session.warm()
        document = session.run(RunRequest(replay=first.document["run"]), lambda _: None, threading.Event())
    finally:
        session.close()
    assert "identical" in document["verdict"]
    assert {one["state"] for one in document["steps"]} == {"done"}
    assert bench.run().ran == set(), "a replay changes nothing of the folder's own state"


def test_an_edit_of_code_whose_old_mtime_is_restored_is_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"pipeline.py": "from instep import step\n@step\ndef a(): return 1\n"})
    with bench.living():
        for text in ("2", "3"):
            bench.run()
            path = tmp_path / "pipeline.py"
            before = path.stat()
            path.write_text(path.read_text()[:-2] + text + "\n")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert bench.run().ran == {"a"}


def test_an_environment_variable_read_at_import_counts_for_all_who_import(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        {
            "settings.py": "import os\nMODE = os.environ.get('TRUTH_MODE')\n",
            "steps/one.py": "from instep import step\nfrom settings import MODE\n@step\ndef a(): return MODE\n",
            "steps/two.py": "from instep import step\n@step\ndef b(): return 1\n",
        },
    )
    bench.run()
    changed = dict(os.environ) | {"TRUTH_MODE": "y"}
    assert kinds(bench, "a", env=changed) == {"env"}
    assert bench.run(env=changed).ran == {"a"}


def test_a_link_to_another_file_of_the_same_size_is_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"pipeline.py": READS, "one.txt": "one", "two.txt": "two"})
    (tmp_path / "data.txt").symlink_to("one.txt")
    with bench.living():
        bench.run()
        (tmp_path / "data.txt").unlink()
        (tmp_path / "data.txt").symlink_to("two.txt")
        assert bench.run().ran == {"a", "b"}


def test_a_step_that_failed_runs_again_only_with_what_it_blocked(tmp_path: Path) -> None:
    source = """
from instep import step
@step
def a(): return 1
@step
def b(a): raise ValueError(a)
@step
def c(b): return b
"""
    bench = Bench(tmp_path, {"pipeline.py": source})
    with bench.living():
        assert bench.run().document["state"] == "failed"
        assert {name: one["state"] for name, one in bench.status().items()} == {
            "a": "fresh",
            "b": "failed",
            "c": "pending",
        }
        bench.write({"pipeline.py": source.replace("raise ValueError(a)", "return a")})
        assert bench.run().ran == {"b", "c"}


PARTS = ("LOW", "HIGH", "DEEP", "COMMENT", "PLACE")


def project_of(values: dict[str, int]) -> dict[str, str]:
    """A project of three files and a fan-out, each part of which has one of a few values."""
    below = f"def clamp(x): return min(x, HIGH)\nHIGH = {values['HIGH']}\n"
    above = f"HIGH = {values['HIGH']}\ndef clamp(x): return min(x, HIGH)\n"
    return {
        "lib.py": below if values["PLACE"] % 2 else above,
        "deep.py": f"from lib import clamp\nTABLE = [{values['DEEP']}]\nTABLE.append(clamp({values['DEEP']}))\n",
        "pipeline.py": f"""
from instep import Each, step
import deep
LOW = {values["LOW"]}  # {values["COMMENT"]}
@step
def numbers(): return [LOW, 2, 3]
@step
def each(n=Each("numbers")): return n % 2
@step
def total(each): return sum(each)
@step
def table(): return deep.TABLE
@step
def both(total, table): return [total, *table]
""",
    }


@hypothesis.settings(max_examples=12, database=None, derandomize=True)
@hypothesis.given(st.lists(st.tuples(st.sampled_from(PARTS), st.integers(1, 3)), min_size=2, max_size=6))
def test_any_chain_of_edits_ends_as_if_it_had_been_run_from_scratch(edits: list[tuple[str, int]]) -> None:
    values = dict.fromkeys(PARTS, 1)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(projector, "project", lambda store: None)
        bench = Bench(Path(folder) / "project", project_of(values))
        with bench.living():
            bench.run()
            for part, value in edits:
                before, values[part] = values[part], value
                bench.write(project_of(values))
                ran = bench.run().ran
                assert before != value or not ran
                assert not ran or part not in ("COMMENT", "PLACE")
            last = bench.run()
        scratch = Bench(Path(folder) / "scratch", project_of(values)).run()
    assert last.ran == set()
    assert last.outputs == scratch.outputs
