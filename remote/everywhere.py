"""One piece of work on every living node of the cluster that this process is a job of.

Used by what runs there before anything of ours may be counted on, so with nothing beyond the standard library and Ray,
and no syntax that an old Python does not know.
"""

from __future__ import annotations

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Ray's functions are typed for whoever decorates by them.
import logging
from typing import Any


def everywhere(work: Any, arguments: list[Any], seconds: float) -> dict[str, Any]:  # Any: a function of the caller's
    """`work(*arguments)` here and, by a task each that takes no room, on all other nodes at once: results by node id.

    Ray takes `work` there by value, so it is a function of the main module that imports what it needs itself. A node
    that fails or does not answer in time has a text instead of a result.
    """
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    task = ray.remote(num_cpus=0, max_retries=0)(work)
    asked = {task.options(scheduling_strategy=On(node_id=node, soft=False)).remote(*arguments): node for node in others}
    found: dict[str, Any] = {here: work(*arguments)}
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=seconds) if asked else ([], [])
    for one in done:
        try:
            found[asked[one]] = ray.get(one)
        except RayError as error:
            found[asked[one]] = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    for one in late:
        found[asked[one]] = f"no answer within {seconds:.0f} s"
        ray.cancel(one, force=True)
    return found
