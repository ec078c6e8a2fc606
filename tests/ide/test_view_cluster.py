"""What is told of runs on clusters, of nodes, jobs and of what would be sent."""

from typing import Any

import pytest
from cluster_told import LOOK, NOW, PRICE, elsewhere, node, sent_off

from instep.ide.views.cluster_jobs import below_jobs, job_rows
from instep.ide.views.cluster_nodes import ago, below_nodes, how_to, node_lines, node_names
from instep.ide.views.cluster_sent import question, refusal, sent_lines
from instep.ide.views.frame import top
from instep.ide.views.live import Live, take


def after(*messages: dict[str, Any], live: Live | None = None) -> Live:
    live = live or Live(engine="up", ray="ready", project="churn")
    for at, message in enumerate(messages):
        live = take(live, message, NOW + at, float(at))
    return live


def told(live: Live) -> list[tuple[str, str]]:
    return [(one.mark, one.text) for one in live.activity]


def test_a_run_on_a_cluster_is_counted_above_and_leaves_the_steps_here_alone() -> None:
    live = after(sent_off(), elsewhere({"t": "step", "step": "train", "state": "running", "counts": {}}))
    assert not live.going
    assert live.elsewhere[42].ended == 1
    assert "⇡ gpu 1/4" in top(live, "pipeline", 120).plain
    assert "✓ local" in top(live, "pipeline", 120).plain
    assert told(live) == [("remote", "run 42 sent to gpu — 1 cached, 3 to run")]


def test_out_of_sight_is_said_as_that_and_never_as_failed() -> None:
    lost = elsewhere({"t": "sight", "lost_since": NOW, "why": "no answer within 5 s", "refused": False})
    live = after(sent_off(), lost)
    for width in (120, 80):
        line = top(live, "pipeline", width)
        assert "⇡? gpu" in line.plain and "since" in line.plain and line.cell_len <= width
    mark, text = told(live)[-1]
    assert mark == "stale" and text.startswith("lost sight of run 42 on gpu since") and "it goes on there" in text
    assert "`r` goes on here from what came" in text
    rows = job_rows(live, [], None, {}, 9.0, 60)
    assert "lost sight" in rows[0].line.plain
    assert not any("✗" in one.line.plain or "failed" in one.line.plain for one in rows)
    again = after(elsewhere({"t": "sight", "lost_since": None, "why": ""}), live=live)
    assert told(again)[-1] == ("remote", "run 42 on gpu is in sight again")
    assert "⇡ gpu 1/4" in top(again, "pipeline", 120).plain


def test_a_second_word_of_the_same_loss_says_nothing_new() -> None:
    lost = elsewhere({"t": "sight", "lost_since": NOW, "why": "no answer", "refused": False})
    assert len(told(after(sent_off(), lost, lost))) == 2


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        (
            {"doc": {"state": "done", "seconds": 41.0, "steps": [{"state": "done"}, {"state": "reused"}]}},
            ("ok", "run 42 on gpu done in 41 s — 1 run, 1 cached"),
        ),
        (
            {"doc": {"state": "failed", "seconds": 2.0, "steps": [{"state": "failed"}, {"state": "blocked"}]}},
            ("failed", "run 42 on gpu failed in 2.0 s — 1 failed, 1 blocked"),
        ),
        ({"doc": None, "problems": [{"what": "its jobs died"}]}, ("failed", "run 42 on gpu: its jobs died")),
        (
            {"doc": None, "lost": True, "problems": [{"what": "gpu knows it no more", "mend": "`instep run`."}]},
            ("stale", "run 42 on gpu: gpu knows it no more. `instep run`."),
        ),
        (
            {"doc": None, "problems": [], "stopped": True},
            ("dim", "run 42 on gpu goes on there; it is not followed now"),
        ),
    ],
)
def test_the_end_of_a_run_there_is_told_once_and_the_top_line_forgets_it(over, expected) -> None:
    live = after(sent_off(), elsewhere({"t": "over", **over}))
    assert told(live)[-1] == expected
    assert "⇡" not in top(live, "pipeline", 120).plain


def test_an_engine_that_ended_knows_of_no_run_there_until_it_says_so_again() -> None:
    live = after(sent_off(), {"t": "lost", "problems": []})
    assert not live.elsewhere
    done = elsewhere({"t": "step", "step": "load", "state": "done", "counts": {}, "seconds": 1.0})
    live = after(done, sent_off(again=True), live=live)
    assert live.elsewhere[42].steps["load"].took == 1.0
    assert told(live)[-1] == ("remote", "run 42 on gpu: followed again")


def test_what_is_on_its_way_is_told_in_bytes() -> None:
    live = after(sent_off(), elsewhere({"t": "shipping", "sent": 31_000_000, "of": 100_000_000}))
    assert "sending 31.0 MB of 100.0 MB" in job_rows(live, [], None, {}, 0.0, 60)[0].line.plain


def test_a_job_says_where_it_is_how_long_it_takes_and_why_it_waits() -> None:
    live = after(
        sent_off(),
        elsewhere({"t": "step", "step": "train", "state": "launched", "counts": {}}),
    )
    plain = {one.step: one.line.plain for one in job_rows(live, [], LOOK, {}, 9.0, 100)}
    assert "needs 2 GPUs, gpu-a has 1 free" in plain["train"]
    live = after(elsewhere({"t": "step", "step": "train", "state": "running", "counts": {}}), live=live)
    plain = {one.step: one.line.plain for one in job_rows(live, [], LOOK, {"train": 60.0}, 10.0, 100)}
    assert "gpu-b" in plain["train"] and "left" in plain["train"] and "needs 2 GPUs" in plain["train"]
    live = after(elsewhere({"t": "progress", "step": "train", "done": 5, "total": 20}), live=live)
    began = live.elsewhere[42].steps["train"].began
    plain = {one.step: one.line.plain for one in job_rows(live, [], LOOK, {}, began + 10.0, 100)}
    assert "30 s left" in plain["train"]
    assert below_jobs(live) == "1 running · 2 waiting"


def test_what_was_done_there_is_listed_below_without_the_runs_that_go_on() -> None:
    past = [
        {"run": 42, "step": "load", "state": "done", "target": "gpu", "node": "b1", "seconds": 1.0, "error": None},
        {"run": 39, "step": "train", "state": "done", "target": "gpu", "node": "b1", "seconds": 44.0, "error": None},
        {"run": 38, "step": "train", "state": "failed", "target": "gpu", "node": "", "seconds": 1.0, "error": "exit 1"},
    ]
    past = [one | {"replay_of": None} for one in past]
    rows = job_rows(after(sent_off()), past, LOOK, {}, 0.0, 100)
    assert [(one.run, one.step) for one in rows if not one.live] == [(39, "train"), (38, "train")]
    assert "gpu-b" in rows[-2].line.plain and "✓ 44 s" in rows[-2].line.plain
    assert "✗ failed" in rows[-1].line.plain and "exit 1" in rows[-1].line.plain


@pytest.mark.parametrize("room", [36, 56, 76, 116])
def test_nodes_fit_their_pane_and_a_lost_one_says_since_when(room: int) -> None:
    lines = [one.plain for one in node_lines(LOOK, Live(), NOW, room)]
    assert all(len(one.rstrip()) <= room for one in lines)
    lost = next(one for one in lines if one.startswith("gpu-c"))
    assert "✗ lost" in lost and "2 min ago" in lost
    assert lines[0].startswith("local")
    assert any("▶ train" in one for one in lines)


def test_two_nodes_of_one_host_have_two_names_and_no_terminal_codes() -> None:
    names = node_names([node("aaaa1", "vm"), node("bbbb2", "vm"), node("c", "x\x1b[31m")])
    assert names == {"aaaa1": "vm·aaaa", "bbbb2": "vm·bbbb", "c": "x"}


def test_what_the_cluster_does_not_say_is_a_dash_and_no_zero() -> None:
    silent = node("a", "quiet", cpu=None, memory=None, memory_used=None)
    line = node_lines({**LOOK, "nodes": [silent]}, Live(), NOW, 60)[1].plain
    assert "0%" not in line and line.count("–") == 3


def test_declared_gpus_are_told_by_how_many_are_held() -> None:
    held = node("a", "vm", gpus=2.0, gpu=50.0, gpu_held=True)
    assert "1/2" in node_lines({**LOOK, "nodes": [held]}, Live(), NOW, 60)[1].plain


def test_the_price_says_what_runs_how_long_and_what_goes_over() -> None:
    text = "\n".join(one.plain for one in sent_lines(PRICE, 110))
    assert "train, report" in text and "2 cached" in text
    assert "here about 42 s · there about 12 s and 1 step not run there before" in text
    assert "data/split.parquet" not in text and "already there" in text
    assert "3.1 kB of 12.0 MB" in text
    assert 'on_mismatch = "warn"' in text
    assert question(PRICE).startswith("Send 2 steps to gpu? · here about 42 s")
    assert "1 thing differs" in question(PRICE)
    assert refusal(PRICE) == ""


def test_a_refusal_is_a_sentence_and_a_replay_is_called_one() -> None:
    refused = {**PRICE, "verdict": {"action": "refuse", "why": ["train needs 2 GPUs, gpu-a has 1"]}}
    assert refusal(refused) == "gpu refuses it: train needs 2 GPUs, gpu-a has 1"
    assert question({**PRICE, "replay": 41}).startswith("Replay run 41 on gpu?")


def test_a_cluster_that_cannot_say_what_it_has_gives_an_upper_bound() -> None:
    unsure = {**PRICE, "sure": False}
    assert "at most" in "\n".join(one.plain for one in sent_lines(unsure, 110))


def test_nothing_that_differs_is_said_too() -> None:
    text = "\n".join(one.plain for one in sent_lines({**PRICE, "parity": []}, 110))
    assert "✓ nothing differs" in text


def test_where_no_cluster_is_configured_it_says_what_to_write() -> None:
    text = "\n".join(one.plain for one in how_to("pyproject.toml"))
    assert "three lines\n  in pyproject.toml" in text and "[clusters.gpu]" in text and "docs/clusters.md" in text
    assert 'token = { env = "GPU_RAY_TOKEN" }' in text


@pytest.mark.parametrize(("took", "words"), [(5, "5 s"), (120, "2 min"), (7200, "2 h"), (400000, "5 days")])
def test_how_long_ago_is_one_number_and_a_word(took: float, words: str) -> None:
    assert ago(took) == words


def test_below_the_nodes_stands_what_there_is_in_all() -> None:
    assert below_nodes(LOOK) == "3 nodes · 10 CPUs · 5 GPUs (A100) · Ray 2.60.0 · ping 24 ms"
