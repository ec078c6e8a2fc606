"""What the name of a metric says of it; nothing else is known of what a person measures."""

import re
from functools import lru_cache
from typing import Final, Literal

Better = Literal["lower", "higher"]
_LOWER: Final = frozenset(("loss", "rmse", "mae", "mse", "error", "err", "mape", "logloss", "perplexity", "brier"))
_HIGHER: Final = frozenset(("acc", "accuracy", "auc", "r2", "f1", "precision", "recall", "score"))
_HOW_FAR: Final = frozenset(
    ("epoch", "epochs", "step", "steps", "iteration", "iter", "round", "batch", "tick", "samples")
)


@lru_cache(1024)
def direction(name: str) -> Better | None:
    """Whether lower or higher is better, where the last part of a metric's name says so: `val_loss`, `score.r2`."""
    words = re.split(r"[^a-z0-9]+", name.rpartition(".")[2].lower())
    if any(word in _LOWER for word in words) or "log loss" in " ".join(words):
        return "lower"
    return "higher" if any(word in _HIGHER for word in words) else None


def says_how_far(metric: str) -> bool:
    """Whether a metric (`step.name` or `name`) tells how far its step was: it is rather an axis than a curve."""
    return metric.rpartition(".")[2].lower() in _HOW_FAR
