"""What is said of a fan-out while it goes: hand-computed over two countries and three settings."""

from pathlib import Path

import pytest

from instep.engine.fan_groups import MOST, FanGroups
from instep.engine.fan_items import FanItems
from instep.engine.ids import Digest
from instep.engine.scheduler.assignment import Failure
from instep.engine.snapshots.artifact import ItemRef
from instep.engine.snapshots.formats import store_items
from instep.engine.snapshots.objects import ObjectStore

COUNTRIES = [{"name": "Chad", "rows": list(range(500))}, {"name": "Oman", "rows": []}]
SETTINGS = [{"lags": 1, "penalty": 0.5}, {"lags": 2, "penalty": 0.5}, {"lags": 3, "penalty": 0.5}]
ERRORS = {0: 0.4, 1: 0.2, 3: 0.6, 4: 0.1}


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path)


def refs(values: list, objects: ObjectStore) -> list[ItemRef]:
    found, _ = store_items(values, objects)
    return [one for one in found if isinstance(one, ItemRef)]


def fan_of(lists: dict[str, list], objects: ObjectStore) -> FanItems:
    count = 1
    for one in lists.values():
        count *= len(one)
    keys = [Digest(str(at)) for at in range(count)]
    return FanItems(list(lists), [refs(one, objects) for one in lists.values()], keys, ("",))


def test_each_group_has_its_items_and_the_best_is_named_by_its_arguments(objects: ObjectStore) -> None:
    fan = fan_of({"country": COUNTRIES, "setting": SETTINGS}, objects)
    groups = FanGroups(fan, objects)
    before = groups.look()
    assert before["groups"] == [["Chad", 3, 0, 0, None], ["Oman", 3, 0, 0, None]]
    assert (before["metric"], before["best"], before["leaders"]) == ("", None, {})

    for index, error in ERRORS.items():
        (ref,) = refs([{"region": "x", "n": 7, "error": error}], objects)
        fan.done(index, {"": ref}, {})
    fan.failed([5], Failure("raised", "ValueError"))
    told = groups.look()
    assert told["groups"] == [["Chad", 3, 2, 0, pytest.approx(0.3)], ["Oman", 3, 2, 1, pytest.approx(0.35)]]
    assert (told["by"], told["metric"], told["better"]) == ("country", "error", "lower")
    assert told["best"] == {"value": 0.1, "arguments": {"country": "Oman", "setting": "lags=2 penalty=0.5"}}
    assert told["leaders"] == {
        "country": ["Chad", pytest.approx(0.3), 2],
        "setting": ["lags=2 penalty=0.5", pytest.approx(0.15), 2],
    }
    assert groups.look() == told


def test_what_was_logged_comes_before_what_was_returned_and_higher_may_be_better(objects: ObjectStore) -> None:
    fan = fan_of({"n": [10, 20, 30]}, objects)
    for index, accuracy in enumerate((0.5, 0.9, float("nan"))):
        (ref,) = refs([{"error": 1.0}], objects)
        fan.done(index, {"": ref}, {"epoch": 3.0, "accuracy": accuracy})
    told = FanGroups(fan, objects).look()
    assert (told["metric"], told["best"], told["leaders"]) == (
        "accuracy",
        {"value": 0.9, "arguments": {"n": "20"}},
        {},
    )
    assert told["groups"] == [["10", 1, 1, 0, 0.5], ["20", 1, 1, 0, 0.9], ["30", 1, 1, 0, None]]


def test_of_very_many_only_the_best_is_told(objects: ObjectStore) -> None:
    fan = fan_of({"n": list(range(MOST + 1))}, objects)
    (ref,) = refs([{"loss": 2.0}], objects)
    fan.done(7, {"": ref}, {})
    told = FanGroups(fan, objects).look()
    assert told["groups"] == [] and told["best"] == {"value": 2.0, "arguments": {"n": "7"}}


def test_what_has_no_name_is_told_by_its_place_and_nothing_is_unpickled(objects: ObjectStore) -> None:
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    fan = fan_of({"x": [Trap(), [1, 2], "a" * 90]}, objects)
    labels = [one[0] for one in FanGroups(fan, objects).look()["groups"]]
    assert labels == ["item 0", "item 1", "a" * 39 + "…"]
