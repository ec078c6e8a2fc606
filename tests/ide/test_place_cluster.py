"""7 Cluster and `o`, by keyboard, over answers like those of a real engine; what it is asked for is checked."""

from pathlib import Path
from typing import Any

import pytest
from cluster_told import AT_WORK, PLANNED, ClusterTold, elsewhere, write_clusters
from screen_kit import text_of, until

from instep.ide import offloading
from instep.ide.screens import pipeline  # before anything is patched: it would keep what it was given


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterTold:
    found = ClusterTold(write_clusters(tmp_path / "small"), "cluster")
    assert pipeline.start_run is offloading.start_run
    found.started = []
    monkeypatch.setattr(offloading, "start_run", lambda _, request: found.started.append(request))
    return found


def of(app: ClusterTold, do: str) -> list[dict[str, Any]]:
    return [one for one in app.asked if one.get("do", one["op"]) == do]


async def shown(app: ClusterTold, pilot: Any, *messages: Any) -> Any:
    app.feed.say(*(messages or AT_WORK))
    await until(pilot, lambda: app.here is not None and app.here.price is not None and app.live.loaded)
    return app.here


async def test_the_price_is_told_before_anything_is_sent_and_no_sends_nothing(app: ClusterTold) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("o")
        await until(pilot, lambda: len(app.screen_stack) > 1)
        assert "Send 2 steps to gpu? · here about 42 s, there about 12 s" in text_of(app)
        await pilot.press("n")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert app.started == []
        await pilot.press("o")
        await until(pilot, lambda: len(app.screen_stack) > 1)
        await pilot.press("y")
        await until(pilot, lambda: app.started)
        assert app.started == [{"on": "gpu", "steps": []}]


async def test_marked_steps_of_the_pipeline_are_what_is_sent_to_the_cluster_that_is_named(app: ClusterTold) -> None:
    app.kept = {"place": "pipeline"}
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.say(PLANNED)
        await until(pilot, lambda: app.live.loaded and app.here.rail.step)
        await pilot.press("G", "space")
        assert app.marked == {"report"} and "◆" in text_of(app)
        await pilot.press("o")
        await until(pilot, lambda: "send to (gpu, big)" in text_of(app))
        await pilot.press("ctrl+u", *"big", "enter")
        await until(pilot, lambda: "Send 2 steps to big?" in text_of(app))
        await pilot.press("y")
        await until(pilot, lambda: app.started)
        assert app.started == [{"on": "big", "steps": ["report"]}] and not app.marked


async def test_without_a_cluster_o_says_where_to_learn_how(app: ClusterTold) -> None:
    app.kept = {"place": "pipeline"}
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.say({**PLANNED, "doc": {**PLANNED["doc"], "clusters": []}})
        await until(pilot, lambda: app.live.loaded and app.here.rail.step)
        await pilot.press("o")
        assert "no cluster is configured" in app.said.plain and not app.asked


async def test_the_log_of_a_job_and_its_end_are_a_key_away(app: ClusterTold, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, object]] = []
    monkeypatch.setattr("instep.ide.screens.cluster.tell_engine", lambda _, request: told.append(request))
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(app, pilot)
        assert (here.row.run, here.row.step) == (42, "")
        await pilot.press("x")
        await until(pilot, lambda: "End run 42 there?" in text_of(app))
        await pilot.press("y")
        await until(pilot, lambda: told)
        assert told == [{"op": "cancel", "run": 42}]
        went: list[tuple[str, dict[str, Any]]] = []
        app.go = lambda name, **where: went.append((name, where))
        await pilot.press("j", "enter", "y")
        assert went == [("logs", {"run": 42, "step": "train"})]
        assert app.clipboard.startswith("train")


async def test_the_cursor_stays_on_its_job_while_others_come_and_go(app: ClusterTold) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(app, pilot)
        await pilot.press("j")
        assert here.row.step == "train"
        more = {"t": "run", "run": 44, "steps": [{"name": "load", "state": "pending"}]}
        app.feed.say(elsewhere(more, 44))
        await until(pilot, lambda: 44 in app.live.elsewhere)
        assert (here.row.run, here.row.step) == (42, "train")


async def test_a_cluster_out_of_sight_keeps_what_was_known_and_is_looked_for_again(app: ClusterTold) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(app, pilot)
        app.refuse("no answer within 5 s")
        await until(pilot, lambda: here.problem is not None)
        told = text_of(app)
        assert "out of sight since" in told and "no answer within 5 s" in told and "gpu-b" in told
        await pilot.press("o")
        assert "out of sight" in app.said.plain
        app.reach()
        await until(pilot, lambda: here.problem is None)
        assert "ping 24 ms" in str(here.nodes.border_subtitle) and "as it was" not in text_of(app)


async def test_reconnecting_looks_anew_and_follows_what_others_sent(app: ClusterTold) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        await pilot.press("R")
        await until(pilot, lambda: "run 43" in app.said.plain)
        assert of(app, "look")[-1]["anew"] or any(one.get("anew") for one in of(app, "look"))
        assert of(app, "adopt") == [{"op": "adopt", "cluster": "gpu"}]


async def test_brackets_choose_among_several_clusters(app: ClusterTold) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(app, pilot)
        await pilot.press("]")
        await until(pilot, lambda: here.look is not None and here.look["cluster"] == "big")
        assert "big  2 of 2" in text_of(app)
        await pilot.press("]")
        assert here.cluster == "gpu"


async def test_clusters_are_asked_only_while_the_place_is_shown(app: ClusterTold) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        here = await shown(app, pilot)
        await pilot.press("1")
        await until(pilot, lambda: app.place == "pipeline")
        before = len(app.asked)
        for _ in range(3):
            here._poll()
        await pilot.pause()
        assert len(app.asked) == before


async def test_a_cluster_is_added_after_it_was_tried_with_comments_kept_and_undone(app: ClusterTold) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        here = await shown(app, pilot)
        before = (app.root / "instep.toml").read_text()
        await pilot.press("a")
        await until(pilot, lambda: "Add a cluster" in text_of(app))
        await pilot.press(*"new", "tab", *"http://127.0.0.1:9", "tab", *"MY_TOKEN")
        app.refuse("cannot reach http://127.0.0.1:9: Connection refused")
        await pilot.press("enter")
        await until(pilot, lambda: "Connection refused" in text_of(app))
        app.reach()
        await pilot.press("enter")
        await until(pilot, lambda: "✓ Ray 2.60.0: 2 nodes, 8 CPUs, 1 GPUs" in text_of(app))
        assert (app.root / "instep.toml").read_text() == before, "nothing is written before the second enter"
        await pilot.press("enter")
        await until(pilot, lambda: here.cluster == "new")
        text = (app.root / "instep.toml").read_text()
        assert text.startswith(before.rstrip("\n")) and "# ask Ada" in text
        assert '[clusters.new]\naddress = "http://127.0.0.1:9"\ntoken = {env = "MY_TOKEN"}' in text
        assert of(app, "try")[-1]["table"] == {"address": "http://127.0.0.1:9", "token": {"env": "MY_TOKEN"}}
        await pilot.press("u")
        await until(pilot, lambda: "clusters.new" not in (app.root / "instep.toml").read_text())


async def test_a_run_elsewhere_is_replayed_from_runs(app: ClusterTold) -> None:
    app.kept = {"place": "runs"}
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.say(PLANNED)
        await until(pilot, lambda: app.live.loaded and app.here is not None and app.here.id == "runs")
        await pilot.press("o")
        assert "there is no run" in app.said.plain


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 5)])
async def test_small_terminals_show_what_fits(app: ClusterTold, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await shown(app, pilot)
        await pilot.press("j", "tab", "j", "?")
        await pilot.press("escape")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "What gets sent" in text_of(app))


PARITY = {
    "runs": [41, 44],
    "targets": ["local", "gpu"],
    "identical": False,
    "first": {"step": "train", "outputs": ["train"], "state": None},
    "outputs": [
        {
            "name": "train", "step": "train", "kind": "array", "change": "changed", "max_absolute": 2e-7,
            "max_relative": 3e-6, "columns": [], "changed": 12, "rows": None, "within_tolerance": True, "note": "",
        }
    ],
    "equal": 3,
    "causes": [{"kind": "package", "subject": "polars", "before": "2.1", "after": "2.0"}],
    "steps": [{"name": "train", "state": ["done", "done"], "seconds": [41.0, 12.0]}],
    "seconds": [41.0, 12.0],
    "wall": [42.0, 14.4],
    "price": [None, 2.5],
    "cost": [None, 0.01],
}  # fmt: skip
REPEATED = {
    "run": 44, "step": "train", "state": "done", "target": "gpu", "node": "b1", "seconds": 12.0, "ended": 0,
    "error": None, "replay_of": 41,
}  # fmt: skip


async def test_the_parity_of_a_run_that_repeats_another_is_told_under_it(
    app: ClusterTold, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = app.ask

    async def told(op: str, **request: Any) -> dict[str, Any]:
        if op == "parity":
            assert request == {"number": 44}
            return PARITY
        found = await ask(op, **request)
        return found | {"jobs": [REPEATED]} if op == "clusters" else found

    monkeypatch.setattr(app, "ask", told)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, PLANNED)
        await until(pilot, lambda: "Parity  run 44 beside run 41" in text_of(app))
        await until(pilot, lambda: "train is the first to differ" in text_of(app))
        shows = text_of(app)
        assert "2e-07 (3e-06 of it), the same within 1e-6" in shows and "polars 2.1 → 2.0" in shows
        assert "cost" in shows and "at 2.5 an hour" in shows
        await pilot.press("tab")
        await until(pilot, lambda: "What gets sent" in text_of(app))
