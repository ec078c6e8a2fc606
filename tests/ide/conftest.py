"""The harness is beside the tests; they are no package, which would be one called `ide`."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_project import Project
from screen_kit import engine, recorded


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    found = Project(tmp_path / "project")
    yield found
    if (found.root / ".instep").exists() and os.access(found.root, os.W_OK):
        found.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Project]]:
    """Projects that last for a module, so that each starts Ray once."""
    made: dict[str, Project] = {}

    def make(name: str, files: dict[str, str]) -> Project:
        if name not in made:
            made[name] = Project(tmp_path_factory.mktemp(name) / "project")
            for path, text in files.items():
                made[name].write(path, text)
        return made[name]

    yield make
    for one in made.values():
        one.stop()


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded project: see `screen_kit.recorded`."""
    return recorded(tmp_path_factory.mktemp("history") / "small")


@pytest.fixture(scope="session")
def looked_at(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of it with a living engine, for tests that change nothing but what the screen remembers."""
    copy = tmp_path_factory.mktemp("looked_at") / "small"
    shutil.copytree(history, copy)
    with engine(copy):
        yield copy


@pytest.fixture
def same(looked_at: Path) -> Path:
    (looked_at / ".instep" / "screen.json").unlink(missing_ok=True)
    return looked_at


@pytest.fixture
def root(history: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it with a living engine."""
    copy = tmp_path / "small"
    shutil.copytree(history, copy)
    with engine(copy):
        yield copy
