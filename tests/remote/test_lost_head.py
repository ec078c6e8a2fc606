"""The head of a cluster is killed while a run goes on there: lost from sight, not failed; what came is kept and used.

The run cannot be ended there any more by anybody: it is taken up here or on another cluster. A head that is started
anew at the same address knows nothing of it, and that is how the run ends here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ray_cluster import Cluster
from sites import Site, ended_with, heard, until

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

PIPELINE = """
    import os, time
    from instep import step

    @step
    def first():
        print("first is made")
        return list(range(1000))

    @step
    def second(first, *, folder: str = ""):
        os.makedirs(f"{folder}/second.{os.getpid()}")
        print("second has begun")
        while not os.path.exists(f"{folder}/gate"):
            time.sleep(0.05)
        return sum(first)

    @step
    def last(second):
        return {"value": second}
"""


def test_a_run_whose_head_is_killed_is_lost_from_sight_and_taken_up_here_and_elsewhere(
    start: Callable[..., Cluster], cluster: Cluster, tmp_path: Path
) -> None:
    broken = start(cpus=1)
    token = tmp_path / "token"
    token.write_text(cluster.token)
    token.chmod(0o600)
    other = f'[clusters.other]\naddress = "{cluster.address}"\ntoken = {{ file = "{token}" }}\n'
    folder = f"second.folder={tmp_path}"
    site = Site(
        tmp_path / "lost" / "project", broken.address, broken.token, tmp_path.name, {"pipeline.py": PIPELINE}, other
    )
    command = site.started("run", "--on", "gpu", "--set", folder)
    with ended_with(site, command, tmp_path / "gate"):
        until(lambda: ("first", "done", 1) in site.story(1), True)
        until(lambda: "second has begun" in site.lines(1), True)
        broken.kill_head()
        said = heard(command, "lost sight since")
        assert "`instep run`" in said[-1] and "`instep run --on NAME`" in said[-1], said
        assert site.state(1) == "running"

        # While it is out of sight, what came is used: here, then on another cluster.
        (tmp_path / "gate").mkdir()
        here = site.instep("run", "second", "--set", folder, "--json")
        assert states(here) == {"first": "reused", "second": "done"}
        there = site.instep("run", "--on", "other", "--set", folder, "--json")
        assert states(there) == {"first": "reused", "second": "reused", "last": "done"}
        assert there["metrics"] == {"last.value": 499500}
        assert site.state(1) == "running"

        start(cpus=1, token=broken.token, port=urlsplit(broken.address).port)
        rest, _ = command.communicate(timeout=400)
        assert command.returncode == 2, rest  # 1 would say that a step has failed
        assert "gpu does not know run 1 any more: its head was started anew" in rest
        assert "failed" not in rest
        assert site.over(1) == "interrupted"
        assert site.lines(1) == ["first is made", "second has begun"]
        assert states(site.instep("show", "1", "--json")) == {"first": "done", "second": "interrupted"}
        assert site.instep("verify", "--json")["sound"]


def states(document: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in document["steps"]}
