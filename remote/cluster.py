"""Attaching: reach a cluster, make sure it is one to work with, and learn what is there, within seconds.

The order is that of trust. Whether it lets everybody in is asked first, without the token; only then does the token go
there; only then is anything run there, by the interpreter that Ray itself uses on its head.
"""

import json
import secrets
import shlex
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ..engine.errors import ClusterError, ClusterRefused, ClusterUnreachable
from ..engine.ids import new_id
from ..engine.project import Project
from .facts import ClusterFacts, Machine, remember, remembered
from .http import Http
from .jobs import Job, JobsPort, Version
from .nodes import NodeState
from .package import ensure_package, package_name
from .probe import MARK
from .profile import Profile

PROBE_SECONDS = 180.0
"""Seconds are the rule; a head that is busy with something else needs this long to start two processes."""


def attach(
    project: Project,
    profile: Profile,
    *,
    declared: Collection[str] = (),
    anew: bool = False,
    env: Mapping[str, str] | None = None,
) -> ClusterFacts:
    """What is there now. `declared` are the environment variables that steps declare, `env` the environment of who asks
    where that is another process.

    What was learned before is used again while the cluster's session, its nodes and instep's code are the same, unless
    `anew`. Raises ClusterRefused and ClusterUnreachable.
    """
    with connect(profile, env) as port:
        version, is_open = check_in(profile, port)
        nodes = tuple(port.nodes())
        alive = {node.node_id for node in nodes if node.alive}
        if not alive:
            raise ClusterUnreachable(f"cluster `{profile.name}` has no node that is alive")
        known = None if anew else remembered(project.store, profile.name)
        if known is not None and _still_true(known, profile, version, alive, declared):
            facts = replace(known, nodes=nodes, seen_at=time.time())
        else:
            facts = _probe(port, profile, version, nodes, sorted(declared), is_open=is_open)
    remember(project.store, facts)
    return facts


def connect(profile: Profile, env: Mapping[str, str] | None = None) -> JobsPort:
    """The profile's Jobs port with its token; nothing is sent yet."""
    return JobsPort(profile.address, profile.read_token(env))


def check_in(profile: Profile, port: JobsPort) -> tuple[Version, bool]:
    """Its version, and whether it lets everybody in. Raises ClusterRefused if it does and the profile does not say so.

    That is asked without the token: one that takes everybody may not be who we think.
    """
    bare = Http(profile.address, None)
    try:
        is_open = bare.send("GET", "/api/version").ok
    except ClusterRefused:
        is_open = False
    finally:
        bare.close()
    if is_open and not profile.allow_open:
        raise ClusterRefused(
            f"cluster `{profile.name}` at {profile.address} is open: it wants no token, so whoever reaches that port "
            "can run code there and read what you send",
            mend="Start it with RAY_AUTH_MODE=token; or, if only trusted people reach it, say `allow_open = true`.",
        )
    return port.version(), is_open


def _still_true(
    known: ClusterFacts, profile: Profile, version: Version, alive: set[str], declared: Collection[str]
) -> bool:
    """A node that went away changes nothing; one that came has not been looked at."""
    return (
        (known.address, known.session, known.ray, known.code)
        == (profile.address, version.session, version.ray, package_name())
        and set(declared) <= set(known.asked)
        and alive <= {machine.node_id for machine in known.machines}
    )


def _probe(
    port: JobsPort,
    profile: Profile,
    version: Version,
    nodes: tuple[NodeState, ...],
    declared: list[str],
    *,
    is_open: bool,
) -> ClusterFacts:
    salt = secrets.token_hex(16)
    words = [_interpreter(nodes), "-m", "instep.remote.probe", json.dumps(declared), salt]
    log = run_there(port, "probe", words, PROBE_SECONDS)
    line = next((line for line in log.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise ClusterUnreachable(f"cluster `{profile.name}` ran a job, but what it found did not come back")
    told: Mapping[str, Any] = json.loads(line.removeprefix(MARK))
    order = [node.node_id for node in nodes]
    machines = [
        Machine(**one | {"node_id": node_id, "gpus": tuple(one["gpus"])})
        for node_id, one in told.items()
        if not isinstance(one, str)
    ]
    machines.sort(key=lambda machine: order.index(machine.node_id) if machine.node_id in order else len(order))
    return ClusterFacts(
        name=profile.name,
        address=profile.address,
        session=version.session,
        ray=version.ray,
        open=is_open,
        code=package_name(),
        salt=salt,
        asked=tuple(declared),
        seen_at=time.time(),
        nodes=nodes,
        machines=tuple(machines),
        silent={node_id: one for node_id, one in told.items() if isinstance(one, str)},
    )


def _interpreter(nodes: tuple[NodeState, ...]) -> str:
    """That of the head's Ray; a shell's `python` only where the cluster does not say, for there it may be any."""
    return next((node.python for node in nodes if node.head and node.python), "python")


def run_there(port: JobsPort, kind: str, words: list[str], seconds: float) -> str:
    """Run a short program of instep on the head as a job that takes no room; what it printed.

    `words` are the command and its arguments, `kind` a word for the job's name. Raises ClusterError when it fails or
    takes longer, with what the cluster says of it; the job is ended and forgotten in every case.
    """
    name = f"instep-{kind}-{new_id()}"
    port.submit(
        name,
        " ".join(map(shlex.quote, words)),
        runtime_env={"working_dir": ensure_package(port)},
        metadata={"instep": kind},
    )
    ended = False
    try:
        job = _wait(port, name, seconds)
        ended = True
        log = port.logs(name)
        if job.state != "succeeded":
            raise _failed(kind, job, log)
        return log
    finally:
        _forget(port, name, ended=ended)


def _wait(port: JobsPort, name: str, seconds: float) -> Job:
    deadline = time.monotonic() + seconds
    pause = 0.05
    while time.monotonic() < deadline:
        job = port.job(name)
        if job is None:
            raise ClusterUnreachable(f"the job {name} is gone; the cluster's head may have been started anew")
        if job.ended:
            return job
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)
    raise ClusterUnreachable(
        f"a job that takes no room did not end within {seconds:.0f} s",
        mend="The cluster's head may be overloaded, or its agent may have died: look at its dashboard.",
    )


def _failed(kind: str, job: Job, log: str) -> ClusterError:
    said = [line.strip() for line in (log or job.message).splitlines() if line.strip()]
    last = said[-1][:300] if said else f"it ended with {job.driver_exit_code}"
    if job.error_type == "JOB_ENTRYPOINT_COMMAND_ERROR":
        return ClusterRefused(f"the {kind} could not run there: {last}")
    return ClusterUnreachable(f"the cluster could not start a job ({kind}): {last}")


def _forget(port: JobsPort, name: str, *, ended: bool) -> None:
    try:
        if not ended:
            port.stop(name)
        port.delete(name)
    except ClusterError:  # out of sight: nothing there needs it, and the first error says more
        pass
