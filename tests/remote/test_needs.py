"""The list of what a cluster needs, held against what is imported there."""

import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

from instep.remote.needs import NEEDS

ROOT = Path(__file__).parents[2]
WORKER = "instep.engine.scheduler.worker"
FOR_VALUES_OF_THAT_KIND = {"pandas", "matplotlib"}
"""Imported only where a step itself has made a value with them."""


def imported_from(module: str) -> set[str]:
    """The third-party modules that a module leads to, imports within functions counted."""
    graph = grimp.build_graph("instep", include_external_packages=True)
    seen: set[str] = set()
    outside: set[str] = set()
    todo = [module]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        for other in graph.find_modules_directly_imported_by(one):
            (todo.append if other.startswith("instep") else outside.add)(other)
    return {name for name in outside if name not in sys.stdlib_module_names}


def test_a_worker_imports_nothing_but_what_the_list_has() -> None:
    found = imported_from(WORKER)
    assert {"blake3", "pyarrow"} <= found  # the search finds something
    assert found - FOR_VALUES_OF_THAT_KIND - {"ray"} <= set(NEEDS)


BLOCKED = """
import importlib, sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
allowed = {"instep", "ray", *sys.argv[2].split(",")}
sys.meta_path.insert(0, Bare())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("module", [WORKER, "instep.remote.agent", "instep.remote.probe", "instep.remote.machine_env"])
def test_what_runs_there_starts_where_nothing_else_is_installed(module: str) -> None:
    if not (ROOT / f"{module.removeprefix('instep.').replace('.', '/')}.py").exists():
        pytest.skip(f"{module} is not there")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, module, ",".join(NEEDS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_the_oldest_versions_are_those_of_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    least = {name: version for name, _, version in (one.partition(">=") for one in wanted)}
    assert {name: least[name] for name in NEEDS} == NEEDS
