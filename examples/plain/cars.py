"""How thirsty is a car? Plain functions: each computes what it is called, from what its arguments are called."""

import numpy as np
import polars as pl

INPUTS = ["weight", "hp", "accel", "yr"]


def cars() -> pl.DataFrame:
    """392 cars sold in the USA from 1970 to 1982; `origin` is 1 for America, 2 for Europe, 3 for Asia."""
    return pl.read_csv("data/cars.csv", infer_schema_length=None)


def consumption(cars: pl.DataFrame) -> pl.DataFrame:
    """Litres for 100 km: unlike miles per gallon it grows in proportion to the fuel that is used."""
    return cars.with_columns(litres=235.215 / pl.col("mpg"))


def by_origin(consumption: pl.DataFrame) -> pl.DataFrame:
    return consumption.group_by("origin").agg(pl.len(), pl.col("litres", *INPUTS).mean()).sort("origin")


def design(consumption: pl.DataFrame) -> np.ndarray:
    """The inputs in units of their spread, and a constant."""
    inputs = consumption.select(INPUTS).to_numpy()
    return np.column_stack([np.ones(len(inputs)), (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)])


def weights(design: np.ndarray, consumption: pl.DataFrame, *, penalty: float = 1.0) -> np.ndarray:
    cost = penalty * np.eye(design.shape[1])
    return np.linalg.solve(design.T @ design + cost, design.T @ consumption["litres"].to_numpy())


def effects(weights: np.ndarray) -> dict[str, float]:
    """Litres more for one spread more of each input."""
    return dict(zip(INPUTS, weights[1:].tolist(), strict=True))


def score(design: np.ndarray, weights: np.ndarray, consumption: pl.DataFrame) -> dict[str, float]:
    litres = consumption["litres"].to_numpy()
    errors = litres - design @ weights
    return {"rmse": float(np.sqrt(np.mean(errors**2))), "r2": float(1 - errors.var() / litres.var())}
