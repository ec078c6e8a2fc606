"""Everything a step says is in its live file, line by line, in order."""

import io
import logging
import sys
import warnings

import pytest

from instep.engine.scheduler import live
from instep.engine.scheduler.isolated import run_isolated
from instep.engine.scheduler.live import LiveFile, read_live


def said(bench, body, *streams):
    bench.step("import logging, sys, warnings\ndef work():\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    outcome = bench.run()
    assert outcome.items[0].failure is None, outcome.items[0].failure
    return bench.lines(*streams)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("print('a'); print('b', end=''); print('c')", ["a", "bc"]),
        ("print('no newline', end='')", ["no newline"]),
        ("print('a\\n\\nb')", ["a", "", "b"]),
        ("sys.stderr.write('x\\n')", ["x"]),
        ("sys.stdout.buffer.write(b'\\xff\\xc3'); sys.stdout.buffer.write(b'\\xa9\\n')", ["\ufffdé"]),
        ("for i in range(100): print(f'\\r{i}%', end='')\nprint()", ["99%"]),
        ("print('x' * 20000)", ["x" * 16384 + " … (3,616 more characters)"]),
        ("print('\\udcff')", ["?"]),
        ("sys.stdout.close(); print('still')", ["still"]),
        ("breakpoint()", ["breakpoint() does nothing inside a run: there is no terminal to debug in"]),
    ],
)
def test_print(bench, body, lines):
    said(bench, body)
    assert [str(one["m"]) for one in bench.records() if not one.get("r")] == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("logging.info('a %s', 1)", [("logging", "info", "a 1")]),
        ("logging.getLogger('lib').warning('w')", [("logging", "warning", "lib: w")]),
        ("logging.debug('a')", []),
        (
            "logging.basicConfig(level='DEBUG', format='%(asctime)s %(message)s'); logging.debug('a')",
            [("logging", "debug", "a")],
        ),
        (
            "log = logging.getLogger('lib'); log.addHandler(logging.StreamHandler()); log.warning('w')",
            [("stderr", "", "w")],
        ),
        (
            "logging.info('a %d', 'b')",
            [("logging", "info", "'a %d' could not be formatted: %d format: a real number is required, not str")],
        ),
        ("try: 1 / 0\nexcept ZeroDivisionError: logging.exception('oh')", None),
        ("warnings.warn('careful')", None),
    ],
)
def test_logging_and_warnings(bench, body, lines):
    said(bench, body)
    found = [(one["s"], one["l"], one["m"]) for one in bench.records()]
    if lines is None:
        assert {one[0] for one in found} <= {"logging", "warnings"}
        assert any("ZeroDivisionError" in one[2] or "UserWarning: careful" in one[2] for one in found)
    else:
        assert found == lines


def test_a_warning_is_seen_in_every_run(bench):
    for run in ("1", "1", "2"):
        bench.step("import warnings\ndef work(): warnings.warn('careful')")
        bench.run(run=run)
        assert len(bench.lines("warnings")) == 1


def test_a_handler_made_at_import_time_reaches_the_run_that_is_on(bench):
    bench.step(
        "import logging, sys\nhandler = logging.StreamHandler(sys.stdout)\ndef work(): handler.stream.write('x\\n')"
    )
    for _ in range(2):
        bench.run()
        assert bench.lines("stdout") == ["x"]


def test_all_is_as_before_afterwards(bench):
    root = logging.getLogger()
    before = (
        sys.stdout,
        sys.stderr,
        sys.stdin,
        list(root.handlers),
        root.level,
        logging.basicConfig,
        list(warnings.filters),
    )
    said(bench, "logging.basicConfig(level=10); logging.disable(50); warnings.simplefilter('error'); sys.stdout = None")
    after = (
        sys.stdout,
        sys.stderr,
        sys.stdin,
        list(root.handlers),
        root.level,
        logging.basicConfig,
        list(warnings.filters),
    )
    assert after == before
    assert root.manager.disable == 0


def test_c_code_and_child_processes_are_heard_in_processes_of_their_own(bench):
    bench.step("""
        import ctypes, os, sys
        def work():
            print("python")
            ctypes.CDLL(None).puts(b"from C")
            os.system("echo from a child")
            os.write(2, b"no newline")
    """)
    run_isolated(bench.assign())
    assert set(bench.lines("output")) == {"from C", "from a child", "no newline"}
    assert bench.lines("stdout") == ["python"]
    assert [one["k"] for one in read_live(bench.live)[0]][-1] == "end"


def test_a_hundred_thousand_lines(bench):
    assert len(said(bench, "for i in range(100_000): print(i)")) == 100_000


def test_more_than_the_cap_is_counted_not_kept(bench, monkeypatch):
    monkeypatch.setattr(live, "MAX_LINES", 100)
    lines = said(bench, "for i in range(1000): print(i)")
    assert lines[:100] == [str(number) for number in range(100)]
    assert lines[100:] == ["100 lines are kept of one task; the rest is counted, not kept"]
    assert bench.records("end")[0]["dropped"] == 900


def test_metrics_count_by_name(bench):
    bench.step("from instep import log\ndef work():\n    for i in range(3): log(loss=i / 2, acc=1)")
    bench.run()
    assert [(one["n"], one["v"], one["x"]) for one in bench.records("metric") if one["n"] == "loss"] == [
        ("loss", 0.0, 0), ("loss", 0.5, 1), ("loss", 1.0, 2),
    ]  # fmt: skip


def test_metrics_beyond_a_million_are_dropped_and_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "MAX_METRICS", 10_000)
    file = LiveFile(str(tmp_path / "live"))
    for number in range(20_000):
        file.metrics({"x": number})
        assert file._block_bytes <= live.BLOCK_BYTES + 200
    file.close()
    assert file.dropped == 10_000


def test_progress_and_attachments(bench):
    bench.step("""
        from instep import log, progress
        def work():
            for _ in progress(range(4)): pass
            log.text("note", "hello")
            log.text("bad", lambda: 0)
    """)
    bench.run()
    assert [(one["done"], one["total"]) for one in bench.records("progress")] == [(0, 4), (4, 4)]
    assert bench.records("attach")[0]["n"] == "note"


def test_an_unfinished_last_line_is_left_for_the_next_look(tmp_path):
    path = tmp_path / "live"
    path.write_bytes(b'{"k":"log","t":1,"i":null,"s":"stdout","l":"","m":"a"}\n{"k":"lo')
    records, offset = read_live(str(path))
    assert [one["m"] for one in records] == ["a"]
    with path.open("ab") as file:
        file.write(b'g","t":2,"i":null,"s":"stdout","l":"","m":"b"}\n')
    assert [one["m"] for one in read_live(str(path), offset)[0]] == ["b"]
    assert read_live(str(tmp_path / "absent")) == ([], 0)


def test_a_stream_is_text_as_others_expect_it():
    from instep.engine.scheduler.capture import STDOUT

    assert isinstance(STDOUT, io.TextIOBase)
    assert (STDOUT.encoding, STDOUT.errors, STDOUT.isatty(), STDOUT.writable()) == ("utf-8", "replace", False, True)
