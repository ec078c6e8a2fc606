"""An environment made on a cluster: only what differs, beside what is there, once for each lock, or one sentence."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ray_cluster import Cluster, until

import instep.remote.build as build_module
from instep.engine.environment import PYTHON, Packages
from instep.engine.errors import ClusterRefused
from instep.engine.ids import Digest, new_id
from instep.engine.project import load_project
from instep.remote.build import Lock, ensure_environment
from instep.remote.cluster import attach
from instep.remote.facts import ClusterFacts
from instep.remote.jobs import JobsPort
from instep.remote.profile import Profile

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

OTHER = "1.1.1"
"""Of `iniconfig`, a pure Python package of 10 kB that pytest brings in a newer version."""
SHOW = """
import importlib.metadata as m, json, sys, ray
ray.init(log_to_driver=False)
@ray.remote(num_cpus=0, num_gpus=1)
def show():
    import numpy
    return [m.version("iniconfig"), sys.executable, numpy.__version__]
print("SHOW", json.dumps([m.version("iniconfig"), ray.get(show.remote())]))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("build")
    (root / "instep.toml").write_text("")
    return root / ".instep"


@pytest.fixture(scope="module")
def facts(cluster: Cluster, store: Path) -> ClusterFacts:
    token = store.parent / "token"
    token.write_text(cluster.token)
    return attach(load_project(store.parent), Profile("gpu", cluster.address, {"file": str(token)}))


def test_an_environment_is_made_once_and_every_node_runs_by_it(
    cluster: Cluster, store: Path, facts: ClusterFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy

    lock = Lock({"iniconfig": OTHER, "numpy": numpy.__version__}, PYTHON)
    said: list[str] = []
    with JobsPort(cluster.address, cluster.token) as port:
        built = ensure_environment(port, store, facts, lock, said.append)
        assert dict(built.installed) == {"iniconfig": OTHER}  # numpy is there as it should be
        assert len(built.on) == 2 and "2 of 2 nodes" in said[0]
        for node in (cluster.head, *cluster.workers):
            assert (node.home / ".instep" / "envs" / lock.key / "instep.json").exists()

        name = new_id()
        port.submit(name, f"{lock.py_executable} -c '{SHOW}'", runtime_env=built.runtime_env)
        job = until(lambda: port.job(name), lambda job: job is not None and job.ended)
        log = port.logs(name)
        assert job and job.state == "succeeded", log
        line = next(line for line in log.splitlines() if line.startswith("SHOW "))
        driver, (worker, executable, numpy_there) = json.loads(line.removeprefix("SHOW "))
        assert (driver, worker, numpy_there) == (OTHER, OTHER, numpy.__version__)
        assert executable == str(cluster.workers[0].home / ".instep" / "envs" / lock.key / "bin" / "python")

        # What the cluster has for everybody is untouched, and nothing is asked again.
        monkeypatch.setattr(build_module, "run_there", None)
        assert ensure_environment(port, store, facts, lock).on == tuple(sorted(built.on))
    assert facts.head.packages["iniconfig"] != OTHER


def test_what_cannot_be_installed_is_one_sentence_with_the_installers_own_words(
    cluster: Cluster, store: Path, facts: ClusterFacts
) -> None:
    lock = Lock({"iniconfig": "0.0.0"}, PYTHON)
    with (
        JobsPort(cluster.address, cluster.token) as port,
        pytest.raises(ClusterRefused, match=r"(?s)could not be made on .*: .*iniconfig==0\.0\.0"),
    ):
        ensure_environment(port, store, facts, lock)


MAKE = """
import json, sys
from instep.remote.machine_env import make
print(json.dumps(make(sys.argv[1], json.loads(sys.argv[2]))))
"""


def make(home: Path, pins: dict[str, str], path: str) -> dict[str, object]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", MAKE, "key", json.dumps(pins)],
        env=env | {"HOME": str(home), "PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_machine_without_uv_installs_with_pip_and_an_interrupted_try_is_made_anew(tmp_path: Path) -> None:
    bare = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "uv").exists()
    )
    assert shutil.which("uv", path=bare) is None
    half = tmp_path / ".instep" / "envs" / "key"
    half.mkdir(parents=True)
    (half / "rest").write_text("of a try that was killed")
    first = make(tmp_path, {"iniconfig": OTHER}, bare)
    assert (first["state"], first["installed"]) == ("built", {"iniconfig": OTHER})
    assert not (half / "rest").exists()
    assert make(tmp_path, {"iniconfig": OTHER}, bare)["state"] == "there"


def test_nothing_is_downloaded_where_nothing_differs(tmp_path: Path) -> None:
    import numpy

    made = make(tmp_path, {"numpy": numpy.__version__}, "/nowhere")
    assert (made["state"], made["installed"]) == ("built", {})


def test_a_lock_is_of_all_that_can_be_loaded_and_of_neither_ray_nor_what_only_ray_needs() -> None:
    packages = Packages(
        Digest(""),
        {"a": "1", "b": "2", "c": "3", "ray": "2.60.0", "click": "8", "numpy": "2.3", "other": "1"},
        {"a": ["a"], "ray": ["ray"]},
        {"a": ["b", "ray"], "b": ["c"], "ray": ["click"]},
    )
    lock = build_module.lock_for({"a", "ray"}, packages)
    assert dict(lock.pins) == {"a": "1", "b": "2", "c": "3", "numpy": "2.3"}
    assert lock.key == build_module.lock_for({"a"}, packages).key
    assert lock.key != Lock(lock.pins, "3.99").key
