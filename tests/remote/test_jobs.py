"""The Jobs port, asked of a real cluster: what there is, what runs, and one clear sentence for every mishap."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from ray_cluster import Cluster, ports, until

from instep.engine.errors import ClusterRefused, ClusterUnreachable
from instep.engine.ids import new_id
from instep.remote.jobs import PACKAGE_BYTES, JobsPort
from instep.remote.nodes import NodeState

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def port(cluster: Cluster) -> Iterator[JobsPort]:
    with JobsPort(cluster.address, cluster.token) as found:
        yield found


def worker(port: JobsPort) -> NodeState:
    return next(node for node in port.nodes() if node.alive and not node.head)


def test_a_cluster_says_its_release_and_its_session(port: JobsPort) -> None:
    import ray

    version = port.version()
    assert version.ray == ray.__version__
    assert version.session.startswith("session_")
    assert version.api


def test_a_job_submitted_twice_under_one_id_runs_once(port: JobsPort) -> None:
    name = new_id()
    assert port.submit(name, "echo one; exit 3", metadata={"run": "7"})
    assert not port.submit(name, "echo two")
    job = until(lambda: port.job(name), lambda job: job is not None and job.ended)
    assert job is not None
    assert (job.state, job.driver_exit_code, job.metadata) == ("failed", 3, {"run": "7"})
    assert (job.entrypoint, job.error_type) == ("echo one; exit 3", "JOB_ENTRYPOINT_COMMAND_ERROR")
    assert job.started_at and job.ended_at and job.ended_at >= job.started_at
    assert "one" in port.logs(name).splitlines()
    assert name in [one.submission_id for one in port.jobs()]
    port.delete(name)
    assert port.job(name) is None


def test_what_is_not_there_is_none_and_no_error(port: JobsPort) -> None:
    assert port.job("none") is None
    assert port.logs("none") == ""
    port.stop("none")
    port.delete("none")


def test_labels_and_resources_place_a_job_off_the_head(port: JobsPort) -> None:
    name, there = new_id(), worker(port)
    port.submit(name, "true", resources={"GPU": 1, "big_disk": 1}, labels={"zone": "b"})
    job = until(lambda: port.job(name), lambda job: job is not None and job.ended)
    assert job and (job.state, job.driver_node_id) == ("succeeded", there.node_id)


def test_a_stopped_job_is_stopped_and_not_failed(port: JobsPort) -> None:
    name = new_id()
    port.submit(name, "sleep 600")
    until(lambda: port.job(name), lambda job: job is not None and job.state == "running")
    port.stop(name)
    job = until(lambda: port.job(name), lambda job: job is not None and job.ended)
    assert job and job.state == "stopped"


def test_an_option_that_the_cluster_does_not_know_is_refused_with_what_it_says(port: JobsPort) -> None:
    with pytest.raises(ClusterRefused, match="does not understand what was asked"):
        port.submit(new_id(), "true", resources={"CPU": "many"})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="not a submission id"):
        port.submit("a/b", "true")


def test_a_package_is_there_once_it_was_put(port: JobsPort) -> None:
    name = f"_ray_pkg_{new_id()}.zip"
    assert not port.has_package(name)
    port.put_package(name, b"PK" + bytes(1000))
    assert port.has_package(name)
    with pytest.raises(ClusterRefused, match="a cluster takes"):
        port.put_package(name, bytes(PACKAGE_BYTES + 1))


def test_a_missing_file_an_empty_one_and_a_node_out_of_reach_are_three_things(port: JobsPort, cluster: Cluster) -> None:
    head = port.nodes()[0]
    logs = next((cluster.head.folder / "r").glob("session_2*")) / "logs"
    (logs / "instep-test").mkdir(exist_ok=True)
    (logs / "instep-test" / "empty").touch()
    data = bytes(range(256)) * 5000
    (logs / "instep-test" / "bytes").write_bytes(data)
    assert port.read_file(head.node_id, "instep-test/none") is None
    assert port.read_file(head.node_id, "instep-test/empty") == b""
    assert port.read_file(head.node_id, "instep-test/bytes") == data
    assert port.list_files(head.node_id, "instep-test/*") == ["instep-test/bytes", "instep-test/empty"]
    assert port.list_files(head.node_id, "none/*") == []
    for ask in (lambda: port.read_file("ab" * 28, "x"), lambda: port.list_files("ab" * 28, "*")):
        with pytest.raises(ClusterUnreachable):
            ask()


def test_nodes_tell_what_they_have_by_its_true_name(port: JobsPort) -> None:
    nodes = until(port.nodes, lambda nodes: len(nodes) == 2 and all(node.used is not None for node in nodes))
    head, worker = nodes
    assert head.head and head.alive and not worker.head
    assert {name: worker.total[name] for name in ("CPU", "GPU", "big_disk")} == {"CPU": 2, "GPU": 2, "big_disk": 2}
    assert worker.labels["zone"] == "b"
    assert worker.gpu_kinds == ("A100",)
    assert worker.gpus == ()  # declared, not there
    assert head.memory and head.memory_used and head.cpu is not None and head.since and head.host


BUSY = """
import ray, time
ray.init(log_to_driver=False)
@ray.remote(num_cpus=1, num_gpus=0.5)
def train():
    time.sleep(600)
ray.get(train.remote())
"""


def test_a_running_task_is_seen_on_its_node_with_what_it_holds(port: JobsPort, cluster: Cluster) -> None:
    name = new_id()
    port.submit(name, f"{cluster.python} -c '{BUSY}'")
    try:
        node = until(lambda: worker(port), lambda node: bool(node.running) and bool(node.used and node.used.get("GPU")))
        assert [one.name for one in node.running] == ["train"]
        assert node.running[0].resources == {"CPU": 1, "GPU": 0.5}
        assert node.used and (node.used["CPU"], node.used["GPU"]) == (1, 0.5)
        assert node.available["GPU"] == 1.5
    finally:
        port.stop(name)
        until(lambda: port.job(name), lambda job: job is None or job.ended)


def test_a_wrong_token_and_none_at_all_are_refused_with_a_sentence_each(cluster: Cluster) -> None:
    with JobsPort(cluster.address, "wrong") as port, pytest.raises(ClusterRefused, match="does not accept this token"):
        port.version()
    with JobsPort(cluster.address, None) as port, pytest.raises(ClusterRefused, match="wants a token"):
        port.submit(new_id(), "true")


def test_nobody_there_is_unreachable_and_names_what_to_look_at() -> None:
    address = f"http://127.0.0.1:{ports('one')['one']}"
    with JobsPort(address, None) as port, pytest.raises(ClusterUnreachable, match=r"(?s)cannot reach .*dashboard"):
        port.version()


def test_proxies_and_rays_own_variable_do_not_redirect_what_is_on_this_machine(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy", "RAY_ADDRESS"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{ports('one')['one']}")
    with JobsPort(cluster.address, cluster.token) as port:
        assert port.version().ray


def test_a_port_imports_its_http_library_only_when_it_asks() -> None:
    code = (
        "import sys, instep.remote.jobs as j; j.JobsPort('http://x', None); print({'httpx', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
