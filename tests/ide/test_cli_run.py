"""The main job through the real command line on a real Ray: run, look, fail, cancel, die, replay."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_project import Project, environment

pytestmark = pytest.mark.ray

CONFIG = '[project]\nname = "case"\n'
PIPELINE = '''
import logging, os, signal, sys, time, warnings
import polars as pl
from instep import Each, File, log, progress, step
from helpers import scale


@step
def numbers(csv=File("data/numbers.csv")):
    """Reads a file."""
    print("reading", csv.name)
    return pl.read_csv(csv)


@step(outputs=["train", "test"])
def split(numbers, *, share=0.5):
    cut = int(len(numbers) * share)
    return numbers[:cut], numbers[cut:]


@step
def model(train, *, rate=0.1, seed=0):
    logging.getLogger("fit").warning("a warning of logging")
    warnings.warn("a warning of warnings")
    for epoch in progress(range(3)):
        log(loss=1 / (epoch + 1), epoch=epoch)
    return {"weight": scale(float(train["x"].mean()), rate), "seed": seed}


@step
def score(model, test):
    return {"error": abs(model["weight"] - float(test["x"].mean()))}


@step
def shops():
    return ["north", "south", "east"]


@step
def sales(shop=Each("shops"), *, factor=2):
    return shop.upper() * factor
'''
HELPERS = "def scale(x, rate):\n    return x * rate\n"


def pipeline(shared) -> Project:
    return shared(
        "main",
        {
            "instep.toml": CONFIG + "[params]\nseed = 7\n",
            "pipeline.py": PIPELINE,
            "helpers.py": HELPERS,
            "data/numbers.csv": "x\n" + "\n".join(map(str, range(10))) + "\n",
        },
    )


def states(document: dict) -> dict[str, str]:
    return {one["name"]: one["state"] for one in document["steps"]}


def test_run_edit_run_and_look(shared) -> None:
    project = pipeline(shared)
    first = project("run", "--json")
    assert first.code == 0, first.err
    assert set(states(first.document).values()) == {"done"}
    assert first.document["metrics"]["score.error"] == pytest.approx(6.8)
    assert first.document["metrics"]["model.loss"] == pytest.approx(1 / 3)

    again = project("run")
    assert again.code == 0
    assert "nothing to run" in again.out

    project.write("helpers.py", HELPERS.replace("x * rate", "x * rate + 1"))
    told = project("status", "--json").document
    assert {one["name"]: one["state"] for one in told["steps"]} | {"model": "stale", "score": "pending"} == {
        one["name"]: one["state"] for one in told["steps"]
    }
    (reason,) = next(one for one in told["steps"] if one["name"] == "model")["reasons"]
    assert (reason["kind"], reason["subject"], reason["place"]) == ("helper", "scale", "helpers.py:2")
    assert (reason["before"], reason["after"]) == ("return x * rate", "return x * rate + 1")
    second = project("run", "--json").document
    assert {name for name, state in states(second).items() if state == "done"} == {"model", "score"}

    project.write("helpers.py", HELPERS)
    third = project("run", "--json").document
    assert set(states(third).values()) == {"reused"}
    assert third["metrics"]["score.error"] == pytest.approx(6.8)


def test_what_was_recorded_can_be_looked_at(shared) -> None:
    project = pipeline(shared)
    runs = project("runs", "--json").document["runs"]
    assert [one["run"] for one in runs] == [3, 2, 1]
    assert runs[0]["metrics"]["score.error"] == pytest.approx(6.8)
    assert "helper scale" in runs[1]["changed"][0]
    shown = project("show", "1", "--json").document
    assert shown["snapshot"]["params"]["model"] == {"rate": 0.1, "seed": 7}
    assert "polars" in shown["snapshot"]["environment"]["packages"]
    assert set(shown["snapshot"]["code"]) == {"pipeline.py", "helpers.py"}
    assert set(shown["snapshot"]["files"]) == {"data/numbers.csv"}
    assert {"numbers", "train", "test", "model", "score", "shops", "sales"} == {one["name"] for one in shown["outputs"]}
    step = project("show", "1/model", "--json").document
    assert step["metrics"]["loss"] if "loss" in step["metrics"] else step["metrics"]["model.loss"]
    groups = project("show", "1/sales").out
    assert re.search(r"^north +━+ +1/1$", groups, re.MULTILINE), groups
    log = project("log", "1", "--json").document["lines"]
    texts = {one["text"] for one in log}
    assert "reading numbers.csv" in texts
    assert any("a warning of logging" in text for text in texts)
    assert any("a warning of warnings" in text for text in texts)
    for words in (
        ["runs"],
        ["show", "1"],
        ["show", "1/score"],
        ["why", "2"],
        ["why", "score"],
        ["log", "1"],
        ["out", "1/score"],
    ):
        told = project(*words)
        assert told.code == 0, told.err
        assert told.out


def test_sql_reads_what_was_recorded_and_nothing_else(shared, tmp_path: Path) -> None:
    project = pipeline(shared)
    told = project("sql", "--json", "from run_1.train select count(*), sum(x)")
    assert told.document["rows"] == [[5, 10]]
    assert project("sql", "from step_run").code == 0
    for query, words in {
        "selec 1": "syntax error",
        "from nope": "does not exist",
        "from read_csv('/etc/passwd')": "nothing else",
        "drop table run": "only read",
        f"copy (select 1) to '{tmp_path}/x.csv'": "only read",
        "from run_99.train": "",
    }.items():
        told = project("sql", query)
        assert told.code == 2, query
        assert words in told.err
    assert not (tmp_path / "x.csv").exists()


def test_outputs_as_files(shared, tmp_path: Path) -> None:
    project = pipeline(shared)
    for name, ending in [("train", "parquet"), ("train", "csv"), ("score", "json"), ("sales", "json")]:
        told = project("out", f"1/{name}", str(tmp_path / f"{name}.{ending}"))
        assert told.code == 0, told.err
        assert (tmp_path / f"{name}.{ending}").stat().st_size > 0
    assert json.loads((tmp_path / "sales.json").read_text()) == ["NORTHNORTH", "SOUTHSOUTH", "EASTEAST"]
    told = project("out", "1/train", str(tmp_path / "x.png"))
    assert told.code == 2
    assert ".parquet" in told.err
    assert project("out", "1/trian").code == 2


def test_a_notebook_reads_the_same(shared) -> None:
    from instep import open_project

    project = pipeline(shared)
    opened = open_project(project.root)
    assert opened.runs()["run"].to_list()[-1] == 1
    assert opened.run(1)["train"]["x"].to_list() == [0, 1, 2, 3, 4]
    assert opened.run(1).params["model"]["rate"] == 0.1
    assert opened.sql("from run_1.test select sum(x) as total")["total"].to_list() == [35]


def test_a_replay_says_that_every_output_is_identical(shared) -> None:
    project = pipeline(shared)
    project.write("data/numbers.csv", "x\n5\n6\n")
    told = project("run", "--replay", "1", "--json")
    assert told.code == 0
    assert "identical" in told.document["verdict"]
    assert "done" in states(told.document).values()
    told = project("run", "--replay", "99")
    assert told.code == 2
    project.write("data/numbers.csv", "x\n" + "\n".join(map(str, range(10))) + "\n")
    assert project("run").code == 0


def test_steps_set_fresh_and_note(shared) -> None:
    project = pipeline(shared)
    told = project("run", "model", "--set", "model.rate=0.2", "--note", "twice the rate", "--json")
    assert {name for name, state in states(told.document).items() if state == "done"} == {"model"}
    assert "score" not in states(told.document)
    assert project("runs", "--json", "--limit", "1").document["runs"][0]["note"] == "twice the rate"
    told = project("run", "shops", "--fresh", "shops", "--json")
    assert states(told.document) == {"shops": "done"}
    assert project("run", "--fresh", "nope").code == 2


def test_a_file_that_is_not_there_is_a_mistake_of_the_project_and_comes_back(shared) -> None:
    project = pipeline(shared)
    data = project.root / "data" / "numbers.csv"
    before = data.rename(data.with_suffix(".away"))
    told = project("run", "--json")
    assert told.code == 2
    found = next(one for one in told.document["steps"] if one["name"] == "numbers")
    assert found["error"]["kind"] == "input"
    assert found["error"]["frames"][-1]["source"].strip().startswith("def numbers(")
    assert {one["state"] for one in told.document["steps"] if one["name"] in ("split", "model", "score")} == {"blocked"}
    before.rename(data)
    assert project("run").code == 0
    assert "nothing to run" in project("run").out


def test_two_runs_at_once_come_one_after_the_other(shared) -> None:
    project = pipeline(shared)
    asked = [
        subprocess.Popen(
            project.command("run", "--set", f"split.share=0.{n}"), stdout=subprocess.PIPE, env=environment()
        )
        for n in (2, 3, 4)
    ]
    assert [one.wait(60) for one in asked] == [0, 0, 0]
    for one in asked:
        assert one.stdout is not None
        one.stdout.close()
    assert project("verify", "--json").document["sound"]


FAILING = """
import ctypes, os, signal, sys, threading, time
from instep import Each, step

@step
def fine(): return 1

@step
def raises(fine):
    values = {"a": fine}
    return values["b"]

@step
def after(raises): return 1

@step
def beside(fine): return fine + 1

@step
def unpicklable():
    class Holder: pass
    holder = Holder()
    holder.lock = threading.Lock()
    return holder

@step(outputs=["x", "y"])
def too_few(): return 1

@step
def exits(): sys.exit(3)

@step
def leaves(): os._exit(4)

@step
def dies(): os.kill(os.getpid(), signal.SIGSEGV)

@step(timeout="1s")
def endless():
    while True: pass

@step
def generator():
    yield 1

@step(retries=2)
def flaky():
    from pathlib import Path
    seen = Path(__file__).with_name("tries")
    tries = len(seen.read_text()) if seen.exists() else 0
    seen.write_text("x" * (tries + 1))
    if tries < 2:
        raise OSError("not yet")
    return tries

@step
def items(): return [1, 0, 2]

@step
def each(n=Each("items")): return 10 // n

@step
def gathered(each): return each

@step(isolate=True)
def alone(): return os.getpid()

@step(gpus=4)
def too_big(): return 1
"""


def test_a_failure_is_told_with_the_users_own_line_and_blocks_only_what_needs_it(shared) -> None:
    project = shared("failing", {"instep.toml": CONFIG, "pipeline.py": FAILING})
    told = project("run", "--json", timeout=150)
    assert told.code == 1, told.err
    ended = states(told.document)
    errors = {one["name"]: one["error"] for one in told.document["steps"] if one["error"]}
    assert {name for name, state in ended.items() if state == "done"} == {"fine", "beside", "flaky", "items", "alone"}
    assert {name for name, state in ended.items() if state == "blocked"} == {"after", "gathered"}
    for name, words in {
        "raises": "KeyError: 'b'",
        "unpicklable": "lock",
        "too_few": "for 2 outputs",
        "exits": "sys.exit",
        "leaves": "_exit",
        "dies": "SIGSEGV",
        "endless": "1 s",
        "generator": "generator",
        "each": "item 1 (n=0): ZeroDivisionError",
        "too_big": "gpu",
    }.items():
        text = json.dumps(errors[name])
        assert words.lower() in text.lower(), (name, errors[name]["title"])
    frame = errors["raises"]["frames"][-1]
    assert (frame["path"], frame["source"].strip()) == ("pipeline.py", 'return values["b"]')
    assert errors["raises"]["arguments"] == {"fine": "1"}
    assert errors["too_few"]["mend"]


def test_a_step_that_failed_is_shown_as_failed_and_runs_again(shared) -> None:
    project = shared("failing", {})
    told = {one["name"]: one for one in project("status", "--json").document["steps"]}
    assert told["raises"]["state"] == "failed"
    assert told["fine"]["state"] == "fresh"
    project.write("pipeline.py", FAILING.replace('values["b"]', 'values["a"]').replace("10 // n", "10 // (n or 1)"))
    document = project("run", "after", "gathered", "--json").document
    assert states(document)["after"] == "done"
    each = next(one for one in document["steps"] if one["name"] == "each")
    assert sum(each["item"].values()) == 3


SLOW = """
import time
from instep import step
@step
def quick(): return 1
@step
def slow(quick):
    print("sleeping", flush=True)
    time.sleep({seconds})
    return 2
@step
def last(slow): return slow
"""


def wait_for(project: Project, words: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if words in "".join(path.read_text() for path in (project.root / ".instep" / "runs").glob("*/*.jsonl")):
            return
        assert process.poll() is None
        time.sleep(0.05)
    raise AssertionError(f"{words!r} did not come")


def test_ctrl_c_cancels_the_run_and_not_the_engine(shared) -> None:
    project = shared("slow", {"instep.toml": CONFIG, "pipeline.py": SLOW.format(seconds=60)})
    asked = subprocess.Popen(
        project.command("run"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )
    wait_for(project, "sleeping", asked)
    asked.send_signal(signal.SIGINT)
    out, err = asked.communicate(timeout=30)
    assert asked.returncode == 130, out + err
    (run,) = project("runs", "--json").document["runs"]
    assert run["state"] == "cancelled"
    assert project("status", "--json").document["steps"][0]["state"] == "fresh"
    project.write("pipeline.py", SLOW.format(seconds=0))
    began = time.monotonic()
    assert project("run").code == 0
    assert time.monotonic() - began < 30


def test_an_engine_that_is_killed_is_replaced_and_what_had_finished_is_kept(shared) -> None:
    project = shared("slow", {})
    project.write("pipeline.py", SLOW.format(seconds=50).replace("def quick(): return 1", "def quick(): return 11"))
    for old in (project.root / ".instep" / "runs").glob("*/*.jsonl"):
        old.unlink()
    asked = subprocess.Popen(
        project.command("run"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )
    wait_for(project, "sleeping", asked)
    os.kill(engine_pid(project), signal.SIGKILL)
    _, err = asked.communicate(timeout=60)
    assert asked.returncode == 2
    assert "the engine died" in err
    project.write("pipeline.py", SLOW.format(seconds=0).replace("def quick(): return 1", "def quick(): return 11"))
    told = project("run", "--json")
    assert told.code == 0
    assert states(told.document)["quick"] == "reused"
    assert [one["state"] for one in project("runs", "--json", "--limit", "2").document["runs"]] == [
        "done",
        "interrupted",
    ]
    assert project("verify", "--json").document["sound"]


def engine_pid(project: Project) -> int:
    import sqlite3

    with sqlite3.connect(project.root / ".instep" / "journal.sqlite") as db:
        return db.execute("select pid from lease where name='engine'").fetchone()[0]


def test_watch_runs_on_save(shared) -> None:
    project = shared("slow", {})
    project.write("pipeline.py", SLOW.format(seconds=0))
    assert project("run").code == 0
    watching = subprocess.Popen(
        project.command("watch"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(), text=True
    )
    try:
        assert watching.stdout is not None
        assert "watching" in watching.stdout.readline()
        project.write("pipeline.py", SLOW.format(seconds=0).replace("return 2", "return 3"))
        deadline = time.monotonic() + 30
        while (
            project("sql", "--json", "select state from run order by number desc limit 1").document["rows"]
            != [["done"]]
            or project("status", "--json").document["steps"][1]["state"] != "fresh"
        ):
            assert time.monotonic() < deadline
    finally:
        watching.send_signal(signal.SIGINT)
        out, _ = watching.communicate(timeout=20)
    assert re.search(r"slow\s+done", out)


def test_the_socket_is_the_owners_alone_and_stop_leaves_no_process(shared) -> None:
    project = shared("slow", {})
    assert project("run").code == 0
    pid = engine_pid(project)
    assert (project.root / ".instep").stat().st_mode & 0o077 == 0
    assert (project.root / ".instep" / "engine.sock").stat().st_mode & 0o077 == 0
    told = project("stop")
    assert told.code == 0
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(project.root) not in left
    assert project("stop").code == 0


def test_a_run_with_nothing_to_do_says_so_and_starts_no_engine_for_that(shared) -> None:
    project = shared("slow", {})
    for words in (["run"], ["run", "--note", "again"]):
        told = project(*words)
        assert (told.code, told.err) == (0, "") and "nothing to run" in told.out
    assert "no engine is running" in project("stop").out
    told = project("run", "slow")
    assert (told.code, told.err) == (0, "") and "nothing to run" in told.out
    assert "has ended" in project("stop").out
