"""A replay stays in its folder, whatever the paths of its inputs are."""

import threading
from pathlib import Path

import pytest

from instep.engine.errors import StoreError
from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session


def run(root: Path, replay: int | None = None):
    session = Session(root, lambda _, emit: InlineExecutor(emit))
    try:
        return session.run(RunRequest(wishes=Wishes.none(), replay=replay), lambda _: None, threading.Event())
    finally:
        session.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "a" / "b" / "p"
    (root / "data").mkdir(parents=True)
    (tmp_path / "full.txt").write_text("full")
    (tmp_path / "a" / "shared.txt").write_text("shared")
    (tmp_path / "a" / "b" / "one.csv").write_text("one")
    (root / "data" / "link.txt").symlink_to(tmp_path / "full.txt")
    (root / "instep.toml").write_text("")
    (root / "pipeline.py").write_text(f"""
from instep import File, step
@step
def up(file=File("../../shared.txt")): return file.read_text()
@step
def many(files=File("data/*")): return [one.read_text() for one in files]
@step
def full(file=File("{tmp_path}/full.txt")): return file.read_text()
@step
def linked(file=File("data/link.txt")): return file.read_text()
""")
    return root


def there(folder: Path) -> set[Path]:
    return {one for one in folder.rglob("*") if ".instep" not in one.parts and "__pycache__" not in one.parts}


def test_inputs_from_above_beside_and_elsewhere_are_laid_out_within(root: Path, tmp_path: Path):
    assert run(root)["state"] == "done"
    before = there(tmp_path)
    document = run(root, replay=1)
    assert document["verdict"].startswith("replay of run 1: identical, all 4 outputs")
    assert there(tmp_path) == before
    assert {one.name for one in (root / ".instep").iterdir() if one.suffix in (".txt", ".csv")} == set()


def test_a_file_with_a_full_path_that_changed_is_said_and_never_written(root: Path, tmp_path: Path):
    run(root)
    (tmp_path / "full.txt").unlink()
    with pytest.raises(StoreError, match="as the run read it are gone"):
        run(root, replay=1)
    assert not (tmp_path / "full.txt").exists()
