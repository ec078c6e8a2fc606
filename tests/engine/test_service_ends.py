"""An engine ends when its project is removed, also if a run that went on has made part of the folder again."""

import shutil
import threading
from pathlib import Path

import pytest

from instep.engine import wire
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.service import Service
from instep.engine.session import Session
from instep.engine.snapshots.journal import Journal


@pytest.mark.parametrize("again", [False, True], ids=["gone", "made again"])
def test_an_engine_whose_project_was_removed_ends(tmp_path: Path, *, again: bool) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "instep.toml").write_text('[project]\nname = "x"\n')
    (root / "pipeline.py").write_text("from instep import step\n@step\ndef a(): return 1\n")
    service = Service(root, Session(root, lambda _, emit: InlineExecutor(emit)))
    assert service.session.take_lease()
    thread = threading.Thread(target=service.serve, daemon=True)
    thread.start()
    while (channel := wire.connect(str(root))) is None:
        pass
    channel.close()
    kept = tmp_path / "kept"
    root.rename(kept)
    if again:
        (root / ".instep").mkdir(parents=True)
        Journal(root / ".instep" / "journal.sqlite").close()
    thread.join(120)
    assert not thread.is_alive()
    shutil.rmtree(kept)
