"""What is wrong with a store is found, what can be mended is, and what needed it is stale."""

import os
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from small_project import project_in, run

from instep.engine.ids import RunId
from instep.engine.snapshots.catalog import Catalog
from instep.engine.snapshots.duck import FILE, Damaged, attached, in_memory
from instep.engine.snapshots.queries import sql
from instep.engine.snapshots.records import RunStarted
from instep.engine.snapshots.upkeep import Upkeep
from instep.engine.snapshots.verify import quarantined, verify


@pytest.fixture
def root(tmp_path):
    run(project_in(tmp_path))
    return tmp_path


def found(root: Path) -> list[tuple[str, bool]]:
    return sorted((one.kind, one.mended) for one in verify(root / ".instep").problems)


def test_a_store_that_was_only_used_is_sound(root):
    run(root, score__weight=3.0)
    report = verify(root / ".instep")
    assert report.to_json() == {"sound": True, "problems": []}


def test_no_store_is_sound(tmp_path):
    assert verify(tmp_path).sound


@pytest.mark.parametrize("pattern", ["*.parquet", "*.table"])
def test_flipped_bytes_are_quarantined_and_the_step_is_stale(root, pattern):
    (path,) = (root / ".instep/objects").glob(f"*/{pattern}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    report = verify(root / ".instep", mend=False)
    assert [(one.kind, one.subject, one.mended) for one in report.problems] == [("damaged", path.name, False)]
    assert not report.sound and path.exists()
    assert found(root) == [("damaged", True)]
    assert quarantined(root / ".instep") == [path.name]
    states = {one["name"]: one["state"] for one in run(root)["steps"]}
    assert states == {"table": "done", "numbers": "reused", "square": "reused", "score": "reused"}
    assert verify(root / ".instep").problems == () and path.exists()


def test_a_lost_object_makes_its_step_stale(root):
    (path,) = (root / ".instep/objects").glob("*/*.parquet")
    path.unlink()
    assert found(root) == [("missing", True)]
    assert next(one["state"] for one in run(root)["steps"] if one["name"] == "table") == "done"
    assert found(root) == []


def test_old_temporary_files_go_and_young_ones_stay(root):
    folder = next((root / ".instep/objects").glob("??"))
    old, young = folder / ".a.json.1.ff.tmp", folder / ".b.json.1.ff.tmp"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (time.time() - 3600,) * 2)
    assert found(root) == [("left_over", True)]
    assert young.exists() and not old.exists()


@pytest.mark.parametrize("how", ["overwritten", "cut", "emptied"])
def test_a_damaged_catalog_is_made_anew(root, how):
    path = root / ".instep" / FILE
    before = Catalog(root / ".instep").show(1)
    if how == "emptied":
        with in_memory(root / ".instep") as db, attached(db, root / ".instep", write=True):
            db.execute("delete from catalog.run")
    else:
        path.write_bytes(b"no database" * 1000 if how == "overwritten" else path.read_bytes()[:5000])
    assert found(root) == [("catalog", True)]
    assert Catalog(root / ".instep").show(1) == before
    assert found(root) == []


def test_whatever_byte_of_the_catalog_flips_it_is_told_and_made_anew(root):
    """A block that a plan needs, one that only a query reads, a free one: DuckDB notices each at another moment."""
    store = root / ".instep"
    path = store / FILE
    whole, wanted = path.read_bytes(), Catalog(store).runs()
    random = Random(5)
    for _ in range(8):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 5, 50))):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        for query in ("from run", "select max(value) from metric"):
            with suppress(Damaged):
                sql(store, query)
        assert verify(store).sound
        assert Catalog(store).runs() == wanted


def test_a_run_whose_process_died_is_ended(root):
    with Upkeep(root / ".instep/journal.sqlite", actor="me@999999999") as journal:
        run_id, number = journal.new_run()
        started = next(one for one in journal.events_of(journal.run_id(1) or RunId("")) if isinstance(one, RunStarted))
        journal.append(RunStarted(**(started.to_json() | {"run_id": run_id, "number": number})))
    assert found(root) == [("interrupted", True)]
    assert Catalog(root / ".instep").show(2)["state"] == "interrupted"
    assert found(root) == []
