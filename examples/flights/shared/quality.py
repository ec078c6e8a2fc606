"""How good probabilities are, and how good the warnings are that follow from them."""

import numpy as np
import polars as pl
from sklearn.metrics import log_loss, roc_auc_score


def ranking(predictions: pl.DataFrame) -> dict[str, float]:
    """The quality of the probabilities alone, whatever is done with them."""
    late, chance = predictions["late"].to_numpy(), predictions["chance"].to_numpy()
    return {"auc": float(roc_auc_score(late, chance)), "log_loss": float(log_loss(late, chance))}


def warnings_at(predictions: pl.DataFrame, threshold: float) -> dict[str, float]:
    """What happens if every flight with at least that chance to be late gets a warning."""
    late, warned = predictions["late"].to_numpy(), predictions["chance"].to_numpy() >= threshold
    right = int(np.count_nonzero(late & warned))
    return {
        "warned": float(warned.mean()),
        "precision": right / max(int(warned.sum()), 1),
        "recall": right / max(int(late.sum()), 1),
    }
