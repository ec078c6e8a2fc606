"""What the Jobs port of a Ray cluster can do for us, over plain HTTP: no Ray on this side, any Ray on the other.

Everything here may be asked again: submitting twice under one id starts one job, packages are named by what they hold.
Which replies mean what was looked up in Ray 2.60 and is said where it is used; a Ray that answers differently is
reported, never guessed at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import quote

from ..engine.errors import ClusterRefused, ClusterUnreachable
from ..engine.ids import Json
from .http import Http, Reply
from .nodes import NodeState, read_nodes

JobState = Literal["pending", "running", "stopped", "succeeded", "failed"]
ENDED: frozenset[JobState] = frozenset({"stopped", "succeeded", "failed"})
PACKAGE_BYTES = 64 * 1024 * 1024
"""Ray takes 100 MiB in one request; less leaves room for what is in between."""
_SUBMIT_SECONDS = 60.0
"""The first job makes the cluster's agent connect to its own Ray, which takes seconds, more on a busy head."""
_BYTES_SECONDS = 60.0
_NO_FILE = "A file is not found at"
_NO_JOB = "does not exist"
_DUPLICATE = "already exists"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLAIN = {"CPU": "entrypoint_num_cpus", "GPU": "entrypoint_num_gpus", "memory": "entrypoint_memory"}


@dataclass(frozen=True, slots=True)
class Version:
    """`api` is that of the Jobs port, `session` names the cluster's present life: a new head has a new one."""

    api: str
    ray: str
    session: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the cluster tells of it; times are in seconds since 1970. `submission_id` is "" for a driver that
    somebody connected by other means. `driver_node_id` is None until it is placed, and stays when it has ended."""

    submission_id: str
    state: JobState
    message: str
    entrypoint: str
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    started_at: float | None = None
    ended_at: float | None = None
    driver_node_id: str | None = None
    driver_exit_code: int | None = None
    error_type: str | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class JobsPort:
    """One cluster's Jobs port. Threads may share it; `close` it (or use `with`) when done.

    All methods raise ClusterRefused (trying again changes nothing) and ClusterUnreachable (it may).
    """

    def __init__(self, address: str, token: str | None) -> None:
        self._http = Http(address, token)
        self.address = self._http.address

    def __enter__(self) -> "JobsPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def version(self) -> Version:
        reply = self._http.send("GET", "/api/version")
        told = self._http.parse(reply) if reply.ok else None
        if not isinstance(told, dict) or "ray_version" not in told:
            raise self._http.unexpected(reply)
        return Version(str(told.get("version", "")), str(told["ray_version"]), str(told.get("session_name", "")))

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        *,
        runtime_env: Mapping[str, Json] | None = None,
        metadata: Mapping[str, str] | None = None,
        resources: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> bool:
        """Start a job; False when one of that id is there already, whatever became of it.

        `resources` are what the entry point itself takes ("CPU", "GPU", "memory" or a custom one; nothing: it takes
        none and runs on the head), `labels` what its node must have.
        """
        if not _ID.fullmatch(submission_id):  # Ray makes a file of that name
            raise ValueError(f"not a submission id: {submission_id!r}")
        asked = dict(resources or {})
        plain: dict[str, Json] = {key: asked.pop(name) for name, key in _PLAIN.items() if name in asked}
        if asked:
            plain["entrypoint_resources"] = cast("dict[str, Json]", asked)
        if labels:
            plain["entrypoint_label_selector"] = dict(labels)
        body: dict[str, Json] = {
            "submission_id": submission_id,
            "entrypoint": entrypoint,
            "runtime_env": dict(runtime_env or {}),
            "metadata": dict(metadata or {}),
            **plain,
        }
        reply = self._http.send("POST", "/api/jobs/", body=body, seconds=_SUBMIT_SECONDS)
        if reply.ok:
            return True
        # That a job is there is not enough: a submission that failed half way leaves one that is pending for ever.
        if reply.status in (400, 500) and _DUPLICATE in reply.text:
            return False
        raise self._http.unexpected(reply)

    def job(self, submission_id: str) -> Job | None:
        reply = self._http.send("GET", _job_path(submission_id))
        if _is_no_job(reply):
            return None
        told = self._http.parse(reply) if reply.ok else None
        if not isinstance(told, dict):
            raise self._http.unexpected(reply)
        return _job(told)

    def jobs(self) -> list[Job]:
        told = self._http.json("GET", "/api/jobs/")
        if not isinstance(told, list):
            raise ClusterUnreachable(f"{self.address} does not list its jobs")
        return [_job(one) for one in told if isinstance(one, dict)]

    def stop(self, submission_id: str) -> None:
        """Ask a job to end: SIGTERM, 3 s later SIGKILL. Nothing happens when it has ended or never was."""
        reply = self._http.send("POST", f"{_job_path(submission_id)}/stop")
        if not reply.ok and not _is_no_job(reply):
            raise self._http.unexpected(reply)

    def delete(self, submission_id: str) -> None:
        """Have the cluster forget an ended job; its log stays on its node. One that goes on is left alone."""
        self._http.send("DELETE", _job_path(submission_id))

    def logs(self, submission_id: str) -> str:
        """What the job has printed so far; "" before it is placed and when there is no such job."""
        reply = self._http.send("GET", f"{_job_path(submission_id)}/logs", seconds=_BYTES_SECONDS)
        if _is_no_job(reply):
            return ""
        told = self._http.parse(reply) if reply.ok else None
        if not isinstance(told, dict):
            raise self._http.unexpected(reply)
        return str(told.get("logs") or "")

    def has_package(self, name: str) -> bool:
        """Whether `gcs://NAME` is there; asking keeps it there for ten minutes more, used or not."""
        reply = self._http.send("GET", f"/api/packages/gcs/{quote(name, safe='')}")
        if reply.status == 404 and _NO_JOB in reply.text:
            return False
        if not reply.ok:
            raise self._http.unexpected(reply)
        return True

    def put_package(self, name: str, data: bytes) -> None:
        if len(data) > PACKAGE_BYTES:
            raise ClusterRefused(f"the package {name} has {len(data)} bytes; a cluster takes {PACKAGE_BYTES}")
        reply = self._http.send("PUT", f"/api/packages/gcs/{quote(name, safe='')}", data=data, seconds=_BYTES_SECONDS)
        if not reply.ok:
            raise self._http.unexpected(reply)

    def read_file(self, node_id: str, filename: str) -> bytes | None:
        """A file below the log folder of a node, whole; None when it is not there (yet).

        A file that is not there and a node that does not answer are both a 500; only the first names a file. This is
        what a run is followed by: where the network is cut, its time-out is how late that is noticed.
        """
        query = {"node_id": node_id, "filename": filename, "lines": -1}
        reply = self._http.send("GET", "/api/v0/logs/file", query=query)
        if reply.ok:
            return reply.body
        if reply.status == 500 and reply.text.startswith(_NO_FILE):
            return None
        raise self._http.unexpected(reply)

    def list_files(self, node_id: str, glob: str) -> list[str]:
        """The files below a node's log folder that match, sorted; folders end with a slash."""
        reply = self._http.send("GET", "/api/v0/logs", query={"node_id": node_id, "glob": glob})
        if reply.status == 500:
            raise ClusterUnreachable(f"{self.address} cannot reach its node {node_id[:8]}")
        told = self._http.parse(reply) if reply.ok else None
        match told:
            case {"data": {"result": dict(kinds)}}:
                lists = [one for one in kinds.values() if isinstance(one, list)]
                return sorted(str(name) for one in lists for name in one)
            case _:
                raise self._http.unexpected(reply)

    def nodes(self) -> list[NodeState]:
        """The nodes, dead ones included, with what they have and what goes on there."""
        found = self._http.json("GET", "/api/v0/nodes", query={"detail": 1, "limit": 10000})
        live = self._http.json("GET", "/nodes", query={"view": "summary"})
        running = self._http.json(
            "GET",
            "/api/v0/tasks",
            query={
                "detail": 1,
                "limit": 1000,
                "filter_keys": "state",
                "filter_predicates": "=",
                "filter_values": "RUNNING",
            },
        )
        return read_nodes(found, live, running)


def _job_path(submission_id: str) -> str:
    return f"/api/jobs/{quote(submission_id, safe='')}"


def _is_no_job(reply: Reply) -> bool:
    return reply.status == 404 and _NO_JOB in reply.text


def _job(told: Mapping[str, Json]) -> Job:
    metadata = told.get("metadata")
    node, code, kind = told.get("driver_node_id"), told.get("driver_exit_code"), told.get("error_type")
    return Job(
        submission_id=str(told.get("submission_id") or ""),
        state=cast("JobState", str(told.get("status", "")).lower()),
        message=str(told.get("message") or ""),
        entrypoint=str(told.get("entrypoint") or ""),
        metadata={key: str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {},
        started_at=_seconds(told.get("start_time")),
        ended_at=_seconds(told.get("end_time")),
        driver_node_id=node if isinstance(node, str) else None,
        driver_exit_code=code if isinstance(code, int) else None,
        error_type=kind if isinstance(kind, str) else None,
    )


def _seconds(milliseconds: Json) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) and milliseconds else None
