"""A run on a real cluster of this machine against what it cannot do without: a bare job, `cp`, the end of the step.
All sides share its processors: each byte sent passes five processes, so a busy machine halves what is shipped a second.

`python tests/bench/bench_remote.py`. One head with its token, started and ended here; figures are ratios of one run.
"""

import os
import shlex
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "remote"))

from measure import row, timed
from ray_cluster import Cluster, start_cluster
from sites import Site

from instep.engine.ids import new_id
from instep.engine.snapshots.records import StepEnded
from instep.remote.jobs import JobsPort

MANY = 200 << 20
PIPELINE = """
    import os, time
    from instep import File, step

    @step
    def sent(data=File("big.bin"), *, salt: int = 0):
        return {"bytes": data.stat().st_size}

    @step
    def quick(*, salt: int = 0):
        return time.time_ns() // 1000

    @step
    def made(*, mib: int = 200):
        return os.urandom(mib << 20)
"""


def main() -> None:
    cluster = start_cluster(cpus=2)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        files = {"pipeline.py": PIPELINE, "big.bin": ""}
        site = Site(Path(folder) / "bench", cluster.address, cluster.token, f"bench-{new_id()}", files)
        try:
            _job(site, cluster)
            _bytes(site, Path(folder))
        finally:
            site.stop()
            cluster.stop()


def _job(site: Site, cluster: Cluster) -> None:
    """A step that does nothing, all that it needs being there, beside a job that does nothing."""
    with JobsPort(cluster.address, cluster.token) as port:

        def bare() -> None:
            name = f"bare-{new_id()}"
            port.submit(name, f"{shlex.quote(sys.executable)} -c pass")
            while (job := port.job(name)) is None or not job.ended:
                time.sleep(0.02)

        def attached() -> None:
            port.version()

        bare()
        base = timed(bare, 5)
        reached = timed(attached, 5)
    row("a bare job: submitted, run, seen to have ended", base, base, "a bare job")
    row("the cluster asked for its version", reached, base, "a bare job")
    site.instep("run", "--on", "gpu", "quick")
    delays: list[float] = []
    taken: list[float] = []
    for salt in range(1, 6):
        began = time.perf_counter()
        run = site.instep("run", "--on", "gpu", "quick", "--set", f"quick.salt={salt}", "--json")["run"]
        taken.append(time.perf_counter() - began)
        delays.append(_delay(site, run))
    row("instep run --on, one step, nothing to ship", sorted(taken)[2], base, "a bare job")
    row("a step's end there to its event in the journal here", sorted(delays)[2], base, "a bare job")


def _delay(site: Site, run: int) -> float:
    """Seconds from the end of the step to when it was appended here; both clocks are this machine's."""
    with site.journal() as journal:
        rows = journal.events_after(0, 1_000_000)
    run_id = site.run_id(run)
    return next(
        (at - one.ended_us) / 1e6
        for _, at, _, one in rows
        if isinstance(one, StepEnded) and one.run_id == run_id and one.ended_us
    )


def _bytes(site: Site, folder: Path) -> None:
    """A file that the cluster lacks, against a run whose file is there, and against copying it on this disk."""
    big = site.root / "big.bin"
    big.write_bytes(os.urandom(1 << 20))
    site.instep("run", "--on", "gpu", "sent", "--set", "sent.salt=1")
    began = time.perf_counter()
    site.instep("run", "--on", "gpu", "sent", "--set", "sent.salt=2")
    bare = time.perf_counter() - began
    with big.open("wb") as file:
        for _ in range(MANY >> 20):
            file.write(os.urandom(1 << 20))

    def copy() -> None:
        with big.open("rb") as source, (folder / "copy").open("wb") as target:
            while data := source.read(1 << 20):
                target.write(data)
            target.flush()
            os.fsync(target.fileno())

    copied = timed(copy, 3)
    began = time.perf_counter()
    site.instep("run", "--on", "gpu", "sent", "--set", "sent.salt=3")
    took = max(1e-3, time.perf_counter() - began - bare)
    row("cp of 200 MB, synced", copied, copied, "cp")
    row(f"200 MB shipped ({MANY / 1e6 / took:,.0f} MB/s), the run itself taken off", took, copied, "cp")
    run = site.instep("run", "--on", "gpu", "made", "--json")["run"]
    came = _out(site, run, folder / "first.bin")  # it stayed there, and is fetched now
    came = max(1e-3, came - _out(site, run, folder / "second.bin"))
    row(f"200 MB fetched ({MANY / 1e6 / came:,.0f} MB/s), writing it out taken off", came, copied, "cp")


def _out(site: Site, run: int, target: Path) -> float:
    began = time.perf_counter()
    site.instep("out", f"{run}/made", str(target))
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
