"""Which files there are and what they hold: quick where nothing changed, right where something did."""

import os
import time
from pathlib import Path

from instep.engine.files import RACY_NS, Files, Sources, hash_file, members


def old(path: Path, seconds: float = 100) -> None:
    """Give `path` a time of writing in the past, so that its hash may be trusted."""
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then, then))


def test_a_same_size_edit_within_one_second_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    files = Files(tmp_path)
    path.write_text("1,2")
    stat = path.stat()
    before = files.state("a.csv")
    path.write_text("1,3")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = files.state("a.csv")
    assert before and after
    assert before.content_hash != after.content_hash


def test_a_change_with_the_old_time_put_back_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2")
    old(path)
    files = Files(tmp_path)
    before = files.state("a.csv")
    stat = path.stat()
    path.write_text("1,3")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = files.state("a.csv")
    assert before and after
    assert before.content_hash != after.content_hash


def test_a_touch_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2")
    files = Files(tmp_path)
    before = files.state("a.csv")
    os.utime(path)
    after = files.state("a.csv")
    assert before and after
    assert before.content_hash == after.content_hash


def test_what_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2")
    time.sleep(0.01)
    memory = tmp_path / "files.json"
    files = Files(tmp_path, memory)
    first = files.state("a.csv")
    # The hash was taken within the racy window, so that it is taken once more when the window is over.
    known = files._known["a.csv"]
    known.taken_ns = known.signature[3] + RACY_NS
    files._changed = True
    files.save()
    monkeypatch.setattr("instep.engine.files.hash_file", lambda path: (_ for _ in ()).throw(AssertionError(path)))
    assert Files(tmp_path, memory).state("a.csv") == first


def test_a_missing_file_has_no_state(tmp_path: Path) -> None:
    assert Files(tmp_path).state("gone.csv") is None


def test_a_damaged_memory_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "files.json").write_text("{")
    (tmp_path / "a.csv").write_text("1")
    state = Files(tmp_path, tmp_path / "files.json").state("a.csv")
    assert state and state.content_hash == hash_file(tmp_path / "a.csv")


def test_members_of_a_file_a_glob_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    for name in ("data/b.csv", "data/a.csv", "data/sub/c.csv"):
        (tmp_path / name).write_text(name)
    assert members(tmp_path, "data/a.csv") == (["data/a.csv"], False)
    assert members(tmp_path, "data/*.csv") == (["data/a.csv", "data/b.csv"], True)
    assert members(tmp_path, "data") == (["data/a.csv", "data/b.csv", "data/sub/c.csv"], False)
    assert members(tmp_path, "data/*.json") == ([], True)


def test_sources_are_code_and_the_small_data_of_packages(tmp_path: Path) -> None:
    for name in (
        "pipeline.py",
        "lib/__init__.py",
        "lib/words.txt",
        "plain/notes.txt",
        ".venv/x.py",
        "__pycache__/y.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "env" / "z.py").touch()
    sources = Sources(tmp_path)
    assert sources.refresh()
    assert sorted(sources.code) == ["lib/__init__.py", "pipeline.py"]
    assert sorted(sources.data) == ["lib/words.txt"]
    assert not sources.refresh()
    (tmp_path / "pipeline.py").write_text("pipelinE.py")
    assert sources.refresh()


def test_a_link_that_makes_a_circle_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m.py").touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    sources = Sources(tmp_path)
    sources.refresh()
    assert sorted(sources.code) == ["a/m.py"]
