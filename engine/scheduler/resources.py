"""Arithmetic on resources, in whole numbers: ten fifths of two GPUs must be exactly two.

An `Amount` maps a resource to units, without zeros: ten-thousandths of a CPU, GPU or custom resource (as Ray counts)
and bytes of memory. A missing resource is none of it.
"""

from collections.abc import Mapping
from typing import TypeAlias

from .assignment import Resources

Amount: TypeAlias = Mapping[str, int]

UNITS = 10_000
MEMORY = "memory"


def amount(resources: Resources) -> dict[str, int]:
    shares = {"cpus": resources.cpus, "gpus": resources.gpus, **resources.custom}
    units = {name: round(share * UNITS) for name, share in shares.items()}
    units[MEMORY] = resources.memory
    return {name: count for name, count in units.items() if count > 0}


def fits(request: Amount, free: Amount) -> bool:
    for name, count in request.items():  # noqa: SIM110  the inner loop of the scheduler: a generator doubles its time
        if free.get(name, 0) < count:
            return False
    return True


def leaves(request: Amount, free: Amount, reserved: Amount) -> bool:
    """Whether, of everything that `request` would take, enough stays free for `reserved`."""
    return all(free.get(name, 0) - count >= reserved.get(name, 0) for name, count in request.items())


def slots(request: Amount, capacity: Amount, unbounded: int) -> int:
    """How many of `request` fit side by side; `unbounded` where it asks for nothing."""
    return min((capacity.get(name, 0) // count for name, count in request.items()), default=unbounded)


def shortage(request: Amount, capacity: Amount) -> str:
    """What is asked for and not there, for people: `2 gpus (of 0)`."""
    return ", ".join(
        f"{_text(name, count)} (of {_text(name, capacity.get(name, 0), bare=True)})"
        for name, count in request.items()
        if capacity.get(name, 0) < count
    )


def _text(name: str, count: int, bare: bool = False) -> str:
    if name == MEMORY:
        return f"{count / 2**30:.3g} GiB" + ("" if bare else " of memory")
    number = f"{count / UNITS:g}"
    return number if bare else f"{number} {name}"
