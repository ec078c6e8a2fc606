"""Runs that differ from a given one only in params called `seed`: what a metric does by chance alone."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Rows are of any type.

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..snapshots.catalog import SHOWN
from ..snapshots.queries import Reader, reader
from .metrics import Spread, spread_of
from .read_run import loaded

SEED: Final = "seed"
_ALIKE = f"""select number, params from run where env_hash = (select env_hash from run where number = $1)
    and state = 'done' and {SHOWN} order by number desc"""
_CODE = """select run, list_sort(list(distinct step || ':' || coalesce(fingerprint, ''))) as code from step_run
    where item is null and list_contains(?, run) group by run"""
_FILES = """select run, list_sort(list(distinct f.path || ':' || f.content_hash)) as files from step_run s
    join input_file f using (run_id, step_run_id) where f.argument <> '' and list_contains(?, s.run) group by run"""


def is_seed(param: str) -> bool:
    return param.rpartition(".")[2] == SEED


def spreads_of(store: Path, numbers: Sequence[int]) -> dict[str, Spread]:
    """For every metric how much it moves among the seeds of these runs' kinds; empty where no other seeds were run."""
    with reader(store) as found:
        groups = [_values(found, group) for group in dict.fromkeys(_group(found, number) for number in numbers)]
    names = dict.fromkeys(name for group in groups for name in group)
    spreads = {name: spread_of(*(group[name] for group in groups if name in group)) for name in names}
    return {name: one for name, one in spreads.items() if one is not None}


def _group(found: Reader, number: int) -> tuple[int, ...]:
    """The newest run for each setting of the seeds, of those that differ from `number` in nothing else."""
    rows = found.rows(_ALIKE, [number])
    params: dict[int, dict[str, dict[str, Any]]] = {row["number"]: loaded(row["params"]) or {} for row in rows}
    if number not in params or not any(name == SEED for values in params[number].values() for name in values):
        return ()
    own = _split(params[number])[0]
    alike = {one: _split(values)[1] for one, values in params.items() if _split(values)[0] == own}
    if len(set(alike.values())) < 2:
        return ()
    marks = _marks(found, alike)
    newest: dict[str, int] = {}
    for one, seeds in sorted(alike.items(), reverse=True):
        if marks.get(one) == marks.get(number):
            newest.setdefault(seeds, one)
    return tuple(sorted(newest.values()))


def _split(params: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:  # Any: JSON
    """All params but the seeds, and the seeds, each as one text."""
    rest = {step: {n: v for n, v in found.items() if n != SEED} for step, found in params.items()}
    seeds = {step: found[SEED] for step, found in params.items() if SEED in found}
    return json.dumps(rest, sort_keys=True), json.dumps(seeds, sort_keys=True)


def _marks(found: Reader, numbers: Iterable[int]) -> dict[int, tuple[Any, Any]]:  # Any: lists of texts
    """Code and declared files of runs, to be equal or not."""
    wanted = list(numbers)
    code = {row["run"]: row["code"] for row in found.rows(_CODE, [wanted])}
    files = {row["run"]: row["files"] for row in found.rows(_FILES, [wanted])}
    return {number: (code.get(number), files.get(number)) for number in wanted}


def _values(found: Reader, group: Sequence[int]) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for row in found.rows("from run_metric where list_contains(?, run)", [list(group)]):
        if row["value"] is not None and row["value"] == row["value"]:
            values.setdefault(row["name"], []).append(row["value"])
    return values
