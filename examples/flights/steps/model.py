"""From features to a judged model. Start to play here: change WARN_FROM and run again."""

import numpy as np
import polars as pl
from instep import log, progress, step
from matplotlib.figure import Figure
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_curve
from threadpoolctl import threadpool_limits

from shared.quality import ranking, warnings_at

WARN_FROM = 0.25  # passengers get a warning when the chance to be late is at least this
TREES_A_ROUND = 10
CATEGORIES = ["origin", "carrier"]


@step(outputs=["train", "test"])
def split(features: pl.DataFrame, *, test_share: float = 0.2) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The last days of the year are for testing, all before them for training."""
    # A random split flatters (AUC 0.77): flights of one day share its weather, and the model has seen the day.
    return _cut_by_time(features, test_share)


@step
def model(
    train: pl.DataFrame, *, rate: float = 0.1, depth: int = 4, rounds: int = 12, seed: int = 0
) -> HistGradientBoostingClassifier:
    """Boosted trees; the losses after each round show when more rounds stop to help."""
    learn, check = _cut_by_time(train, 0.1)
    trees = HistGradientBoostingClassifier(
        learning_rate=rate,
        max_depth=depth,
        categorical_features=CATEGORIES,
        early_stopping=False,
        warm_start=True,
        random_state=seed,
    )
    # One thread: sums in another order would make a model that differs in the last digits each time.
    with threadpool_limits(1):
        for done in progress(range(1, rounds + 1)):
            trees.set_params(max_iter=done * TREES_A_ROUND).fit(_inputs(learn), learn["late"].to_numpy())
            log(round=done, loss=_loss(trees, learn), check_loss=_loss(trees, check))
    return trees


@step
def predictions(model: HistGradientBoostingClassifier, test: pl.DataFrame) -> pl.DataFrame:
    """For each flight of the test: its chance to be late, and whether it was."""
    return test.select("departs", "late").with_columns(chance=_chances(model, test))


@step
def score(predictions: pl.DataFrame) -> dict[str, float]:
    return {**ranking(predictions), **warnings_at(predictions, WARN_FROM)}


@step
def roc(predictions: pl.DataFrame) -> Figure:
    """Late flights caught against false alarms, with the point where the warnings are."""
    false_alarms, caught, thresholds = roc_curve(predictions["late"].to_numpy(), predictions["chance"].to_numpy())
    here = np.abs(thresholds - WARN_FROM).argmin()
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(false_alarms, caught)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(false_alarms[here], caught[here], "o", label=f"warn from {WARN_FROM:.0%}")
    axes.set(xlabel="share of the flights in time that got a warning", ylabel="share of the late flights that got one")
    axes.set_title(f"AUC {ranking(predictions)['auc']:.3f}")
    axes.legend(loc="lower right")
    return figure


def _cut_by_time(table: pl.DataFrame, share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The days before and the days from the cut on, which leaves about `share` of the time after it."""
    first, last = table["departs"].min(), table["departs"].max()
    cut = first + (1 - share) * (last - first)
    return table.filter(pl.col("departs") < cut), table.filter(pl.col("departs") >= cut)


def _inputs(table: pl.DataFrame) -> pl.DataFrame:
    return table.drop("departs", "late")


def _chances(model: HistGradientBoostingClassifier, table: pl.DataFrame) -> np.ndarray:
    return model.predict_proba(_inputs(table))[:, 1]


def _loss(model: HistGradientBoostingClassifier, table: pl.DataFrame) -> float:
    return log_loss(table["late"].to_numpy(), _chances(model, table))
