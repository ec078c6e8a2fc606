"""Clusters that are not like this side: another Ray with another Python, and one that has nothing but Ray.

Their interpreters are made by uv when a test asks for them: a Ray of 70 MB is downloaded where uv's cache lacks it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ray_cluster import Cluster

from instep.engine.environment import read_packages
from instep.ide.cli import main
from instep.remote.build import lock_for
from instep.remote.needs import NEEDS
from instep.remote.preflight import Preflight, preflight

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

OTHER_RAY = "2.54.0"
OTHER_MINORS = ("3.12", "3.13")
PIPELINE = """
from instep import step

@step
def one():
    return {"n": 1}
"""


def interpreter(minor: str) -> str | None:
    """A Python of that minor version which is on the machine, by any of the usual ways; one that really starts."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{minor}*/bin/python{minor}"))
    for found in (shutil.which(f"python{minor}"), f"/usr/bin/python{minor}", *map(str, pyenv)):
        if found and Path(found).exists() and run([found, "-c", "import venv"]).returncode == 0:
            return found
    return None


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)


def with_ray(folder: Path, python: str, version: str) -> Path:
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there to make an interpreter with another Ray")
    made = folder / "bin" / "python"
    install = ["pip", "install", "--compile-bytecode", "--python", str(made), f"ray[default]=={version}"]
    for command in (["venv", "--python", python, str(folder)], install):
        done = run([uv, *command])
        if done.returncode:
            pytest.skip(f"uv could not make it: {done.stderr.strip().splitlines()[-1]}")
    return made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "project"
    root.mkdir()
    (root / "pipeline.py").write_text(PIPELINE)
    yield root


def attached(root: Path, cluster: Cluster, policy: str) -> Preflight:
    (root / "token").write_text(cluster.token)
    (root / "token").chmod(0o600)
    (root / "instep.toml").write_text(
        f'[clusters.there]\naddress = "{cluster.address}"\ntoken = {{ file = "{root}/token" }}\n'
        f'on_mismatch = "{policy}"\n'
    )
    return preflight(root, "there", {})


def test_another_ray_on_another_python_is_attached_to_and_told_before_anything_is_sent(
    project: Path, tmp_path: Path, start: Callable[..., Cluster], capsys: pytest.CaptureFixture[str]
) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = [python for minor in OTHER_MINORS if minor != here and (python := interpreter(minor))]
    if not found:
        pytest.skip(f"no Python {' or '.join(OTHER_MINORS)} on this machine")
    python = with_ray(tmp_path / "other", found[0], OTHER_RAY)
    there = attached(project, start(python=python), "warn")

    assert there.cluster.ray == there.cluster.head.ray == OTHER_RAY
    assert there.cluster.head.minor != here
    assert there.cluster.interpreter == str(python)
    rows = {(row.kind, row.subject): row for row in there.rows}
    assert rows["python", "python"].effect == "key"  # what works: results are kept apart
    assert rows["ray", "ray"].there == OTHER_RAY and rows["ray", "ray"].effect == "may"
    assert rows["need", "blake3"].effect == "stops"  # what cannot, and is said now
    assert there.verdict.action == "refuse"
    assert main(["-C", str(project), "attach", "there"]) == 1
    out = capsys.readouterr().out
    assert f"Ray {OTHER_RAY} · Python {there.cluster.head.python}" in out
    assert "they will not be run there:" in out and "blake3" in out


MAKE = """
import json, sys, ray
from instep.remote.machine_env import make
print(json.dumps(make("key", json.loads(sys.argv[1]))))
"""


def test_an_interpreter_with_nothing_but_ray_is_enough_where_an_environment_may_be_built(tmp_path: Path) -> None:
    import ray

    bare = with_ray(tmp_path / "bare", sys.executable, ray.__version__)
    lock = lock_for([], read_packages(tmp_path / "packages.json"))
    cache = run(["uv", "cache", "dir"]).stdout.strip()
    env = os.environ | {
        "HOME": str(tmp_path),
        "UV_CACHE_DIR": cache,
        "PYTHONPATH": str(Path(__file__).parents[2] / ".dev"),
    }
    command = [str(bare), "-c", MAKE, json.dumps(dict(lock.pins))]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    made = json.loads(done.stdout.splitlines()[-1])
    # psutil among them: Ray has one of its own, for processes that have imported it.
    assert set(NEEDS) <= set(made["installed"]), made
    python = tmp_path / ".instep" / "envs" / "key" / "bin" / "python"
    for module in ("instep.remote.agent", "instep.engine.scheduler.worker", *("polars", "pyarrow", "ray")):
        subprocess.run([str(python), "-c", f"import {module}"], env=env, check=True)
