"""An engine of another version of instep gives way to ours, and a run that goes on is not cut off for it."""

import threading
from pathlib import Path

import pytest

from instep.engine import client, wire
from instep.engine.errors import EngineError
from instep.engine.service import Service
from instep.engine.snapshots.schema import SCHEMA

OTHER = "0.0"


@pytest.fixture
def service(tmp_path: Path):
    (tmp_path / "instep.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "pipeline.py").write_text("from instep import step\n@step\ndef a(): return 1\n")
    found = Service(tmp_path)
    found.session.warm = lambda: None  # no Ray: nothing is run here
    assert found.session.take_lease()
    thread = threading.Thread(target=found.serve)
    thread.start()
    while (channel := wire.connect(str(tmp_path))) is None:
        pass
    channel.close()
    yield found
    found.stop()
    thread.join(10)


def told(root: Path, **request: object) -> list[dict[str, object]]:
    channel = wire.connect(str(root))
    assert channel is not None
    with channel:
        wire.send(channel, request)
        return list(wire.receive(channel))


def ping(root: Path) -> dict[str, object]:
    answer = client.ask(root, {"op": "ping"}, start=False)
    try:
        return list(answer)[-1]
    finally:
        answer.close()


def test_an_engine_that_is_asked_by_another_version_ends(service: Service) -> None:
    answer = told(service.root, v=OTHER, op="ping")
    assert answer[-1]["gone"] is True
    with pytest.raises(EngineError):
        while True:
            ping(service.root)


def test_an_engine_of_the_same_version_stays(service: Service) -> None:
    assert told(service.root, v=wire.VERSION, op="ping")[-1]["t"] == "end"
    assert ping(service.root)["t"] == "end"


def test_a_run_that_goes_on_is_not_cut_off(service: Service) -> None:
    with service.session._running:
        answer = told(service.root, v=OTHER, op="ping")
        assert answer[-1]["gone"] is False
        assert "Wait for its run" in str(answer[-1]["problems"])
    assert told(service.root, v=wire.VERSION, op="ping")[-1]["t"] == "end"


def test_what_the_engine_speaks_says_which_store_it_writes() -> None:
    assert wire.VERSION.rpartition(".")[2] == str(SCHEMA), "raise the number after the point with every step of `STEPS`"
