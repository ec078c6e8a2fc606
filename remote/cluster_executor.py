"""The executor of the agent: Ray as at home, on nodes that need not share a disk with the agent.

A worker gets hashes. Where it finds the agent's store on its own disk it works in it; where not, it gets what it needs
from an actor beside the agent (`keeper.py`), works in a store of its node, and sends back what it wrote.
"""

from typing import Any

from ..engine.scheduler.assignment import Assignment, Failure, Outcome
from ..engine.scheduler.executor import Emit
from ..engine.scheduler.ray_executor import RayExecutor, run_step
from .keeper import Keeper
from .node import away_from_home, shares_disk
from .places import There
from .ray_here import ray_module


def cluster_executor(there: There, emit: Emit) -> RayExecutor:
    """For the Ray that this process is connected to."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray = ray_module()
    here = ray.get_runtime_context().get_node_id()
    beside: Any = NodeAffinitySchedulingStrategy(here, soft=False)
    # What it does may be done again, so it may die (of memory, say) and be started anew.
    options = {"max_concurrency": 16, "max_restarts": -1, "max_task_retries": -1}
    actor: Any = ray.remote(num_cpus=0, scheduling_strategy=beside, **options)(Keeper)
    keeper = actor.remote(str(there.base))
    base, mark = str(there.base), there.mark()

    def run(assignment: Assignment) -> Outcome | Failure:
        return _run_step(assignment, keeper, base, mark)

    executor = RayExecutor(emit, run=run)
    executor.watch_capacity()
    return executor


def _run_step(assignment: Assignment, keeper: Any, base: str, mark: str) -> Outcome | Failure:  # Any: an actor
    """What runs in a worker of the cluster."""
    if shares_disk(base, mark):
        return run_step(assignment)
    with away_from_home(assignment, base, keeper) as here:
        answer = run_step(here.assignment)
        here.send_back(answer)
        return answer
