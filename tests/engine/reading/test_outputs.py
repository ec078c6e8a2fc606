"""What the store has, version by version, what became of a table, and what a person asks of all of it."""

import json
from pathlib import Path

import polars as pl
import pytest
from small_project import project_in, run
from stored import Refused, Shelf

OUTPUTS = """
import numpy as np
from instep import step

class Model:
    def __reduce__(self):
        return (print, ("unpickled",))

@step
def model():
    return Model()

@step
def matrix():
    return np.arange(6).reshape(2, 3)

@step
def settings():
    return {"depth": 3, "names": ("a", "b")}
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    root = project_in(tmp_path_factory.mktemp("project"))
    (root / "steps").mkdir()
    (root / "steps" / "more.py").write_text(OUTPUTS)
    run(root)
    run(root, table__rows=4)
    run(root, table__rows=3)
    return Shelf(root)


def versions(shelf: Shelf, name: str) -> list[dict]:
    return next(one["versions"] for one in shelf.ask("outputs")["outputs"] if one["name"] == name)


def test_versions_are_different_contents_with_the_newest_run_that_has_them(shelf):
    four, three = versions(shelf, "table")
    assert (four["version"], four["run"], four["rows"], four["columns"]) == (2, 2, 4, 2)
    assert (three["version"], three["run"], three["rows"], three["here"]) == (1, 3, 3, True)


def test_steps_are_in_the_order_of_the_graph(shelf):
    steps = [one["step"] for one in shelf.ask("outputs")["outputs"]]
    assert steps.index("table") < steps.index("numbers") < steps.index("square") < steps.index("score")


def test_an_empty_store_has_no_outputs(tmp_path):
    assert Shelf(tmp_path).ask("outputs") == {"outputs": []}
    assert Shelf(tmp_path).ask("names") == {"tables": {}, "words": []}


def test_a_table_is_opened_with_what_was_recorded_of_it(shelf):
    told = shelf.ask("table", content=versions(shelf, "table")[0]["content"])
    assert told["rows"] == 4
    first, second = told["columns"]
    assert (first["name"], first["dtype"], first["nulls"], first["summary"]["max"]) == ("a", "int64", 0, 4)
    assert (second["name"], second["summary"]["distinct"]) == ("b", 4)


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [("model", "object", "Model"), ("matrix", "array", "[[0 1 2]"), ("settings", "value", "depth")],
)
def test_what_is_no_table_is_shown_and_never_unpickled(shelf, name, kind, shown, capsys):
    told = shelf.ask("value", content=versions(shelf, name)[0]["content"])
    assert told["kind"] == kind and shown in told["preview"]
    assert "unpickled" not in capsys.readouterr().out


def test_plain_data_is_shown_in_full_as_it_was(shelf):
    told = shelf.ask("value", content=versions(shelf, "settings")[0]["content"])
    assert told["text"] == "{'depth': 3, 'names': ('a', 'b')}"


def test_a_difference_is_told_from_what_was_recorded(shelf):
    four, three = versions(shelf, "table")
    told = shelf.ask("changes", content=four["content"], previous=three["content"])
    assert told["rows"] == [3, 4] and told["shared"] == 0
    assert [(one["name"], one["state"]) for one in told["columns"]] == [("a", "changed"), ("b", "changed")]
    assert [one["summary"][0]["max"] for one in told["columns"][:1]] == [3]
    same = shelf.ask("changes", content=four["content"], previous=four["content"])
    assert {one["state"] for one in same["columns"]} == {"equal"} and same["shared"] == 1


def test_a_question_is_answered_in_pages(shelf):
    told = shelf.ask("ask", query="select range as n, null as x from range(450);")
    assert (told["columns"], told["total"], told["more"], told["numeric"]) == (["n", "x"], 450, False, [True, False])
    assert shelf.ask("answered", offset=440, count=200)["rows"] == [[str(n), None] for n in range(440, 450)]


def test_a_question_can_name_tables_of_runs(shelf):
    shelf.ask("ask", query="select a.a from run_2.table a anti join latest.table b using (a)")
    assert shelf.ask("answered")["rows"] == [["4"]]


def test_an_answer_of_many_rows_says_that_there_are_more(shelf):
    told = shelf.ask("ask", query="from range(1000000)")
    assert (told["total"], told["more"]) == (10_000, True)


@pytest.mark.parametrize("query", ["", " ; ", "drop table run", "from '/etc/passwd'", "selct 1", "select 1; select 2"])
def test_a_mistaken_question_is_answered_with_a_mend(shelf, query):
    with pytest.raises(Refused) as error:
        shelf.ask("ask", query=query)
    assert error.value.problem["mend"] and "bug" not in error.value.problem["mend"]


def test_a_question_that_never_ends_is_stopped(shelf, monkeypatch):
    monkeypatch.setattr("instep.engine.reading.console.LONGEST", 0.3)
    with pytest.raises(Refused, match=r"longer than 0\.3 seconds"):
        shelf.ask("ask", query="select sum(x * y) from range(10000000) s(x), range(10000000) t(y)")


def test_names_are_those_of_views_and_of_the_tables_of_runs(shelf):
    told = shelf.ask("names")
    assert "number" in told["tables"]["run"] and told["tables"]["latest.table"] == ["a", "b"]
    assert told["tables"]["run_2.table"] == ["a", "b"] and "select" in told["words"]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.json"])
def test_a_table_is_written_as_the_file_says(shelf, name):
    content = versions(shelf, "table")[0]["content"]
    told = shelf.ask("export", content=content, path=name)
    path = shelf.desk.root / name
    assert told == {"path": str(path), "bytes": path.stat().st_size}
    read = {"t.parquet": pl.read_parquet, "t.csv": pl.read_csv, "t.json": pl.read_json}[name](path)
    assert read.rows() == [(1, "x"), (2, "y"), (3, "z"), (4, "w")]


def test_a_file_that_is_there_is_not_overwritten_unasked(shelf):
    path = shelf.desk.root / "mine.json"
    path.write_text("precious")
    content = versions(shelf, "settings")[0]["content"]
    assert shelf.ask("export", content=content, path="mine.json") == {"exists": str(path)}
    assert path.read_text() == "precious"
    shelf.ask("export", content=content, path="mine.json", overwrite=True)
    assert json.loads(path.read_text())["depth"] == 3


@pytest.mark.parametrize("path", ["", "nowhere/t.csv", "t.docx", "steps", "~nobody-at-all/t.csv"])
def test_a_path_that_cannot_be_written_is_said_with_a_mend(shelf, path):
    with pytest.raises(Refused) as error:
        shelf.ask("export", content=versions(shelf, "table")[0]["content"], path=path)
    assert error.value.problem["mend"]


def test_what_was_removed_from_the_store_is_marked(tmp_path: Path):
    root = project_in(tmp_path)
    run(root)
    shelf = Shelf(root)
    content = versions(shelf, "table")[0]["content"]
    shelf.objects.delete(content, "table")
    assert versions(shelf, "table")[0]["here"] is False
    with pytest.raises(Refused, match="not in the store"):
        shelf.ask("table", content=content)
