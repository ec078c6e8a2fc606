"""`[clusters.NAME]` → `Profile`: where a cluster is, how to get in, and what to do when it differs.

A profile never holds a token, only where it comes from; `read_token` reads it at the moment of use.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from ..engine.errors import ClusterRefused, UsageError, nearest
from ..engine.ids import Json
from ..engine.project import Project
from .http import is_loopback

OnMismatch = Literal["refuse", "warn", "build"]
Fetch = Literal["all", "small", "none"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One cluster as the project's configuration describes it. `token` is `{env: NAME}`, `{file: PATH}` or None."""

    name: str
    address: str
    token: Mapping[str, str] | None = None
    storage: str | None = None
    on_mismatch: OnMismatch = "warn"
    allow_open: bool = False
    fetch: Fetch = "small"

    def read_token(self, env: Mapping[str, str] | None = None) -> str | None:
        """The token as it is now; None when the profile names none. Raises ClusterRefused if it cannot be had.

        `env` is the environment of who asks, where that is another process.
        """
        if not self.token:
            return None
        if "env" in self.token:
            return self._from_environment(self.token["env"], os.environ if env is None else env)
        return self._from_file(Path(self.token["file"]).expanduser())

    def _from_environment(self, variable: str, env: Mapping[str, str]) -> str:
        token = env.get(variable, "").strip()
        if not token:
            raise ClusterRefused(
                f"the token of cluster `{self.name}` should be in the variable {variable}, which is not set",
                mend=f"Set it and try again: `export {variable}=…`.",
            )
        return token

    def _from_file(self, path: Path) -> str:
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ClusterRefused(
                f"the token of cluster `{self.name}` should be in {path}, which cannot be read ({cause})",
                mend="Put the token there, readable by you only (`chmod 600`).",
            ) from None
        if not token:
            raise ClusterRefused(f"the token of cluster `{self.name}` should be in {path}, which is empty")
        return token

    def doubts(self) -> tuple[str, ...]:
        """What is unsafe about how this cluster is reached, a sentence each; nothing that stops anybody."""
        found: list[str] = []
        if self.token and "file" in self.token:
            path = Path(self.token["file"]).expanduser()
            if _is_open(path):
                found.append(f"Others on this machine may read {path}: `chmod 600` it.")
        url = urlsplit(self.address)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            found.append(
                f"{self.address} is not encrypted: who is on the way reads the token and all that is sent. "
                "Use an SSH tunnel or https."
            )
        return tuple(found)


def profiles(project: Project) -> Mapping[str, Profile]:
    """The clusters of the project by name, in the order of the file (whose mistakes `load_project` has told)."""
    return {
        name: Profile(
            name=name,
            address=str(table["address"]).rstrip("/"),
            token=cast("Mapping[str, str] | None", table.get("token")),
            storage=cast("str | None", table.get("storage")),
            on_mismatch=cast("OnMismatch", table.get("on_mismatch", "warn")),
            allow_open=table.get("allow_open") is True,
            fetch=cast("Fetch", table.get("fetch", "small")),
        )
        for name, table in cast("Mapping[str, Mapping[str, Json]]", project.clusters).items()
    }


def profile(project: Project, name: str) -> Profile:
    """The cluster called `name`. Raises UsageError with the nearest name there is."""
    found = profiles(project)
    if name not in found:
        hint = nearest(name, found)
        mend = hint[:1].upper() + hint[1:] if found else f"Add it to {project.config}: docs/clusters.md shows how."
        raise UsageError(f"there is no cluster `{name}` in {project.config}", mend=mend)
    return found[name]


def _is_open(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except OSError:
        return False
