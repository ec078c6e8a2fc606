"""A person's query reads everything that was recorded, every table among it, and nothing else."""

from pathlib import Path

import pytest
from small_project import project_in, run

from instep.engine.errors import UsageError
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.queries import sql
from instep.engine.snapshots.records import RunNoted


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = project_in(tmp_path_factory.mktemp("project"))
    run(root)
    run(root, table__rows=4)
    return root / ".instep"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select count(*) from run", [(2,)]),
        ("from run_1.table", [(1, "x"), (2, "y"), (3, "z")]),
        ("from latest.table select max(a)", [(4,)]),
        ("select b.a from run_2.table b anti join run_1.table using (a) -- run_9.gone", [(4,)]),
        ("select 'run_7.table'", [("run_7.table",)]),
        ("explain select 1", None),
        ("pivot (select state, step from step_run) on state using count(*) group by step", None),
        ("with a as (from run) select number from a order by all", [(1,), (2,)]),
        ("describe run", None),
        ("summarize metric", None),
        ("select value from run_metric where name = 'score.sum' order by run", [(14.0,), (30.0,)]),
    ],
)
def test_it_answers(store, query, rows):
    _, found = sql(store, query)
    assert found == rows if rows is not None else found


def test_runs_come_in_their_order_whatever_was_written_last(store):
    with Journal(store / "journal.sqlite") as journal:
        ((_, first),) = sql(store, "select number, run_id from run where number = 1")[1]
        journal.append(RunNoted(first, note="later"))
    assert sql(store, "select number, note from run")[1] == [(1, "later"), (2, "")]


def test_at_most_the_wanted_rows_are_fetched(store):
    names, rows = sql(store, "from range(10000000)", 3)
    assert (names, len(rows)) == (["range"], 3)


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{out}'",
        "copy run to '{objects}/evil.csv'",
        "copy (pivot run on state) to '{objects}/evil.csv'",
        "explain analyze copy (select 1) to '{objects}/evil.csv'",
        "explain (analyze) copy (select 1) to '{objects}/evil.csv'",
        "attach '{out}' as x",
        "install httpfs",
        "load httpfs",
        "create table x(a int)",
        "insert into run_1.table values (1, 'x')",
        "delete from catalog.run",
        "update catalog.applied set seq = 0",
        "export database '{out}'",
        "set enable_external_access = true",
        "pragma database_list",
        "detach catalog",
        "from '/etc/passwd'",
        "from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "from glob('/etc/*')",
        "from read_text('{objects}/../files.json')",
        "from read_csv('https://example.org/x.csv')",
        "select 1; select 2",
        "",
        "--",
    ],
)
def test_it_reads_nothing_else_and_writes_nothing(store, tmp_path, query):
    with pytest.raises(UsageError):
        sql(store, query.format(out=tmp_path / "out", objects=store / "objects"))
    assert not list(tmp_path.iterdir()) and not (store / "objects/evil.csv").exists()
    assert sql(store, "select count(*) from run")[1] == [(2,)]


@pytest.mark.parametrize(
    ("query", "said", "hint"),
    [
        ("select stat from run", "stat", "Candidate.*state"),
        ("from runs", "runs does not exist", "Did you mean.*run"),
        ("from run_1.tabel", "tabel does not exist", "table"),
        ("from run_9.table", "run_9.table", "no table"),
        ("selec 1", "syntax error", ""),
    ],
)
def test_a_mistake_is_said_in_a_line_with_a_hint(store, query, said, hint):
    with pytest.raises(UsageError, match=f"(?s){said}.*{hint}") as caught:
        sql(store, query)
    assert len(caught.value.problems[0].what) <= 400


def test_before_the_first_run_it_says_so(tmp_path):
    with pytest.raises(UsageError, match="nothing is recorded"):
        sql(tmp_path, "from run")


def test_a_table_is_whole_where_its_blocks_repeat_and_where_it_is_empty(tmp_path):
    root = tmp_path / "a [b] c=d"
    root.mkdir()
    (root / "instep.toml").write_text('[project]\nname = "p"\n')
    (root / "pipeline.py").write_text(
        "import polars as pl\nfrom instep import step\n"
        "@step\ndef same():\n    return pl.DataFrame({'a': [7] * 300_000})\n"
        "@step\ndef none():\n    return pl.DataFrame({'a': []}, schema={'a': pl.Int64})\n"
    )
    run(root)
    assert sql(root / ".instep", "select count(*), sum(a) from run_1.same")[1] == [(300_000, 2_100_000)]
    assert sql(root / ".instep", "select count(*), any_value(a) from run_1.none")[1] == [(0, None)]


def test_times_with_a_zone_can_be_asked_for(store):
    names, rows = sql(store, "select timestamptz '2026-11-24 10:00:00+00' as at")
    assert names == ["at"]
    assert rows[0][0].utcoffset() is not None
