"""`instep compare` through the real command line, on runs that were made in this process."""

import sys
from pathlib import Path

import pytest
from cli_project import Project

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "compare"))

from lab import Lab

PIPELINE = """
import polars as pl
from instep import File, step
from helpers import scale

@step
def table(csv=File("data.csv"), *, rows: int = 3):
    print("reading \\x1b[31mred")
    return pl.read_csv(csv).head(rows)

@step
def model(table, *, rate: float = 0.1, seed: int = 0):
    return {"weight": scale(table["a"].sum(), rate) + seed}

@step
def score(model):
    return {"rmse": model["weight"]}
"""
KINDS = {"param", "code", "file", "package", "python", "hardware", "target", "step", "metric", "table", "array"}
KINDS |= {"value", "log"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Run 2 has another rate, run 3 another helper and other data, run 4 fails."""
    files = {"helpers.py": "def scale(x, rate):\n    return x * rate\n", "data.csv": "a,b\n1,x\n2,y\n3,z\n4,w\n"}
    lab = Lab(tmp_path_factory.mktemp("compare") / "project", PIPELINE, **files)
    lab.run()
    lab.run(model__rate=0.5)
    lab.edit("helpers.py", "x * rate", "x * rate + 1  # \x1b[31m")
    lab.write("data.csv", "a,b,c\n1,x,1\n2,y,2\n9,z,3\n4,w,4\n")
    lab.run()
    lab.edit("helpers.py", "return x", "raise ValueError('no')\n    return x")
    lab.run()
    return Project(lab.root)


def test_two_runs_for_people(project):
    told = project("compare", "1", "3")
    assert told.code == 0, told.err
    assert "what determined them" in told.out and "scale()" in told.out
    assert "+    return x * rate + 1" in told.out
    assert "~ b=z  a 3 → 9" in told.out
    assert told.out.index("what determined them") < told.out.index("what came out")
    assert "\x1b" not in told.out


def test_two_runs_for_programs(project):
    document = project("compare", "1", "3", "--json").document
    assert (document["a"], document["b"]) == (1, 3)
    assert set(document["equal"]) == KINDS
    kinds = [one["kind"] for one in document["differences"]]
    assert kinds == sorted(kinds, key=list(document["equal"]).index)
    table = next(one for one in document["differences"] if one["kind"] == "table")
    assert table["detail"]["data"]["key"] == ["b"]
    assert table["detail"]["data"]["changed"] == 1


def test_the_working_tree_a_key_and_a_step(project):
    document = project("compare", "1", "now", "--step", "table", "--key", "a", "--json").document
    assert document["b"] == "now"
    assert {one["kind"] for one in document["differences"]} == {"file", "table"}
    assert document["differences"][1]["detail"]["data"]["key_source"] == "given"


def test_a_step_alone_comes_with_the_drift_of_its_columns(project, tmp_path):
    document = project("compare", "1", "3", "--step", "table", "--json").document
    (table,) = [one for one in document["differences"] if one["kind"] == "table"]
    (drift,) = table["detail"]["data"]["drift"]
    assert (drift["column"], drift["quantiles"][1][2], drift["shift"]) == ("a", 2.0, "none")
    source = "import polars as pl\nfrom instep import step\n\n@step\ndef t(*, low: int = 0):\n"
    lab = Lab(tmp_path, source + "    return pl.DataFrame({'x': range(low, low + 100)})\n")
    lab.run()
    lab.run(t__low=50)
    told = Project(lab.root)("compare", "1", "2", "--step", "t").out
    assert "drifted: PSI" in told and "(large), median 49.5 → 99.5" in told


def test_all_lists_what_is_equal(project):
    told = project("compare", "1", "2", "--all")
    assert "param    table.rows  3" in told.out
    assert "value    model" in told.out


def test_more_than_two_runs_are_a_table(project, tmp_path):
    told = project("compare", "1", "2", "3", "--csv", str(tmp_path / "x.csv"))
    assert told.code == 0, told.err
    assert "run 1" in told.out and "★" in told.out
    assert (tmp_path / "x.csv").read_text().startswith("kind,subject,run 1,run 2,run 3\n")
    document = project("compare", "1", "2", "3", "--json").document
    assert document["runs"] == [1, 2, 3]
    assert {"kind": "param", "subject": "model.rate", "values": [0.1, 0.5, 0.1], "best": []} in document["rows"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["1"], "one run is no comparison"),
        (["1", "2", "--ui"], "`--ui` needs a terminal"),
        (["1", "99"], "there is no run 99"),
        (["1", "1"], "not compared with itself"),
        (["1", "2", "--step", "tabel"], "`table`"),
        (["1", "3", "--key", "nope"], "no table that differs"),
        (["1", "2", "3", "--key", "a"], "are for two runs"),
    ],
)
def test_mistakes_end_with_2_and_say_what_to_do(project, words, hint):
    told = project("compare", *words)
    assert told.code == 2 and hint in told.err and told.out == ""


def test_a_failure_is_told_with_what_changed_since_it_went_well(project):
    told = project("why", "4")
    assert told.code == 0, told.err
    assert "first to fail: model" in told.out
    assert "model last ended well in run 3" in told.out
    assert "scale()" in told.out and "it failed in here" in told.out
    document = project("why", "latest", "--json").document
    assert document["failed"]["name"] == "model"
    assert document["since"]["last_good"] == 3
    (cause,) = document["since"]["causes"]
    assert (cause["subject"], cause["at_failure"], cause["distance"]) == ("helpers:scale", True, 0)


def test_a_metric_is_told_with_its_chain_and_causes(project):
    told = project("why", "3", "--than", "1", "--metric", "score.rmse")
    assert told.code == 0, told.err
    assert told.out.index("score  differs") < told.out.index("model  differs") < told.out.index("table  differs")
    assert "[table → model → score]" in told.out
    document = project("why", "3", "--than", "1", "--metric", "score.rmse", "--json").document
    assert [one["step"] for one in document["chain"]] == ["score", "model", "table"]
    assert [one["subject"] for one in document["causes"]] == ["helpers:scale", "data.csv"]


def test_why_a_step_or_a_good_run_is_as_it_was(project):
    assert "table is fresh" in project("why", "table").out
    assert project("why", "1", "--json").document["since"] is None
    assert project("why", "1", "--metric", "score.rmse").code == 2
    assert "no metric" in project("why", "3", "--than", "1", "--metric", "score.rms").err


def test_the_price_comes_first_and_nothing_runs_unasked(project):
    told = project("why", "3", "--than", "1", "--metric", "score.rmse", "--attribute")
    assert told.code == 0, told.err
    assert "2 hybrids, at most 4 step runs" in told.out and "add `--yes`" in told.err
    assert "what moved" not in told.out
    document = project("why", "3", "--than", "1", "--attribute", "--metric", "score.rmse", "--json").document
    assert {one["name"] for one in document["factors"]} == {"code of model", "data.csv"}
    assert document["price"]["hybrids"] == 2


def test_what_each_change_contributed(project):
    """Before: 6 · 0.1. The helper alone adds 1, the data alone (12 − 6) · 0.1."""
    words = ["why", "3", "--than", "1", "--metric", "score.rmse", "--attribute"]
    told = project(*words, "--yes")
    assert told.code == 0, told.err
    assert "what moved score.rmse: 0.6 → 2.2, +1.6" in told.out
    document = project(*words, "--json").document  # now it costs nothing, and nobody has to be asked
    contributions = {one["factor"]["name"]: one["value"] for one in document["contributions"]}
    assert contributions == pytest.approx({"code of model": 1.0, "data.csv": 0.6})
    assert document["method"] == "exact" and document["price"]["step_runs"] == 0
    assert "6" not in project("runs").out.split() and project("compare", "latest", "4").code == 2


def test_bisect_names_the_run_and_the_change(project):
    assert "run 1 is not bad" in project("bisect", "--good", "3", "--bad", "1", "--metric", "score.rmse > 0").err
    told = project("bisect", "--good", "1", "--bad", "2", "--metric", "score.rmse < 2")
    assert told.code == 0, told.err
    assert "run 2 made the difference" in told.out and "model.rate" in told.out
    document = project("bisect", "--good", "3", "--bad", "4", "--fails", "--json").document
    assert (document["last_good"], document["first_bad"]) == (3, 4)
    assert [one["name"] for one in document["guilty"]] == ["code of model"]
    assert project("bisect", "--good", "1", "--bad", "2").code == 2


DOCUMENTS = [
    ["compare", "1", "3", "--all"],
    ["compare", "3", "4"],
    ["compare", "1", "now"],
    ["compare", "1", "2", "3"],
    ["why", "4"],
    ["why", "3", "--than", "1", "--metric", "score.rmse"],
    ["why", "3", "--than", "1", "--metric", "score.rmse", "--attribute", "--yes"],
    ["bisect", "--good", "1", "--bad", "2", "--metric", "score.rmse < 2"],
]
ERROR = {"title", "message", "frames", "traceback", "path", "line", "function", "source", "arguments", "locals"}
"""Keys of a step's error, as `instep show` prints it."""
OPEN = {"params", "equal", "retyped", "cells", "steps", "arguments", "locals"}
"""Keys whose values have keys of the user's own."""


def keys(value):
    if isinstance(value, list):
        return {name for one in value for name in keys(one)}
    if not isinstance(value, dict):
        return set()
    return set(value) | {name for key, one in value.items() if key not in OPEN for name in keys(one)}


@pytest.mark.parametrize("words", DOCUMENTS, ids=[" ".join(one[:4]) for one in DOCUMENTS])
def test_every_key_that_is_printed_is_documented(project, words):
    told = project(*words, "--json")
    assert told.code == 0, told.err
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    documented = set(text.replace('"', "`").split("`"))
    assert keys(told.document) - documented - ERROR == set()
