"""One real cluster for the whole folder, started when the first test asks for it; no Ray of this process."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ray_cluster import Cluster, start_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A head with one CPU and a worker with two CPUs, two *declared* GPUs, a custom resource and labels.

    Tests share it: none may stop its nodes or leave a job behind that goes on.
    """
    found = start_cluster(cpus=1)
    try:
        found.add_worker(
            cpus=2, gpus=2, resources={"big_disk": 2}, labels={"zone": "b", "ray.io/accelerator-type": "A100"}
        )
        yield found
    finally:
        found.stop()


@pytest.fixture
def start() -> Iterator[Callable[..., Cluster]]:
    """Clusters of one test's own, to be broken: `start(token="")`, `start(python=…)`; each costs some ten seconds."""
    made: list[Cluster] = []

    def begin(**options: object) -> Cluster:
        made.append(start_cluster(**options))  # pyright: ignore[reportArgumentType]
        return made[-1]

    yield begin
    for one in made:
        one.stop()
