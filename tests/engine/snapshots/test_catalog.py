"""What was recorded is told as the documents say, also while somebody else has the catalog."""

import json
from pathlib import Path

import pytest
from small_project import PIPELINE, project_in, run

from instep.engine.errors import StoreBusy, UsageError
from instep.engine.snapshots.catalog import Catalog
from instep.engine.snapshots.duck import FILE
from instep.engine.snapshots.gate import hold
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.records import RunNoted


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run 1 as it is, run 2 with another weight, run 3 fails."""
    root = project_in(tmp_path_factory.mktemp("project"))
    run(root)
    run(root, score__weight=2.0)
    (root / "pipeline.py").write_text(PIPELINE + "\n@step\ndef bad(score):\n    raise ValueError('no')\n")
    run(root)
    return root


@pytest.fixture
def catalog(root):
    return Catalog(root / ".instep")


def test_the_document_of_a_run_is_what_the_run_said_of_itself(tmp_path):
    said = run(project_in(tmp_path))
    told = Catalog(tmp_path / ".instep").show(1)
    for key in ("run", "id", "state", "target", "metrics", "verdict"):
        assert told[key] == said[key], key
    for mine, theirs in zip(told["steps"], said["steps"], strict=True):
        assert {**mine, "seconds": None} == {**theirs, "seconds": None}


def test_runs_are_told_newest_first_with_what_changed(catalog):
    runs = catalog.runs()
    assert [(one["run"], one["state"]) for one in runs] == [(3, "failed"), (2, "done"), (1, "done")]
    assert runs[1]["metrics"] == {"score.count": 3.0, "score.loss": pytest.approx(1 / 3), "score.sum": 28.0}
    assert runs[1]["changed"] == ["param weight: 1.0 → 2.0"]
    assert runs[1]["params"]["score.weight"] == 2.0
    assert [one["run"] for one in catalog.runs(limit=1)] == [3]
    json.dumps(runs)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("state = 'failed'", [3]),
        ("score.sum > 20", [2]),
        ('"score.sum" < 20 -- that is all', [3, 1]),
        ("score.weight = 2", [2]),
        ("note = 'score.sum'", []),
        ("number in (1, 2) and table.rows = 3", [2, 1]),
    ],
)
def test_conditions_know_metrics_and_params(catalog, where, wanted):
    assert [one["run"] for one in catalog.runs(where)] == wanted


@pytest.mark.parametrize("where", ["nope = 1", "1=1; drop table run", "true) union (select 1", "x = read_text('x')"])
def test_a_bad_condition_is_a_mistake_of_the_user(catalog, where):
    with pytest.raises(UsageError):
        catalog.runs(where)


def test_a_snapshot_says_what_determined_the_run(catalog):
    snapshot = catalog.show(2)["snapshot"]
    assert snapshot["params"]["score"] == {"weight": 2.0}
    assert list(snapshot["code"]) == ["pipeline.py"] and list(snapshot["files"]) == ["data.csv"]
    assert "polars" in snapshot["environment"]["packages"]


def test_a_step_is_told_with_its_items_code_and_outputs(catalog):
    step = catalog.show_step(1, "square")
    assert [(one["item"], one["state"]) for one in step["items"]] == [(0, "done"), (1, "done"), (2, "done")]
    assert [(one["name"], one["kind"], one["rows"]) for one in step["outputs"]] == [("square", "sequence", 3)]
    table = catalog.show_step(1, "table")
    assert [one["name"] for one in table["outputs"][0]["columns"]] == ["a", "b"]
    assert [one["path"] for one in table["files"]] == ["data.csv"]
    assert any("read_csv" in one["source"] for one in table["code"])


def test_a_failed_step_says_where(catalog):
    step = next(one for one in catalog.show(3)["steps"] if one["name"] == "bad")
    assert step["error"]["title"] == "ValueError: no" and step["error"]["place"].startswith("pipeline.py:")


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        (lambda one: one.number("7"), "newest are 3, 2, 1"),
        (lambda one: one.number("no"), "no run no"),
        (lambda one: one.show_step(1, "scor"), "`score`"),
        (lambda one: one.artifact_of(1, "tabel"), "`table`"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(catalog, ask, hint):
    with pytest.raises(UsageError, match=hint):
        ask(catalog)


def test_no_store_has_no_runs(tmp_path):
    assert Catalog(tmp_path).runs() == []
    with pytest.raises(UsageError, match="no runs yet"):
        Catalog(tmp_path).latest()


def test_logs_are_those_of_the_live_files(catalog):
    (line,) = catalog.logs(1)
    assert (line["step"], line["stream"], line["text"]) == ("table", "stdout", "reading \x1b[31m")
    assert catalog.logs(1, "score") == []
    offsets: dict[str, int] = {}
    assert catalog.follow(1, "", offsets) == ([line], False)
    assert catalog.follow(1, "", offsets) == ([], False)


def test_an_artifact_is_of_the_library_it_was_returned_from(catalog):
    assert catalog.artifact_of(2, "table").carrier == "polars"
    assert catalog.artifact_of(1, "score").kind == "value"


def test_it_tells_what_it_has_while_the_projector_cannot_run(root, catalog):
    catalog.runs()
    with Journal(root / ".instep/journal.sqlite") as journal:
        journal.append(RunNoted(catalog.show(1)["id"], note="later"))
    with hold(root / ".instep", exclusive=False):  # a reader that takes its time
        assert catalog.show(1)["note"] == ""
        assert catalog.lag.behind == 1
    assert catalog.show(1)["note"] == "later"
    assert catalog.lag.behind == 0


def test_a_run_that_is_not_in_the_catalog_yet_is_not_said_to_be_missing(tmp_path):
    run(project_in(tmp_path))
    (tmp_path / ".instep" / FILE).unlink()
    catalog = Catalog(tmp_path / ".instep")
    with hold(tmp_path / ".instep", exclusive=True), pytest.raises(StoreBusy):
        catalog.show(1)
    assert catalog.show(1)["run"] == 1


def test_reading_imports_no_frames(root):
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path; from instep.engine.snapshots.catalog import Catalog;"
        "assert 'duckdb' not in sys.modules; Catalog(Path(sys.argv[1])).runs();"
        "assert not {'polars', 'pyarrow', 'pandas', 'ray'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(root / ".instep")], check=False).returncode == 0
