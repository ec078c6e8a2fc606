"""Small edits, each with the exact set of steps that must run: what the plan says, what runs, and what comes out."""

from pathlib import Path

import pytest
from case_files import FOLDER, read_case
from harness import Bench

CASES = sorted(FOLDER.glob("*.txt"))


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_exactly_the_right_steps_run(path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    bench = Bench(tmp_path / "project", case.before)
    first = bench.run()
    assert first.document["state"] == "done"
    bench.write(case.after)

    planned = bench.status()
    second = bench.run()

    assert second.document["state"] == "done"
    assert second.ran == case.runs, case.claim
    stale = {name for name, one in planned.items() if one["state"] != "fresh"}
    assert case.runs <= stale
    for step, kind in case.why.items():
        assert kind in {reason["kind"] for reason in planned[step]["reasons"]}, planned[step]["reasons"]
    for step, words in case.blind.items():
        assert any(words in spot for spot in planned[step]["blind_spots"]), planned[step]["blind_spots"]
    for step, counts in case.items.items():
        assert second.items(step) == counts

    scratch = Bench(tmp_path / "scratch", {**case.before, **{k: v for k, v in case.after.items() if v is not None}})
    scratch.write({name: None for name, text in case.after.items() if text is None})
    assert second.outputs == scratch.run().outputs, "as if it had been run from scratch"

    uncached = {name for name, why in case.why.items() if why == "forced"}
    assert {name for name, one in bench.status().items() if one["state"] == "stale"} == uncached

    bench.write({name: case.before.get(name) for name in case.after})
    assert bench.run().ran == uncached, "an edit that is taken back runs nothing"
