"""A store that an earlier version wrote is opened by this one, with all that is in it, and goes on from there."""

import tarfile
from pathlib import Path

import polars as pl
import pytest
from make_store import STORES, run_in

from instep import open_project
from instep.engine.snapshots.catalog import Catalog
from instep.engine.snapshots.duck import attached, in_memory
from instep.engine.snapshots.journal import Journal
from instep.engine.snapshots.schema import SCHEMA
from instep.engine.snapshots.tables import VERSION
from instep.engine.snapshots.verify import verify

VERSIONS = sorted(int(path.name.partition(".")[0]) for path in STORES.iterdir())


@pytest.fixture(params=VERSIONS)
def past(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The project with the store of one version."""
    with tarfile.open(STORES / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "past"


def test_every_version_of_the_store_is_kept() -> None:
    assert list(range(1, SCHEMA + 1)) == VERSIONS, "run tests/upgrade/make_store.py before a step is added"


def test_it_is_brought_up_to_this_version_and_is_sound(past: Path) -> None:
    Journal(past / ".instep" / "journal.sqlite").close()
    report = verify(past / ".instep")
    assert report.sound and not report.problems


def test_every_run_is_there_with_all_that_it_said(past: Path) -> None:
    catalog = Catalog(past / ".instep")
    assert [(one["run"], one["state"], one["note"]) for one in catalog.runs()] == [
        (3, "failed", ""),
        (2, "done", ""),
        (1, "failed", "the first"),
    ]
    shown = catalog.show(2)
    assert shown["snapshot"]["params"]["score"] == {"weight": 2.0}
    assert shown["metrics"]["score.sum"] == 60.0
    assert catalog.show_step(1, "fails")["error"]["title"] == "ValueError: on purpose"
    assert [one["text"] for one in catalog.logs(1, "table")] == ["reading"]
    assert [
        one["value"]
        for one in _rows(
            past,
            "from metric where run_id = (select run_id from run_metric, run where run.number = 2 limit 1) order by idx",
        )
    ] == [1.0, 0.5, 1 / 3]


def test_every_kind_of_output_can_be_loaded(past: Path) -> None:
    run = open_project(past).run(2)
    assert run["table"].equals(pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}))
    assert run["numbers"] == [1, 2, 3, 4]
    assert list(run["square"]) == [1, 4, 9, 16]
    assert list(run["high"]) == [9, 16]
    assert run["score"] == {"sum": 60.0, "count": 4}


def test_the_next_run_goes_on_from_there(past: Path) -> None:
    states = run_in(past, {"fails.often": False})
    assert set(states.values()) <= {"done", "reused"}
    assert [one["run"] for one in Catalog(past / ".instep").runs()] == [4, 3, 2, 1]
    assert set(run_in(past, {"fails.often": False}).values()) == {"reused"}
    assert verify(past / ".instep").sound


def test_a_catalog_of_an_older_layout_is_made_anew(past: Path) -> None:
    before = _rows(past, "from run order by number")
    store = past / ".instep"
    with in_memory(store) as db, attached(db, store, write=True):
        db.execute(f"update catalog.applied set version = {VERSION - 1}")
        db.execute("drop table catalog.gap")
    assert _rows(past, "from run order by number") == before
    assert verify(store).sound


def _rows(past: Path, query: str) -> list[dict[str, object]]:
    return open_project(past).sql(query).to_dicts()
