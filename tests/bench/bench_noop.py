"""A run with nothing to do, and `status`, at 10 to 1,000 steps, engine warm and absent, against doit and the floor.

`python tests/bench/bench_noop.py`. doit comes from PyPI (`uv run --with doit …`); without it that column is left out.
"""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from measure import floor, instep, row, wall
from project import write_doit, write_project

from instep.engine.client import ask


def main() -> None:
    base = floor()
    print(f"floor: python -c pass {base * 1000:.1f} ms")
    for steps in (10, 100, 1_000):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            root = write_project(Path(folder) / "p", steps)
            where = ["-C", str(root)]
            wall(instep(*where, "run"), 1)
            row(f"{steps} steps: instep run, engine warm", wall(instep(*where, "run")), base, "python -c pass")
            row(f"{steps} steps: instep status, engine warm", wall(instep(*where, "status")), base, "python -c pass")
            helper = root / "lib" / "h0.py"
            _edit(root, helper, steps)
            for message in ask(root, {"op": "stop"}, start=False):
                assert message["t"] == "end"
            row(f"{steps} steps: instep run, no engine", wall(instep(*where, "run"), 5), base, "python -c pass")
            row(f"{steps} steps: instep status, no engine", wall(instep(*where, "status"), 5), base, "python -c pass")
            if find_spec("doit"):
                dodo = write_doit(Path(folder) / "d", steps)
                command = [sys.executable, "-m", "doit", "-v0"]
                wall(command, 1, str(dodo))
                row(f"{steps} steps: doit", wall(command, 9, str(dodo)), base, "python -c pass")


def _edit(root: Path, helper: Path, steps: int) -> None:
    """One helper edited: from the question to the engine's answer, beside a process that only asks."""
    import time

    text = helper.read_text()
    taken: list[float] = []
    for n in range(5):
        helper.write_text(text.replace("return x + 0", f"return x + {1000 + n}"))
        began = time.perf_counter()
        for message in ask(root, {"op": "status", "env": {}}, start=False):
            if message["t"] == "end":
                states = [one["state"] for one in message["doc"]["steps"]]  # type: ignore[index]
        taken.append(time.perf_counter() - began)
        assert states.count("stale") == 1
    helper.write_text(text)
    print(f"{steps} steps: one helper edited, question → decision: {min(taken) * 1000:.1f} ms best of 5")


if __name__ == "__main__":
    main()
