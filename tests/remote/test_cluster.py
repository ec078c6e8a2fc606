"""Attaching to real clusters: what is told of them, and the one sentence where it cannot be."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ray_cluster import Cluster, ports

import instep.remote.cluster as cluster_module
from instep.engine.errors import ClusterRefused, ClusterUnreachable
from instep.engine.project import Project, load_project
from instep.remote.cluster import attach
from instep.remote.facts import ClusterFacts, forget, remembered
from instep.remote.jobs import JobsPort
from instep.remote.package import ensure_package, package_bytes, package_name
from instep.remote.profile import Profile

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "instep.toml").write_text("")
    return load_project(tmp_path)


@pytest.fixture
def gpu(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Profile:
    monkeypatch.setenv("GPU_TOKEN", cluster.token)
    return Profile("gpu", cluster.address, {"env": "GPU_TOKEN"})


def test_attaching_tells_what_is_there_and_remembers_it_for_its_owner_only(
    project: Project, gpu: Profile, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platform

    import ray

    facts = attach(project, gpu, declared=["HOME", "NOT_SET_ANYWHERE"])
    assert (facts.total("CPU"), facts.total("GPU"), facts.gpu_kinds) == (3, 2, ("A100",))
    assert (facts.ray, facts.head.ray, facts.head.python) == (ray.__version__,) * 2 + (platform.python_version(),)
    assert facts.interpreter == str(cluster.python)
    assert len(facts.machines) == len(facts.alive) == 2
    assert [machine.node_id for machine in facts.machines] == [node.node_id for node in facts.alive]
    assert facts.head.packages["numpy"] and facts.head.home_free
    assert facts.head.home == str(cluster.head.home)
    assert not facts.open
    # Of a variable's value nothing leaves but a digest, and homes that differ have different ones.
    assert set(facts.head.env) == {"HOME"}
    assert facts.machines[0].env != facts.machines[1].env
    assert str(cluster.head.home) not in json.dumps([dict(machine.env) for machine in facts.machines])

    kept = project.store / "clusters" / "gpu.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert cluster.token not in kept.read_text()
    assert remembered(project.store, "gpu") == facts == ClusterFacts.from_json(json.loads(kept.read_text()))

    # Nothing changed there: nothing is run there.
    monkeypatch.setattr(cluster_module, "run_there", None)
    again = attach(project, gpu, declared=["HOME"])
    assert again.machines == facts.machines
    with pytest.raises(TypeError):  # a variable that was not looked for needs another look
        attach(project, gpu, declared=["PATH"])
    assert forget(project.store, "gpu") and not forget(project.store, "gpu")

    with JobsPort(gpu.address, cluster.token) as port:
        assert not [job for job in port.jobs() if job.metadata.get("instep") == "probe"]


def test_the_code_that_runs_there_is_one_package_uploaded_once(gpu: Profile, cluster: Cluster) -> None:
    with JobsPort(gpu.address, cluster.token) as port:
        assert ensure_package(port) == f"gcs://{package_name()}"
        assert port.has_package(package_name())
    assert package_bytes() == package_bytes()
    assert len(package_bytes()) < 1_000_000


def test_a_wrong_token_no_token_and_nobody_there_are_three_sentences(
    project: Project, gpu: Profile, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ClusterRefused, match="wants a token, and the profile names none"):
        attach(project, Profile("gpu", cluster.address))
    monkeypatch.setenv("GPU_TOKEN", "wrong")
    with pytest.raises(ClusterRefused, match="does not accept this token"):
        attach(project, gpu)
    with pytest.raises(ClusterUnreachable, match=r"(?s)cannot reach .*Connection refused.*dashboard"):
        attach(project, Profile("gpu", f"http://127.0.0.1:{ports('none')['none']}"))
    assert remembered(project.store, "gpu") is None


def test_a_cluster_that_is_open_to_everybody_is_refused_before_the_token_goes_there(
    project: Project, start: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = start(token="")
    monkeypatch.setenv("GPU_TOKEN", "mine")
    sent: list[str | None] = []
    original = cluster_module.JobsPort.version
    monkeypatch.setattr(JobsPort, "version", lambda port: sent.append("token") or original(port))
    with pytest.raises(ClusterRefused, match=r"(?s)is open: .*whoever reaches that port can run code.*allow_open"):
        attach(project, Profile("gpu", bare.address, {"env": "GPU_TOKEN"}))
    assert not sent
    facts = attach(project, Profile("gpu", bare.address, allow_open=True))
    assert facts.open and facts.interpreter == str(bare.python)


def test_the_package_follows_no_link_and_has_no_screen_and_no_test() -> None:
    import io
    import zipfile

    names = zipfile.ZipFile(io.BytesIO(package_bytes())).namelist()
    assert {"instep/__init__.py", "instep/engine/scheduler/worker.py", "instep/remote/probe.py"} <= set(names)
    assert not [name for name in names if not name.endswith(".py") or name.split("/")[1] in ("ide", "tests", ".dev")]
