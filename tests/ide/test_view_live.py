"""What is known now, after each message of the engine."""

from typing import Any

from instep.ide.views.frame import bottom, cost, top
from instep.ide.views.live import Live, take
from instep.ide.views.steps import error_lines, headline, rail_line, state, summary, why


def step(name: str, plan: str = "fresh", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "state": plan, "reasons": [], "blind_spots": [], "seconds": 2.0, "needs": [],
        "place": ["a.py", 1], "params": {}, "outputs": [name], "auto": True, "fan": False, "gpus": 0,
    } | more  # fmt: skip


def picture(*steps: dict[str, Any], paths: tuple[str, ...] = ()) -> dict[str, Any]:
    document = {"project": "p", "steps": list(steps), "problems": [], "auto": True, "config": "instep.toml"}
    return {"t": "picture", "doc": document, "paths": list(paths)}


def after(*messages: dict[str, Any], live: Live | None = None) -> Live:
    live = live or Live()
    for at, message in enumerate(messages):
        live = take(live, message, float(at), float(at))
    return live


def reason(kind: str, text: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "text": text, "subject": "", "before": None, "after": None, "via": [], "place": None} | more


RUN = {"t": "run", "run": 7, "steps": [{"name": "a", "state": "fresh"}, {"name": "b", "state": "stale"}]}


def test_not_known_yet_is_not_none() -> None:
    assert not Live().loaded
    assert cost(Live()) == ""
    assert after(picture()).loaded


def test_a_save_says_which_steps_it_made_stale() -> None:
    live = after(picture(step("a"), step("b")), picture(step("a"), step("b", "stale"), paths=("m.py",)))
    assert live.activity[-1].text == "saved m.py → 1 step stale: b"
    assert after(picture(step("a"), paths=("m.py",))).activity[-1].text == "saved m.py → nothing stale"


def test_a_run_from_start_to_end() -> None:
    live = after(picture(step("a"), step("b", "stale", needs=["a"])), RUN)
    assert live.going
    assert state(live.steps["b"], 9.0) == ("◌", "waits a", "stale")
    live = take(live, {"t": "step", "step": "b", "state": "running", "counts": {}}, 3.0, 10.0)
    live = take(live, {"t": "progress", "step": "b", "metrics": {"loss": 0.5}, "done": 5, "total": 20}, 3.0, 11.0)
    assert state(live.steps["b"], 12.0) == ("▶", "2.0 s 25%", "running")
    assert "eta 6.0 s" in headline(live.steps["b"], 12.0, 80).plain
    live = take(live, {"t": "step", "step": "b", "state": "done", "counts": {}, "seconds": 2.5}, 5.0, 13.0)
    assert state(live.steps["b"], 13.0) == ("✓", "2.5 s", "ok")
    ended = {"run": 7, "state": "done", "seconds": 3.0, "steps": [{"state": "reused"}, {"state": "done"}]}
    live = take(live, {"t": "ran", "doc": ended}, 6.0, 14.0)
    assert not live.going
    assert live.activity[-1].text == "run 7 done in 3.0 s — 1 run, 1 cached"


def test_what_a_run_said_is_gone_when_the_step_is_stale_again() -> None:
    done = {"t": "step", "step": "b", "state": "done", "counts": {}, "seconds": 2.5}
    ended = {"t": "ran", "doc": {"run": 7, "state": "done", "seconds": 3.0, "steps": []}}
    live = after(picture(step("a"), step("b", "stale")), RUN, done, ended, picture(step("a"), step("b")))
    assert state(live.steps["b"], 0.0)[1] == "2.5 s"
    live = after(picture(step("a"), step("b", "stale")), live=live)
    assert state(live.steps["b"], 0.0)[1] == "stale"


def test_a_lost_engine_keeps_what_was_known() -> None:
    live = after(picture(step("a"), step("b", "stale")), RUN, {"t": "lost", "problems": []})
    assert live.engine == "lost"
    assert not live.going
    assert list(live.steps) == ["a", "b"]


def test_the_price_before_the_press() -> None:
    def price(*steps: dict[str, Any]) -> str:
        return cost(after(picture(*steps)))

    assert price(step("a")) == "nothing to run"
    assert price(step("a", "stale", seconds=38.0), step("b", "stale", seconds=3.0)) == "2 steps, about 41 s (a 38 s)"
    assert price(step("a", "stale", seconds=38.0), step("b", "pending", seconds=3.0))[:21] == "2 steps, at most 41 s"
    assert price(step("a", "stale", seconds=None)) == "1 step, not run before"
    assert "+ 1 not run before" in price(step("a", "stale", seconds=None), step("b", "stale", seconds=1.0))


def test_why_names_the_reason_the_way_there_and_blind_spots() -> None:
    found = reason("helper", "helper pad() changed", via=["train", "fit", "pad"])
    live = after(picture(step("a", "stale", reasons=[found], blind_spots=["eval in a.py:3"])))
    told = [line.plain for line in why(live.steps["a"])]
    assert told == ["stale because helper pad() changed  through train → fit → pad", "? eval in a.py:3"]


def test_pending_says_after_what() -> None:
    waits = reason("input", "its input may change", via=["train", "score"])
    live = after(picture(step("score", "pending", reasons=[waits])))
    assert state(live.steps["score"], 0.0)[1] == "after train"


def test_a_step_that_waits_for_a_key_says_so() -> None:
    live = after(picture(step("a", "stale", auto=False)))
    assert state(live.steps["a"], 0.0)[1] == "stale, waits for r"


def test_names_of_eighty_characters_and_escape_codes_do_not_break_a_row() -> None:
    name = "x" * 80
    live = after(picture(step(name)))
    line = rail_line("●", live.steps[name], 0.0, 40, 28)
    assert line.cell_len <= 40
    error = {"title": "\x1b[31mred", "message": "\x1b]0;title\x07bad", "frames": [], "arguments": {"a": "\x1b[2J"}}
    assert not any("\x1b" in line.plain for line in error_lines(error, 80))


def test_the_summary_counts() -> None:
    assert summary(after(picture(step("a"), step("b", "stale"), step("c", "failed")))) == "3 steps · 1 stale · 1 failed"


def test_the_bars_fit_any_width() -> None:
    from instep.ide.keys import valid_in

    live = after(picture(step("a")), {"t": "git", "branch": "b" * 50, "dirty": True})
    for width in (20, 40, 80, 120, 200):
        assert top(live, "runs", width).cell_len <= max(width, 45)
        line = bottom((one for one in valid_in("runs") if one.shown), lambda _: "", top(live, "", 1)[:0], width)
        assert line.cell_len <= width
