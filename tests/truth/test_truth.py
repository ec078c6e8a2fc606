"""Small edits, each with the exact set of steps that must run: what the plan says, what runs, and what comes out."""

from pathlib import Path
from typing import Any

import pytest
from case_files import FOLDER, Case, read_case
from harness import Bench, Ran

from instep.engine.snapshots import projector

CASES = sorted(FOLDER.glob("*.txt"))


@pytest.fixture(autouse=True)
def no_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is decided by the journal alone; writing the catalog is four fifths of the time of a small run."""
    monkeypatch.setattr(projector, "project", lambda store: None)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_exactly_the_right_steps_run(path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    runs, same, pending = (case.steps.get(name, frozenset()) for name in ("runs", "same", "pending"))
    uncached = {step for step, reasons in case.why.items() if reasons[0][0] == "forced"}
    bench = Bench(tmp_path / "project", case.before)
    with bench.living():
        first = bench.run()
        assert first.document["state"] == "done", first.errors()
        assert stale(bench.status()) == uncached, "before the edit everything is fresh"
        bench.write(case.after)

        planned = bench.status()
        assert planned == bench.cold_status(), "what is remembered changes no plan"
        second = bench.run()

        assert second.document["state"] == "done", second.errors()
        assert second.ran == runs, case.claim
        assert {name for name, one in planned.items() if one["state"] != "fresh"} == runs | pending
        for step, reasons in case.why.items():
            check_reasons(reasons, planned[step]["reasons"])
        for step, words in case.blind.items():
            assert any(words in spot for spot in planned[step]["blind_spots"]), planned[step]["blind_spots"]
        assert case.blind or not any(one["blind_spots"] for one in planned.values())
        for step, counts in case.items.items():
            assert second.items(step) == counts
        assert changed(first, second) - case.items.keys() == runs - same - case.items.keys(), (
            "the case shows what it claims"
        )
        assert second.outputs == from_scratch(case, tmp_path / "scratch").outputs, "as if it had been run from scratch"
        assert stale(bench.status()) == uncached, "and now everything is fresh"

        bench.write({name: case.before.get(name) for name in case.after})
        assert bench.run().ran == uncached, "an edit that is taken back runs nothing"


def stale(status: dict[str, dict[str, Any]]) -> set[str]:
    """Without what is pending: it only waits for one of these."""
    return {name for name, one in status.items() if one["state"] in ("stale", "failed")}


def check_reasons(expected: list[tuple[str, str, str]], told: list[dict[str, Any]]) -> None:
    assert {kind for kind, _, _ in expected} == {one["kind"] for one in told}, told
    for kind, subject, place in expected:
        assert any(
            one["kind"] == kind
            and subject in ("", one["subject"])
            and place in ("", one["place"], (one["place"] or "").partition(":")[0])
            for one in told
        ), (kind, subject, place, told)


def changed(first: Ran, second: Ran) -> set[str]:
    return {step for step, outputs in second.by_step.items() if outputs != first.by_step.get(step)}


def from_scratch(case: Case, root: Path) -> Ran:
    files = {name: text for name, text in {**case.before, **case.after}.items() if text is not None}
    return Bench(root, files).run()
