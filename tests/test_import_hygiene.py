"""What a command may not import, because each import would be paid by every call of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"ray", "duckdb", "polars", "pyarrow", "pandas", "numpy", "textual", "rich", "psutil", "watchdog", "blake3"}
ROOT = Path(__file__).parents[1]


def imported(code: str, cwd: Path) -> set[str]:
    """The top-level modules that a fresh interpreter has after `code`."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(chr(10).join(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT / ".dev")},
    )
    return {name.partition(".")[0] for name in told.stdout.split()}


def test_user_code_pays_for_the_standard_library_only(tmp_path: Path) -> None:
    found = imported("from instep import Each, File, log, progress, step", tmp_path)
    assert not found & HEAVY


@pytest.mark.parametrize("words", [["run"], ["status"], ["-h"]])
def test_a_command_imports_nothing_heavy_before_it_needs_it(tmp_path: Path, words: list[str]) -> None:
    code = f"from instep.ide.cli import main\ntry:\n    main({words!r})\nexcept SystemExit:\n    pass"
    assert not imported(code, tmp_path) & HEAVY


def test_status_without_an_engine_imports_no_data_library(tmp_path: Path) -> None:
    (tmp_path / "instep.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "pipeline.py").write_text("from instep import step\n@step\ndef a(): return 1\n")
    found = imported("from instep.ide.cli import main\nmain(['status'])", tmp_path)
    assert not found & {"ray", "duckdb", "polars", "pyarrow", "pandas", "numpy", "textual"}


DATA = {"ray", "duckdb", "polars", "pyarrow", "pandas", "numpy", "blake3"}
OPENED = """
import asyncio
from pathlib import Path
from instep.ide import opening
from instep.ide.app import InstepApp
async def paint():
    app = InstepApp(Path.cwd(), None)
    async with app.run_test() as pilot:
        for place in ("pipeline", "runs", "data", "logs", "time", "start"):
            await app.show_place(place)
            await pilot.pause()
asyncio.run(paint())
"""


def test_the_process_that_draws_imports_no_data_library_and_no_ray(tmp_path: Path) -> None:
    assert not imported(OPENED, tmp_path) & DATA
