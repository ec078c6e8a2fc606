"""Live files that come home piece by piece: as they are, in order, and without the secrets that C code printed."""

from pathlib import Path

import pytest

from instep.remote import growing
from instep.remote.growing import Growing, grow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "PAUSE", 0.0)


def brought(there: Growing, home: Path) -> None:
    for message in there.look():
        grow(home, message)


def test_a_file_that_grows_comes_as_whole_lines_and_each_byte_once(tmp_path: Path) -> None:
    source, home = tmp_path / "there", tmp_path / "home"
    source.mkdir()
    there, live = Growing(source, ()), source / "model-0.jsonl"
    live.write_bytes(b'{"k":"metric"}\n{"k":"lo')
    brought(there, home)
    assert (home / "model-0.jsonl").read_bytes() == b'{"k":"metric"}\n'
    with live.open("ab") as file:
        file.write(b'g"}\n\xff raw\n')
    brought(there, home)
    brought(there, home)
    assert (home / "model-0.jsonl").read_bytes() == live.read_bytes()


def test_a_secret_that_was_printed_past_us_does_not_leave(tmp_path: Path) -> None:
    source, home = tmp_path / "there", tmp_path / "home"
    source.mkdir()
    there, live = Growing(source, ("hunter2hunter2",)), source / "model-0.jsonl"
    live.write_bytes(b"connecting with hunter2")
    brought(there, home)
    with live.open("ab") as file:
        file.write(b"hunter2 now\n")
    brought(there, home)
    assert (home / "model-0.jsonl").read_bytes() == b"connecting with " + b"*" * 14 + b" now\n"


@pytest.mark.parametrize("name", ["../evil.jsonl", ".hidden.jsonl", "evil.py", "a/b.jsonl"])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    grow(tmp_path / "home", {"t": "live", "name": name, "at": 0, "bytes": "x\n"})
    assert not list(tmp_path.rglob("*evil*")) and not list(tmp_path.rglob("*.jsonl"))


def test_a_piece_twice_or_out_of_turn_changes_nothing_that_is_there(tmp_path: Path) -> None:
    for at, text in ((0, "one\n"), (0, "one\n"), (9, "late\n"), (0, "one\ntwo\n")):
        grow(tmp_path, {"t": "live", "name": "a-0.jsonl", "at": at, "bytes": text})
    assert (tmp_path / "a-0.jsonl").read_text() == "one\ntwo\n"
