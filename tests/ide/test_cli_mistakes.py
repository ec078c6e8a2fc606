"""A mistake in the command or the project: one clear message with place and mend, exit code 2, nothing lost.

None of these gets as far as running a step, so no Ray is started.
"""

import os
import sqlite3
from pathlib import Path

import pytest

CONFIG = '[project]\nname = "case"\n'
GOOD = "from instep import step\n@step\ndef a(): return 1\n"


def write(project, pipeline: str, config: str = CONFIG) -> None:
    project.write("instep.toml", config)
    project.write("pipeline.py", pipeline)


@pytest.mark.parametrize("command", ["status", "run", "runs", "verify", "watch"])
def test_a_folder_without_a_project(project, command: str) -> None:
    told = project(command)
    assert told.code == 2
    assert "no instep project" in told.err
    assert "instep init" in told.err
    assert told.out == ""


def test_a_folder_that_is_not_there(project) -> None:
    project.root.rmdir()
    told = project("status")
    assert told.code == 2
    assert "there is no folder" in told.err


def test_broken_toml(project) -> None:
    write(project, GOOD, '[project]\nname = "case\n')
    told = project("run")
    assert told.code == 2
    assert "instep.toml:2" in told.err
    assert "not valid TOML" in told.err


def test_an_unknown_key_is_told_with_the_nearest_real_one(project) -> None:
    write(project, GOOD, '[project]\nname = "case"\nstep = ["x.py"]\n')
    told = project("run")
    assert told.code == 2
    assert "unknown key `step`" in told.err
    assert "did you mean `steps`?" in told.err.lower()


def test_no_steps(project) -> None:
    write(project, "def a(): return 1\n")
    told = project("run")
    assert told.code == 2
    assert "no steps in pipeline.py" in told.err
    assert "@step" in told.err


def test_no_step_files(project) -> None:
    project.write("instep.toml", CONFIG)
    told = project("run")
    assert told.code == 2
    assert "no step files" in told.err


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        (
            "@step\ndef featuers(): return 1\n@step\ndef b(features): return 1\n",
            "pipeline.py:5",
            "did you mean `featuers`?",
        ),
        ("@step\ndef a(b): return 1\n@step\ndef b(a): return 1\n", "pipeline.py:", "a → b → a"),
        ("@step\ndef a(*, rate): return 1\n", "pipeline.py:3", "has no default"),
        ("@step\ndef a(rate=1): return 1\n", "pipeline.py:3", "Put `*,` before `rate`"),
        ("@step\ndef a(: return 1\n", "pipeline.py:3", "syntax error"),
        ("@step(gpu=1)\ndef a(): return 1\n", "pipeline.py:2", "did you mean `gpus`?"),
        ('@step(timeout="soon")\ndef a(): return 1\n', "pipeline.py:2", "90s"),
        (
            '@step(outputs=["x", "y"])\ndef a(): return 1, 2\n@step\ndef b(a): return a\n',
            "pipeline.py:5",
            "several outputs",
        ),
        ("@step\ndef a(*rest): return 1\n", "pipeline.py:3", "takes `*rest`"),
        ('@step(deps=["nothing.here"])\ndef a(): return 1\n', "pipeline.py:3", "no definition or module"),
    ],
)
def test_a_mistake_in_a_step_is_told_with_its_place(project, source: str, place: str, words: str) -> None:
    write(project, "from instep import step\n" + source)
    told = project("status")
    text = told.err + told.out
    assert place in text
    assert words.lower() in text.lower()


def test_two_steps_of_one_name(project) -> None:
    project.write("instep.toml", CONFIG)
    project.write("steps/one.py", GOOD)
    project.write("steps/two.py", GOOD)
    told = project("status")
    assert "two steps are called `a`" in told.err + told.out
    assert "steps/one.py:3" in told.err + told.out


def test_all_mistakes_are_told_at_once_and_the_rest_works(project) -> None:
    write(
        project,
        GOOD + "@step\ndef b(nope): return 1\n@step\ndef c(*, rate): return 1\n",
    )
    told = project("status", "--json")
    assert [one["name"] for one in told.document["steps"]] == ["a"]
    assert len(told.document["problems"]) == 2


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("a.rate=fast", "its default 0.1 is a float"),
        ("a.rat=1", "did you mean `rate`?"),
        ("b.rate=1", "no step `b`"),
        ("rate", "NAME=VALUE"),
    ],
)
def test_a_wrong_set(project, setting: str, words: str) -> None:
    write(project, "from instep import step\n@step\ndef a(*, rate=0.1): return rate\n")
    told = project("run", "--set", setting)
    assert told.code == 2
    assert words in told.err.replace("Did", "did")


def test_a_param_of_the_wrong_type_in_the_configuration(project) -> None:
    write(
        project, "from instep import step\n@step\ndef a(*, rate=0.1): return rate\n", CONFIG + '[params]\nrate = "x"\n'
    )
    told = project("status")
    assert told.code == 2
    assert "`a.rate` is 'x'" in told.err


@pytest.mark.parametrize("pattern", ["data/none.csv", "data/*.csv"])
def test_a_missing_input_file_or_a_glob_without_a_match(project, pattern: str) -> None:
    write(project, f'from instep import File, step\n@step\ndef a(csv=File("{pattern}")): return 1\n')
    told = project("status", "--json")
    assert [one["state"] for one in told.document["steps"]] == ["failed"]
    assert pattern in told.document["problems"][0]["what"]
    assert told.document["problems"][0]["place"] == "pipeline.py:3"


def test_an_unknown_step(project) -> None:
    write(project, GOOD)
    told = project("run", "aa")
    assert told.code == 2
    assert "no step `aa`" in told.err


def test_an_unknown_run(project) -> None:
    write(project, GOOD)
    for words in (["show", "7"], ["log", "7"], ["out", "7/a"], ["why", "7"], ["show", "latest"]):
        told = project(*words)
        assert told.code == 2, words
        assert "run" in told.err


def test_bad_sql_before_anything_was_recorded(project) -> None:
    write(project, GOOD)
    told = project("sql", "from run")
    assert told.code == 2
    assert "instep run" in told.err


def test_a_store_of_a_newer_version(project) -> None:
    write(project, GOOD)
    assert project("status").code == 0
    store = project.root / ".instep" / "journal.sqlite"
    with sqlite3.connect(store) as db:
        db.execute("pragma user_version = 99")
    told = project("status")
    assert told.code == 2
    assert "written by a newer instep" in told.err
    assert "Upgrade instep" in told.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(project) -> None:
    write(project, GOOD)
    project.root.chmod(0o500)
    try:
        told = project("run")
    finally:
        project.root.chmod(0o700)
    assert told.code == 2
    assert "writable" in told.err


def test_a_store_that_cannot_be_made(project) -> None:
    """What root meets too: something is in the way of the store."""
    write(project, GOOD)
    (project.root / ".instep").write_text("in the way")
    told = project("run")
    assert told.code == 2
    assert ".instep" in told.err


def test_an_unknown_command_and_an_unknown_example(project, tmp_path: Path) -> None:
    assert project("rum").code == 2
    told = project("demo", "flight")
    assert told.code == 2
    assert "did you mean `flights`?" in told.err.lower()


def test_every_command_explains_itself(project) -> None:
    listed = project("-h").out
    for command in [
        "init",
        "demo",
        "status",
        "run",
        "runs",
        "show",
        "why",
        "log",
        "out",
        "sql",
        "watch",
        "verify",
        "gc",
        "stop",
        "accept",
    ]:
        assert command in listed
        told = project(command, "-h")
        assert told.code == 0
        assert len(told.out) > 100


def test_init_makes_a_project_that_has_steps(project) -> None:
    told = project("init")
    assert told.code == 0
    assert {one["name"] for one in project("status", "--json").document["steps"]} == {"numbers", "squares", "summary"}
    assert project("init").code == 2


def test_status_and_verify_need_no_engine_and_leave_none(project) -> None:
    write(project, GOOD)
    assert project("status").code == 0
    assert project("verify", "--json").document == {"sound": True, "problems": []}
    assert not (project.root / ".instep" / "engine.sock").exists()
