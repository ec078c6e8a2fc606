"""A page of a log is that page of all its lines, filtered; whatever the order in which they came."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged_run import LoggedRun, logged

from instep.engine.errors import UsageError
from instep.engine.reading.desk import Desk
from instep.engine.reading.log_index import RANKS, Line, LogIndex, Wanted
from instep.engine.reading.logs import log, log_find
from instep.engine.snapshots.catalog import Catalog
from instep.engine.snapshots.duck import FILE, in_memory
from instep.engine.snapshots.gate import hold

LEVELS = ["", "debug", "info", "warning", "error", "critical", "notice"]
WORDS = ["retry", "Retry", "é日本", "loss 0.5", "\x1b[31mred\x1b[0mtry", "'\"%_", "\x00", "\ud800"]


def rank(level: str) -> int:
    return {"debug": 0, "warning": 2, "error": 3, "critical": 3}.get(level, 1)


def seen(text: str) -> str:
    """As the index has it: without colours, without halves of characters."""
    return text.replace("\x1b[31m", "").replace("\x1b[0m", "").encode("utf-8", "replace").decode()


def wanted(line: Line, step: str, level: str, text: str) -> bool:
    told = seen(line[6])
    found = text in told if text != text.lower() else text in told.lower()
    return (not step or line[1] == step) and rank(line[5]) >= RANKS.index(level) and found


@st.composite
def lines(draw: st.DrawFn) -> list[Line]:
    """Lines in the order in which they come: by and large that of time."""
    said = draw(
        st.lists(
            st.tuples(
                st.integers(-9, 9),
                st.sampled_from(["a", "b"]),
                st.sampled_from(LEVELS),
                st.lists(st.sampled_from(WORDS), max_size=3),
            ),
            max_size=40,
        )
    )
    return [
        (1000 + at * 5 + late, step, at, None, "stdout", level, " ".join(words))
        for at, (late, step, level, words) in enumerate(said)
    ]


filters = st.tuples(
    st.sampled_from(["", "a", "b", "no"]),
    st.sampled_from(RANKS),
    st.sampled_from(["", "retry", "Retry", "RETRY", "日", "loss", "'", "%", "redtry", "\x00"]),
)


@settings(max_examples=80)
@given(lines(), st.lists(st.integers(0, 40)), st.lists(filters, min_size=1), st.integers(0, 45), st.integers(0, 12))
def test_pages_and_rows_are_those_of_the_list_filtered_also_while_it_grows(tmp_path_factory, said, cuts, asked, at, n):
    index = LogIndex(in_memory(tmp_path_factory.getbasetemp()))
    bounds = sorted({0, len(said), *(one for one in cuts if one < len(said))})
    for begin, end in zip(bounds, [*bounds[1:], len(said)], strict=True):
        index.add(said[begin:end])
        index.settle()
        there = sorted(said[:end], key=lambda one: one[:3])
        for step, level, text in asked:
            want = Wanted(step, RANKS.index(level), (text,) if text else ())
            left = [one for one in there if wanted(one, step, level, text)]
            assert index.matching(want) == len(left)
            page = [(*row[:6], row[7]) for row in index.page(want, at, n)]
            assert page == [(*one[:6], seen(one[6])) for one in left[at : at + n]]
            found = [row for row, one in enumerate(left) if wanted(one, "", "debug", "try")]
            assert index.rows_with(want, "try").tolist() == found
            for one in there[:3]:
                after = [row for row, other in enumerate(left) if other[:3] >= one[:3]]
                assert index.row_of(want, one[:3]) == (after[0] if after else None)
    index.close()


@pytest.fixture
def two_steps(tmp_path: Path) -> Path:
    logged(
        tmp_path,
        {
            "train": [(10, "stdout", "", "epoch 1"), (30, "logging", "warning", "slow"), (50, "stdout", "", "epoch 2")],
            "clean": [(20, "stdout", "", "rows 5"), (40, "logging", "error", "no rows left")],
        },
    )
    return tmp_path


def texts(document: dict) -> list[str]:
    return [row[7] for row in document["rows"]]


def test_an_ended_run_is_told_in_order_of_time_as_the_catalog_has_it(two_steps):
    told = log(Desk(two_steps), {})
    assert texts(told) == ["epoch 1", "rows 5", "slow", "no rows left", "epoch 2"]
    assert texts(told) == [one["text"] for one in Catalog(two_steps / ".instep").logs(1)]
    assert (told["number"], told["state"], told["going"], told["total"]) == (1, "done", False, 5)
    assert told["counts"] == [["clean", 1, 1], ["clean", 3, 1], ["train", 1, 2], ["train", 2, 1]]
    assert texts(log(Desk(two_steps), {"step": "train", "offset": 1, "count": 1})) == ["slow"]
    assert texts(log(Desk(two_steps), {"level": "warning", "end": True, "count": 1})) == ["no rows left"]


def test_matches_are_found_forwards_and_backwards_and_round_the_end(two_steps):
    desk = Desk(two_steps)

    def find(row: int, by: int, text: str = "ep") -> tuple:
        return tuple(log_find(desk, {"number": 1, "find": text, "row": row, "by": by}).values())

    assert [find(0, 0), find(0, 1), find(4, 1), find(0, -1), find(1, 0)] == [
        (0, 1, 2),
        (4, 2, 2),
        (0, 1, 2),
        (4, 2, 2),
        (4, 2, 2),
    ]
    assert find(0, 1, "nowhere") == (None, 0, 0)


def test_a_line_is_found_again_when_the_filter_changes(two_steps):
    desk = Desk(two_steps)
    slow = log(desk, {})["rows"][2][:3]
    assert log(desk, {"anchor": slow})["anchor"] == 2
    assert log(desk, {"anchor": slow, "step": "train"})["anchor"] == 1
    assert log(desk, {"anchor": slow, "step": "clean"})["anchor"] == 1  # the next one that is left
    assert log(desk, {"anchor": slow, "text": "rows 5"})["anchor"] is None


def test_a_live_file_that_grows_is_told_as_far_as_it_is(tmp_path):
    run, desk = LoggedRun(tmp_path), Desk(tmp_path)
    assert log(desk, {})["total"] == 0
    run.say("train", [(10, "stdout", "", "one")])
    with run.path("train").open("a") as file:
        file.write('{"k":"log","t":40,"i":null,"s":"stdout","l":"","m":"not yet ended')
    told = log(desk, {})
    assert (texts(told), told["going"], told["state"]) == (["one"], True, "running")
    with run.path("train").open("a") as file:
        file.write(' line"}\n')
    run.say("clean", [(20, "stdout", "", "late")], item=3)
    told = log(desk, {"number": 1})
    assert texts(told) == ["one", "late", "not yet ended line"]
    assert told["rows"][1][3] == 3
    run.end("train")
    run.end("clean")
    run.finish()
    told = log(desk, {"number": 1})
    assert (texts(told), told["going"], told["state"]) == (["one", "late", "not yet ended line"], False, "done")
    assert log(Desk(tmp_path), {})["rows"] == told["rows"]


def test_of_a_progress_bar_the_last_state_is_told_when_it_is_certain(tmp_path):
    run, desk = LoggedRun(tmp_path), Desk(tmp_path)
    for text in ("10 %", "20 %"):
        with run.path("train").open("a") as file:
            file.write(f'{{"k":"log","t":10,"i":null,"s":"stderr","l":"","m":"{text}","r":true}}\n')
    assert texts(log(desk, {})) == []
    with run.path("train").open("a") as file:
        file.write('{"k":"end","t":20,"i":null,"lines":2,"dropped":0}\n')
    assert texts(log(desk, {})) == ["20 %"]
    assert texts(log(desk, {})) == ["20 %"]
    run.finish()


def test_of_a_run_that_was_killed_every_line_is_told(tmp_path):
    """The catalog knows nothing of a launch that did not end."""
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path; from logged_run import LoggedRun; import os
run = LoggedRun(Path({str(tmp_path)!r}))
run.say("train", [(10, "stdout", "", "last words"), (20, "output", "", "Segmentation fault")])
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    told = log(Desk(tmp_path), {})
    assert (texts(told), told["state"], told["going"]) == (["last words", "Segmentation fault"], "interrupted", False)


def test_a_catalog_that_cannot_be_brought_up_to_date_hides_no_line(tmp_path):
    store = tmp_path / ".instep"
    logged(tmp_path, {"train": [(10, "stdout", "", "first run")]})
    assert texts(log(Desk(tmp_path), {})) == ["first run"]
    logged(tmp_path, {"train": [(10, "stdout", "", "second run")]})
    with hold(store, exclusive=False):  # as the screen of somebody who reads for long: nobody can write
        assert texts(log(Desk(tmp_path), {})) == ["second run"]


def test_while_another_process_has_the_catalog_open_lines_come_from_the_live_files(tmp_path):
    number = logged(tmp_path, {"train": [(10, "stdout", "", "said")]})
    assert texts(log(Desk(tmp_path), {})) == ["said"]
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    command = [sys.executable, "-c", script, str(tmp_path / ".instep" / FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert texts(log(Desk(tmp_path), {})) == ["said"]
        assert texts(log(Desk(tmp_path), {"number": number})) == ["said"]
        other.communicate("\n")


def test_what_only_looks_like_a_record_is_a_line_of_its_time(tmp_path):
    run = LoggedRun(tmp_path)
    run.say("train", [(20, "stdout", "", "mine")])
    with run.path("train").open("a") as file:
        file.write('{"k":"log","t":1000000000000000000000000000000,"s":7,"l":null,"m":["not","a","text"]}\n')
        file.write('{"k":"log","t":-5}\n')
        file.write("no record at all\n")
    told = log(Desk(tmp_path), {})
    assert sorted(texts(told)) == sorted(["mine", "['not', 'a', 'text']", "", "no record at all"])
    run.finish()


def test_only_so_many_logs_are_kept_open(tmp_path, monkeypatch):
    desk = Desk(tmp_path)
    for at in range(4):
        number = logged(tmp_path, {"train": [(10, "stdout", "", f"run {at}")]})
        assert texts(log(desk, {"number": number})) == [f"run {at}"]
    assert len(desk.kept["logs"]) == 2
    assert texts(log(desk, {"number": 1})) == ["run 0"]
    monkeypatch.setattr("instep.engine.reading.logs._LINES", 1)
    assert texts(log(desk, {"number": 2})) == ["run 1"]
    assert list(desk.kept["logs"]) == [2]


def test_nothing_recorded_yet_is_no_mistake_and_a_run_that_is_not_there_is_one(tmp_path):
    assert log(Desk(tmp_path), {})["number"] is None
    assert log_find(Desk(tmp_path), {"find": "x"})["count"] == 0
    logged(tmp_path, {"train": []} | {"train": [(10, "stdout", "", "x")]})
    with pytest.raises(UsageError, match="no run 7"):
        log(Desk(tmp_path), {"number": 7})
    with pytest.raises(UsageError, match="no level `loud`"):
        log(Desk(tmp_path), {"number": 1, "level": "loud"})
