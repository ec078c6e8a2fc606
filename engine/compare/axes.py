"""What the course of a metric is drawn over."""

from typing import Final

COUNT, SECONDS = "count", "seconds"
"""What every course can be drawn over: how many values came before, and how long it took."""
_HOW_FAR: Final = frozenset(
    ("epoch", "epochs", "step", "steps", "iteration", "iter", "round", "batch", "tick", "samples")
)


def says_how_far(metric: str) -> bool:
    """Whether a metric (`step.name` or `name`) tells how far its step was: it is rather an axis than a curve."""
    return metric.rpartition(".")[2].lower() in _HOW_FAR
