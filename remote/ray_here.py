"""Ray as the processes on the cluster have it: untyped, and not to be imported before it is needed."""

from pathlib import Path
from typing import Any

from ..engine.errors import ExecutorError


def ray_module() -> Any:  # Any: Ray's functions are untyped in places that differ between versions
    import ray

    return ray


def logs_folder() -> Path:
    """Where this node keeps what it hands out as logs: the one private thing of Ray's that is needed here."""
    ray = ray_module()
    node = getattr(ray._private.worker, "_global_node", None)
    folder = Path(node.get_logs_dir_path()) if node is not None else None
    if folder is None or not folder.is_dir():
        raise ExecutorError(f"Ray {ray.__version__} does not say where its logs are", mend="Use Ray 2.60 there.")
    return folder
