"""A run sent to a real cluster is the run it would be here: same keys, same bytes, in the same history."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from ray_cluster import Cluster

PIPELINE = """
    import polars as pl
    from instep import Each, File, log, step
    from words import shout

    @step
    def table(csv=File("data/numbers.csv")):
        print("reading", csv.name)
        return pl.read_csv(csv)

    @step
    def total(table, *, factor: int = 2):
        log(rows=len(table))
        return {"sum": int(table["x"].sum()) * factor}

    @step
    def names(table):
        return [shout(f"n{value}") for value in table["x"]]

    @step
    def loud(name=Each("names")):
        return name + "!"

    @step(gpus=1)
    def placed(total):
        import os
        return {"gpus": len(os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","))}
"""

MEETING = """
    import time
    from pathlib import Path
    from instep import step

    @step
    def meet(*, folder: str = "", me: int = 0):
        (Path(folder) / str(me)).touch()
        late = time.monotonic() + 120
        while len(list(Path(folder).iterdir())) < 3:
            assert time.monotonic() < late, "the others do not run"
            time.sleep(0.05)
        return {"me": me}
"""


class Site:
    """A project with a cluster in its configuration."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        self.root, self.cluster = root, cluster
        self.write("pipeline.py", PIPELINE)
        self.write("words.py", "def shout(text):\n    return text.upper()\n")
        self.write("data/numbers.csv", "x\n" + "\n".join(map(str, range(5))) + "\n")
        self.write(
            "instep.toml",
            f"""
            [project]
            name = "{root.parent.name}"
            [local]
            gpus = 1
            [clusters.gpu]
            address = "{cluster.address}"
            token = {{ env = "TEST_TOKEN" }}
            price = 3600
            """,
        )

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text).lstrip("\n"))

    def instep(self, *words: str, ok: bool = True) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "instep", "-C", str(self.root), *words],
            check=False, capture_output=True, text=True, timeout=170, env=self.env(),
        )  # fmt: skip
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in words else {"out": done.stdout, "err": done.stderr}

    def started(self, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "instep", "-C", str(self.root), *words, "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.env())

    def env(self) -> dict[str, str]:
        return {**os.environ, "TEST_TOKEN": self.cluster.token}

    def stop(self) -> None:
        self.instep("stop", ok=False)


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("offload") / "project", cluster)
    yield found
    found.stop()


@pytest.mark.ray
def test_a_run_on_a_cluster_comes_home_and_counts_here(site: Site) -> None:
    there = site.instep("run", "--on", "gpu", "--json")
    assert (there["state"], there["target"]) == ("done", "gpu")
    assert {one["name"]: one["state"] for one in there["steps"]} == dict.fromkeys(
        ("table", "total", "names", "loud", "placed"), "done"
    )
    assert there["metrics"]["total.sum"] == 20
    assert there["metrics"]["placed.gpus"] == 1

    status = site.instep("status", "--json")
    assert {one["name"]: one["state"] for one in status["steps"]} == dict.fromkeys(
        ("table", "total", "names", "loud", "placed"), "fresh"
    )
    shown = site.instep("show", str(there["run"]), "--json")
    assert shown["target"] == "gpu"
    assert [one["rows"] for one in shown["outputs"] if one["name"] == "table"] == [5]
    log = site.instep("log", f"{there['run']}/table")
    assert "reading numbers.csv" in str(log["out"])
    assert site.instep("verify", "--json")["sound"]


@pytest.mark.ray
def test_only_what_a_change_made_stale_runs_there_and_nothing_is_sent_twice(site: Site) -> None:
    before = site.instep("run", "--on", "gpu", "--json")
    assert {one["state"] for one in before["steps"]} == {"reused"}
    site.write("pipeline.py", PIPELINE.replace("factor: int = 2", "factor: int = 3"))
    there = site.instep("run", "--on", "gpu", "--json")
    assert {one["name"] for one in there["steps"] if one["state"] == "done"} == {"total", "placed"}
    assert there["metrics"]["total.sum"] == 30
    sent = json.loads((site.root / ".instep" / "sent" / f"{there['id']}.json").read_text())
    assert time.time() > sent["started_us"] / 1e6


@pytest.mark.ray
def test_a_replay_there_has_a_verdict(site: Site) -> None:
    first = site.instep("runs", "--json")["runs"][-1]["run"]
    there = site.instep("run", "--on", "gpu", "--replay", str(first), "--json")
    assert there["verdict"] == f"replay of run {first}: identical, all 5 outputs have the same content"
    report = there["parity"]
    assert (report["runs"], report["targets"]) == ([first, there["run"]], ["gpu", "gpu"])
    assert (report["identical"], report["equal"], report["outputs"]) == (True, 5, [])
    assert all(one is not None for step in report["steps"] for one in step["seconds"])
    assert report["cost"] == pytest.approx(report["wall"]), "a second costs 1 there"
    assert {one["state"] for one in there["steps"]} == {"done"}


@pytest.mark.ray
def test_a_step_with_run_on_goes_there_and_the_others_stay(site: Site) -> None:
    table = (site.root / "instep.toml").read_text()
    site.write("instep.toml", table + '\n[step.total]\nrun_on = "gpu"\n[step.loud]\nrun_on = "gpu"\n')
    site.write("words.py", "def shout(text):\n    return text.upper() + '?'\n")
    site.write("pipeline.py", PIPELINE.replace("factor: int = 2", "factor: int = 5"))
    here = site.instep("run", "--json")
    assert (here["state"], here["target"], here["metrics"]["total.sum"]) == ("done", "local", 50)
    shown = site.instep(
        "sql", "--json", f"select step, target, state from step_run where run = {here['run']} and item is null"
    )
    rows = {row[0]: row[1:] for row in shown["rows"]}
    assert rows["total"] == ["gpu", "done"]
    assert rows["names"] == ["local", "done"]
    assert rows["loud"][0] == "gpu"
    assert site.instep("runs", "--json")["runs"][0]["run"] == here["run"], "the runs there are hidden"
    site.write("instep.toml", table)


@pytest.mark.ray
def test_twins_go_first_and_stop_what_would_differ(site: Site) -> None:
    site.write("pipeline.py", PIPELINE.replace("factor: int = 2", "factor: int = 7"))
    there = site.instep("run", "--on", "gpu", "--twin", "0.5", "--json")
    assert (there["state"], there["metrics"]["total.sum"]) == ("done", 70)
    assert {one["name"] for one in there["steps"] if one["state"] == "reused"} >= {"total"}, "its twin there was it"
    newest = site.instep("runs", "--json")["runs"][0]
    assert newest["run"] == there["run"], "twins are hidden, and nothing else was run"

    site.write(
        "pipeline.py", PIPELINE + "\n    @step\n    def where():\n        import os\n        return os.getcwd()\n"
    )
    refused = site.instep("run", "where", "--on", "gpu", "--twin", "1", ok=False)
    assert "the twins differ, nothing more was sent: where" in str(refused["err"]) + str(refused["out"])


@pytest.mark.ray
def test_two_runs_there_and_one_here_go_on_at_the_same_time(site: Site, tmp_path: Path) -> None:
    site.write("pipeline.py", MEETING)
    table = (site.root / "instep.toml").read_text()
    site.write("instep.toml", table + f"""
        [clusters.also]
        address = "{site.cluster.address}"
        token = {{ env = "TEST_TOKEN" }}
        """)  # fmt: skip
    at = [["--on", "gpu"], ["--on", "also"], []]
    going = [site.started("run", "--set", f"meet.me={me}", "--set", f"meet.folder={tmp_path}", *to)
             for me, to in enumerate(at)]  # fmt: skip
    told = [json.loads(one.communicate(timeout=170)[0]) for one in going]
    assert [(one["state"], one["target"]) for one in told] == [("done", "gpu"), ("done", "also"), ("done", "local")]
    assert [one["metrics"]["meet.me"] for one in told] == [0, 1, 2]
    assert len({one["run"] for one in told}) == 3
    site.write("instep.toml", table)
