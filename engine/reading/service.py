"""`python -m instep.engine.reading.service ROOT`: answers a screen's questions, one JSON object a line.

A question is {"id", "op", …}; its answer {"id", "doc"} or {"id", "problems"}. Questions are answered in turn; one that
nobody waits for any more ({"op": "drop", "ids"}) is left out. The process ends with the one that started it.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from ..errors import InstepError, problem_to_json
from .desk import Answerer, Desk, Document

ANSWERERS: Mapping[str, str] = {
    "runs": "history",
    "about": "history",
    "brief": "history",
    "mark": "history",
    "why": "why",
    "run": "runs",
    "step": "runs",
    "series": "runs",
    "source": "runs",
    "outputs": "outputs",
    "value": "outputs",
    "table": "tables",
    "page": "tables",
    "cell": "tables",
    "profile": "profile",
    "changes": "versions",
    "ask": "console",
    "answered": "console",
    "names": "console",
    "export": "exports",
    "log": "logs",
    "log_find": "logs",
    "timeline": "timeline",
    "neighbours": "timeline",
    "latest": "steps",
    "live_series": "steps",
    "since": "steps",
    "tail": "steps",
    "code": "steps",
    "set_param": "steps",
    "clusters": "clusters",
    "set_cluster": "clusters",
    "parity": "clusters",
    "compare": "comparing",
    "compare_code": "comparing",
    "compare_series": "comparing",
    "compare_table": "comparing",
    "compare_time": "comparing",
    "compare_many": "comparing",
    "export_many": "comparing",
}
"""Which module of this package answers what; the function has the name of the `op`."""
NICE = 5


def answer(desk: Desk, question: Mapping[str, Any]) -> Document:  # Any: JSON
    """The answer to one question, as JSON: never raises."""
    try:
        return {"id": question.get("id"), "doc": _answerer(str(question["op"]))(desk, question)}
    except InstepError as error:
        return {"id": question.get("id"), "problems": [problem_to_json(one) for one in error.problems]}
    except Exception as error:
        import traceback

        traceback.print_exc()
        problem = {"what": f"instep itself failed: {type(error).__name__}: {error}", "place": None, "why": ""}
        told = problem | {"mend": "This is a bug of instep; .instep/reading.log has the details."}
        return {"id": question.get("id"), "problems": [told]}


def _answerer(op: str) -> Answerer:
    return getattr(import_module(f".{ANSWERERS[op]}", __package__), op)


def serve(root: Path, questions: TextIO, answers: TextIO) -> None:
    """Answer until there are no more questions."""
    desk = Desk(root)
    waiting: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    dropped: set[int] = set()

    def listen() -> None:
        for line in questions:
            question = json.loads(line)
            if question.get("op") == "drop":
                dropped.update(question["ids"])
            else:
                waiting.put(question)
        waiting.put(None)

    threading.Thread(target=listen, daemon=True).start()
    threading.Thread(target=_warm, daemon=True).start()
    while (question := waiting.get()) is not None:
        if question.get("id") in dropped:
            dropped.discard(question["id"])
            continue
        from ..strict_json import plain

        answers.write(json.dumps(plain(answer(desk, question)), ensure_ascii=True, separators=(",", ":")) + "\n")
        answers.flush()


def _warm() -> None:
    """Have at hand what nearly every answer needs, while nobody has asked yet."""
    with suppress(ImportError):
        import duckdb

        del duckdb


def main() -> int:
    with suppress(OSError):
        os.nice(NICE)
    os.umask(0o077)
    with suppress(BrokenPipeError):
        serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
