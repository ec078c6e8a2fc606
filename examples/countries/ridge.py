"""Ridge regression on lagged values, and an honest back-test of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def lagged(
    target: Floats, others: Sequence[Floats], lags: int, horizon: int
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """What is known at each time, and by how much `target` changes within `horizon` from there.

    Returns inputs (times x features), changes (times) and the times themselves, as positions in `target`. Features are
    the last `lags` yearly changes of each series, the level of `target`, and a constant.
    """
    times = np.arange(lags, len(target) - horizon)
    changes = [np.diff(series) for series in (target, *others)]
    recent = [change[times - 1 - lag] for change in changes for lag in range(lags)]
    inputs = np.column_stack([np.ones(len(times)), target[times], *recent])
    return inputs, target[times + horizon] - target[times], times


def fit(inputs: Floats, changes: Floats, penalty: float) -> Floats:
    """Weights for `inputs`, standardised inside, so that one penalty suits all features; the constant goes free."""
    scale = inputs.std(axis=0)
    scale[scale == 0] = 1
    scaled = inputs / scale
    cost = penalty * np.eye(inputs.shape[1])
    cost[0, 0] = 0
    # The level is far from zero and as good as constant for some countries: least squares copes where `solve` may not.
    weights, *_ = np.linalg.lstsq(scaled.T @ scaled + cost, scaled.T @ changes, rcond=None)
    return weights / scale


def backtest(inputs: Floats, changes: Floats, penalty: float, horizon: int, tests: int) -> Floats:
    """Forecasts of the last `tests` changes, each from a model that saw only what was known by then."""
    forecasts = []
    for now in range(len(changes) - tests, len(changes)):
        # A change that starts at t is known at t + horizon, not before.
        known = now - horizon + 1
        forecasts.append(inputs[now] @ fit(inputs[:known], changes[:known], penalty))
    return np.array(forecasts)
