"""A short round of faults on the real program, one test a kind; `rounds.py` makes it as long as you like."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import crowd
from ground import Ground
from kinds import FAULTS
from trial import tried

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]
SEED = 6
ROUND = {
    "command killed": 5,
    "worker killed": 4,
    "projector killed": 3,
    "object flipped": 4,
    "catalog flipped": 3,
    "clock jumps": 3,
    "store read-only": 2,
    "disk full": 3,
    "screen killed": 2,
    # From here on each needs another engine, and that another Ray.
    "journal flipped": 1,
    "engine killed": 1,
    "raylet killed": 1,
    "GCS killed": 1,
}
"""How often each kind strikes here: 33 faults."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One project and one warm engine for all of them."""
    found = Ground(tmp_path_factory.mktemp("faults") / "ground")
    try:
        found.warm()
        yield found
    finally:
        found.close()
    assert not found.processes()


@pytest.mark.parametrize("name", ROUND)
def test_it_is_survived(ground: Ground, name: str) -> None:
    why = FAULTS[name].impossible(ground)
    if why:
        pytest.skip(why)
    for at in range(ROUND[name]):
        seed = f"{name}/{SEED}/{at}"
        trial = tried(ground, FAULTS[name], seed)
        assert not trial.broken, f"{trial.broken}\n{trial.moment}\npython tests/faults/rounds.py --replay {seed!r}"


def test_a_crowd_meets_no_lock_and_no_half_of_a_run(tmp_path: Path) -> None:
    found = crowd(tmp_path / "ground", 8.0)
    assert not found.wrong, found.wrong[:3]
    assert {"run", "instep status", "notebook: outputs", "screen: key"} <= set(found.took)
