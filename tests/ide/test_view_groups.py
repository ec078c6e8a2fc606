"""The lines of a fan-out's groups."""

import pytest

from instep.ide.text import width
from instep.ide.views.groups import group_lines
from instep.ide.views.live import StepNow
from instep.ide.views.steps import headline, why

GROUPS = {
    "by": "country",
    "groups": [
        ["Chad", 4, 4, 0, 0.25],
        ["Oman", 4, 0, 0, None],
        ["日本 \x1b[31m", 4, 2, 0, 0.5],
        ["Peru", 4, 3, 1, 0.125],
    ],
    "metric": "error",
    "better": "lower",
    "best": {"value": 0.1, "arguments": {"country": "Peru", "setting": "lags=2"}},
    "leaders": {"setting": ["lags=2 " + "x" * 60, 0.2, 7]},
}


@pytest.mark.parametrize("room", [40, 76, 110])
def test_what_is_best_comes_first_then_what_fails_then_what_is_under_way(room: int) -> None:
    lines = [line.plain for line in group_lines(GROUPS, room)]
    assert lines[1].split()[:3] == ["best", "0.1", "country"]
    assert lines[2].startswith("best setting") and lines[2].endswith("mean of 7")
    assert [line.split()[0] for line in lines[5:]] == ["Peru", "日本", "Chad", "Oman"]
    assert "✗ 1" in lines[5] and "3/4" in lines[5] and "0.125" in lines[5]
    assert not any("\x1b" in line for line in lines)
    assert all(width(line) <= max(room, 60) for line in lines)


def test_without_a_metric_only_the_items_are_counted_and_of_too_many_groups_none_is_shown() -> None:
    bare = GROUPS | {"metric": "", "best": None, "leaders": {}, "groups": [["Chad", 4, 1, 0, None]]}
    (_, head, line) = [one.plain for one in group_lines(bare, 80)]
    assert head.split() == ["country", "done", "failed"] and line.split()[-1] == "1/4"
    assert line.index("1/4") + 3 == head.index("done") + 4
    assert group_lines(bare | {"groups": []}, 80) == []


def test_the_headline_counts_items_while_they_run() -> None:
    counts = {"ready": 16_000, "running": 200, "done": 3_790, "failed": 10}
    one = StepNow("fit", fan=True, doing="running", began=0.0, counts=counts, plan="pending")
    assert "3,800/20,000 · 10 failed" in headline(one, 10.0, 100).plain
    reason = {"kind": "input", "text": "countries → fit", "via": ["countries", "fit"]}
    running = StepNow("fit", fan=True, doing="running", plan="pending", reasons=(reason,))
    assert why(running)[0].plain == "runs because countries → fit"
