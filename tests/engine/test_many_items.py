"""A fan-out over countries and settings: all of it recorded, and of what has finished nothing is done twice.

The same at 202 × 100 with real fits, timed, is `tests/bench/bench_countries.py`.
"""

import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from instep.engine.planner import Wishes
from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.session import RunRequest, Session
from instep.engine.snapshots.catalog import Catalog

COUNTRIES, SETTINGS = 7, 9


class Lab:
    """A project whose items write down, outside of it, that they have begun and finished."""

    def __init__(self, folder: Path) -> None:
        self.root, self.told, self.pause = folder / "p", folder / "told", folder / "pause"
        (self.root / "data").mkdir(parents=True)
        self.told.touch()
        for number in range(COUNTRIES):
            self.write(number, number)
        (self.root / "instep.toml").write_text("")
        (self.root / "pipeline.py").write_text(f"""
import json, os, time
from instep import Each, File, log, step
@step
def countries(files=File("data/*.json")): return [json.loads(one.read_text()) for one in files]
@step
def grid(): return [{{"penalty": number}} for number in range({SETTINGS})]
@step
def fit(country=Each("countries"), setting=Each("grid")):
    with open({str(self.told)!r}, "a") as file: print("begun", country["name"], setting["penalty"], file=file)
    while os.path.exists({str(self.pause)!r}) and setting["penalty"] == 4: time.sleep(0.005)
    with open({str(self.told)!r}, "a") as file: print("done", country["name"], setting["penalty"], file=file)
    log(loss=100); log(loss=country["value"])
    return country["value"] * setting["penalty"]
@step
def best(fit): return {{"best": max(fit), "count": len(fit)}}
""")

    def write(self, number: int, value: int) -> None:
        text = json.dumps({"name": f"c{number}", "value": value})
        (self.root / "data" / f"c{number}.json").write_text(text)

    def run(self, cancel: threading.Event | None = None):
        session = Session(self.root, lambda _, emit: InlineExecutor(emit))
        try:
            return session.run(RunRequest(wishes=Wishes.none()), lambda _: None, cancel or threading.Event())
        finally:
            session.close()

    def finished(self) -> Counter[str]:
        """How often each item has come to its end."""
        return Counter(line[5:] for line in self.told.read_text().splitlines() if line.startswith("done"))

    def begun(self) -> int:
        return self.told.read_text().count("begun")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_every_item_is_recorded_and_the_next_run_has_nothing_to_do(lab: Lab) -> None:
    document = lab.run()
    assert (document["state"], document["metrics"]["best.count"]) == ("done", COUNTRIES * SETTINGS)
    shown = Catalog(lab.root / ".instep").show_step(1, "fit")
    assert {one["item"] for one in shown["items"]} == set(range(COUNTRIES * SETTINGS))
    assert {one["state"] for one in shown["items"]} == {"done"}
    assert lab.run()["nothing"] == 4
    assert set(lab.finished().values()) == {1}


def test_the_metric_of_a_fan_out_is_the_mean_of_its_items_whichever_ran_and_whichever_came_last(lab: Lab) -> None:
    def catalogued(run: int) -> float:
        return Catalog(lab.root / ".instep").show(run)["metrics"]["fit.loss"]

    values = list(range(COUNTRIES))
    assert lab.run()["metrics"]["fit.loss"] == catalogued(1) == sum(values) / COUNTRIES
    values[0] = 70
    lab.write(0, 70)
    assert lab.run()["metrics"]["fit.loss"] == catalogued(2) == sum(values) / COUNTRIES
    lab.write(0, 0)
    assert lab.run()["metrics"]["fit.loss"] == catalogued(3) == sum(range(COUNTRIES)) / COUNTRIES


def test_one_countrys_data_runs_its_items_alone(lab: Lab) -> None:
    lab.run()
    lab.write(3, 300)
    document = lab.run()
    again = {item for item, count in lab.finished().items() if count > 1}
    assert again == {f"c3 {penalty}" for penalty in range(SETTINGS)}
    assert document["metrics"]["best.best"] == 300 * (SETTINGS - 1)
    counts = next(one["item"] for one in document["steps"] if one["name"] == "fit")
    assert (counts["done"], counts["reused"]) == (SETTINGS, (COUNTRIES - 1) * SETTINGS)


def test_a_run_that_was_cancelled_goes_on_where_it_was(lab: Lab) -> None:
    lab.pause.touch()
    cancel = threading.Event()
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(lab.run(cancel)["state"]))
    thread.start()
    deadline = time.monotonic() + 60
    while lab.begun() <= len(lab.finished()) or not lab.finished():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cancel.set()
    thread.join(60)
    assert ended == ["cancelled"]
    before = lab.finished()
    assert 0 < len(before) < COUNTRIES * SETTINGS
    lab.pause.unlink()
    assert lab.run()["state"] == "done"
    after = lab.finished()
    assert len(after) == COUNTRIES * SETTINGS
    assert set(after.values()) == {1}
