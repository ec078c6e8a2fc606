"""How long will people live in five years? One small model for each country and each setting."""

from itertools import product
from pathlib import Path
from typing import TypedDict

import numpy as np
import polars as pl
from bokeh_sampledata import package_path
from instep import Each, File, step

from ridge import backtest, lagged

SERIES = ["life_expectancy", "fertility", "population"]
TESTS = 12  # years at the end of the record that are forecast


class Country(TypedDict):
    name: str
    region: str
    life_expectancy: list[float]
    fertility: list[float]
    population: list[float]


class Setting(TypedDict):
    lags: int
    penalty: float
    fertility: bool


@step
def gapminder(corrections: Path = File("data/corrections.csv")) -> pl.DataFrame:
    """Country by year, 1964 to 2013: 244 countries, 202 of them without gaps. Your corrections replace values."""
    table = pl.read_csv(package_path("gapminder.csv.gz"), infer_schema_length=None).with_columns(
        pl.col("population").cast(pl.Float64)
    )
    regions = pl.read_csv(package_path("gapminder_regions.csv")).select(country="Country", region="Group")
    return _corrected(table, pl.read_csv(corrections)).join(regions, on="country", how="left").sort("country", "year")


@step
def countries(gapminder: pl.DataFrame, *, limit: int = 12) -> list[Country]:
    """One item for each country without gaps; `limit` takes that many across the alphabet, 0 all."""
    # A list of small records rather than one table: a correction for one country is new work for that country alone.
    whole = gapminder.group_by("country", maintain_order=True).agg(
        pl.col("region").first().fill_null("elsewhere"),
        pl.col(*SERIES),
        gaps=pl.any_horizontal(pl.col(*SERIES).is_null()).any(),
    )
    records = whole.filter(~pl.col("gaps")).drop("gaps").rename({"country": "name"}).to_dicts()
    return _across(records, limit)


@step
def grid(*, size: int = 6) -> list[Setting]:
    """The settings to try: `size` of 100, spread over the whole grid."""
    lags, penalties = [1, 2, 3, 4, 5], np.geomspace(0.0001, 10, 10).round(4).tolist()
    every = [
        Setting(lags=lag, penalty=penalty, fertility=fertility)
        for lag, penalty, fertility in product(lags, penalties, [False, True])
    ]
    return _across(every, size)


@step
def forecast(
    country: Country = Each("countries"), setting: Setting = Each("grid"), *, horizon: int = 5
) -> dict[str, str | float]:
    """The error of one country's forecasts with one setting, beside that of 'it goes on as it did'."""
    life = np.array(country["life_expectancy"])
    others = [np.array(country["fertility"])] if setting["fertility"] else []
    inputs, changes, times = lagged(life, others, setting["lags"], horizon)
    forecasts = backtest(inputs, changes, setting["penalty"], horizon, TESTS)
    truth, as_before = changes[-TESTS:], _as_before(life, times[-TESTS:], horizon)
    return {
        "country": country["name"],
        "region": country["region"],
        **setting,
        "error": _rmse(forecasts - truth),
        "error_as_before": _rmse(as_before - truth),
    }


@step
def leaderboard(forecast: list[dict[str, str | float]]) -> pl.DataFrame:
    """The settings, best first: the median error in years of life, and the share of countries where it helps."""
    table = pl.DataFrame(forecast).group_by("lags", "penalty", "fertility")
    return table.agg(
        error=pl.col("error").median(),
        error_as_before=pl.col("error_as_before").median(),
        helps=(pl.col("error") < pl.col("error_as_before")).mean(),
        countries=pl.len(),
    ).sort("error", "lags", "penalty", "fertility")


@step
def by_region(forecast: list[dict[str, str | float]]) -> pl.DataFrame:
    """The errors by region if every country takes the setting that suits it best: the most that tuning could give."""
    best = pl.DataFrame(forecast).group_by("region", "country").agg(pl.col("error").min())
    return best.group_by("region").agg(pl.col("error").median(), countries=pl.len()).sort("error", "region")


@step
def score(leaderboard: pl.DataFrame) -> dict[str, float]:
    best = leaderboard.row(0, named=True)
    return {name: best[name] for name in ("error", "error_as_before", "helps")}


def _corrected(table: pl.DataFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    for row in corrections.iter_rows(named=True):
        here = (pl.col("country") == row["country"]) & (pl.col("year") == row["year"])
        now = pl.col(row["column"])
        table = table.with_columns(pl.when(here).then(row["value"]).otherwise(now).alias(row["column"]))
    return table


def _across(items: list, count: int) -> list:
    """`count` of the items at even distances; all of them for 0."""
    if not 0 < count < len(items):
        return items
    return [items[place * len(items) // count] for place in range(count)]


def _as_before(series: np.ndarray, times: np.ndarray, horizon: int) -> np.ndarray:
    """The change of the last `horizon` years once more."""
    return series[times] - series[np.maximum(times - horizon, 0)]


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))
