"""Series and bars of two runs, on one scale."""

import pytest
from lab import Lab

from instep.engine.compare import logs, timeline
from instep.engine.compare.logs import aligned_logs
from instep.engine.compare.look import read_facts
from instep.engine.compare.timeline import bars, best_point, series, series_names


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(
        tmp_path_factory.mktemp("lab"),
        """
        from instep import log, step

        @step
        def fit(*, rate: float = 1.0):
            for epoch in range(50):
                log(loss=rate / (epoch + 1))
            log(once=3)

        @step
        def other():
            return 1
        """,
    )
    lab.run()
    lab.run(fit__rate=2.0)
    lab.run(fit__rate=1.0)
    return lab


def test_series_are_read_in_order_also_of_results_that_were_taken_over(lab):
    found = series(lab.store, [1, 2, 3], "fit.loss")
    assert [one.value for one in found[2]] == pytest.approx([2.0 / (at + 1) for at in range(50)])
    assert [one.x for one in found[1]] == list(range(50))
    assert [one.value for one in found[3]] == [one.value for one in found[1]]
    assert found[3][0].at < 0 <= found[1][0].at
    assert series(lab.store, [1], "fit.nope") == {1: ()}


def test_the_best_of_a_series_is_by_what_its_name_says(lab):
    points = series(lab.store, [1], "fit.loss")[1]
    assert best_point(points, "fit.loss") == points[-1]
    assert best_point(points, "fit.accuracy") == points[0]
    assert best_point(points, "fit.epoch") is None and best_point((), "fit.loss") is None


def test_only_metrics_with_several_values_are_series(lab):
    assert series_names(lab.store, [1, 2]) == ["fit.loss"]


def test_long_series_are_thinned_and_keep_their_ends(lab, monkeypatch):
    monkeypatch.setattr(timeline, "POINTS", 5)
    found = series(lab.store, [1], "fit.loss")[1]
    assert 5 <= len(found) <= 7
    assert (found[0].value, found[-1].value) == (1.0, pytest.approx(1 / 50))


def test_bars_begin_after_their_run_began(lab):
    found = bars(lab.store, [1, 2])
    assert [one.step for one in found[1]] == ["fit", "other"]
    assert [one.step for one in found[2]] == ["fit"]  # the other was taken over
    assert all(one.start >= 0 and one.seconds >= 0 for one in (*found[1], *found[2]))


def test_log_lines_are_side_by_side_and_equal_where_only_numbers_differ():
    rows = aligned_logs(["epoch 1 loss 0.5", "done at 12:01:02"], ["epoch 1 loss 0.25", "saved", "done at 12:03:00"])
    assert [(row.left and row.left.text, row.right and row.right.text, row.equal) for row in rows] == [
        ("epoch 1 loss 0.5", "epoch 1 loss 0.25", True),
        (None, "saved", False),
        ("done at 12:01:02", "done at 12:03:00", True),
    ]


def test_long_logs_are_read_in_part_and_counted_whole(tmp_path, monkeypatch):
    source = "from instep import step\n\n@step\ndef a(*, n: int = 30):\n    for at in range(n):\n"
    lab = Lab(tmp_path, source + "        print('line', 'x' * at)\n")
    lab.run()
    lab.run(n=40)
    monkeypatch.setattr(logs, "MOST", 10)
    a, b = read_facts(tmp_path, ["1", "2"])
    (one,) = logs.compare_logs(*logs.read_logs(lab.store, a, b)).differences
    assert (one.before, one.after, one.detail["cut"]) == (30, 40, True)
    assert (one.detail["added"], one.detail["removed"]) == (0, 0)  # of the lines that were looked at


def test_logs_too_long_to_be_aligned_are_compared_as_what_lines_they_have(monkeypatch):
    monkeypatch.setattr(logs, "_ALIGNED", 3)
    a = logs.Printed(("a", "b", "b", "c"), 4)
    b = logs.Printed(("c", "b", "a", "d"), 4)
    (one,) = logs.compare_logs({"s": a}, {"s": b}).differences
    assert (one.detail["only_a"], one.detail["only_b"]) == (["b"], ["d"])
