"""For whom a run is run, and what of their environment it is given."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from .recorder import Before

_NOT_PASSED_ON = ("_", "SHLVL", "PWD", "OLDPWD", "TERM", "COLUMNS", "LINES", "TMUX", "TMUX_PANE")
_OURS = ("RAY_", "PYTHON", "INSTEP_")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run is run and for whom. `env`, where it is given, is all of the asker's environment that steps get;
    `before` what counts already of a run that is taken up again; `share` how much of a fan-out is run."""

    target: str
    host: str
    user_name: str
    env: Mapping[str, str] | None = None
    before: Before = field(default_factory=lambda: Before({}, frozenset()))
    share: float = 1.0

    @classmethod
    def here(cls) -> "Origin":
        return cls("local", socket.gethostname(), _user())


def passed_on(env: Mapping[str, str], start: Mapping[str, str]) -> dict[str, str | None]:
    """How the asker's environment differs from the one the executor's workers were started in."""
    if not env:
        return {}
    names = {
        name
        for name in env.keys() | start.keys()
        if env.get(name) != start.get(name) and name not in _NOT_PASSED_ON and not name.startswith(_OURS)
    }
    return {name: env.get(name) for name in sorted(names)}


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
