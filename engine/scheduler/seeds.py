"""Seeds for the generators that a step may use without seeding them, from its key: the same step, the same draws.

Only what is loaded is seeded; NumPy and PyTorch take long to import and most steps of a project need one of them or
none. A library that the step imports later is seeded at that moment.
"""

import contextlib
import importlib.abc
import importlib.machinery
import random
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_seed = 0


def seed_all(seed: int) -> None:
    """Seed Python's generator now, and NumPy's and PyTorch's now or when they are imported."""
    global _seed  # noqa: PLW0603  what is imported later must find it
    _seed = seed
    random.seed(seed)
    for name, seeder in _SEEDERS.items():
        if module := sys.modules.get(name):
            seeder(module, seed)


@contextlib.contextmanager
def seeding() -> Generator[None]:
    """Seed what is imported until the end, and give Python's and NumPy's generators back as they were."""
    finder = _Finder()
    state = random.getstate()
    numpy_random: Any = sys.modules.get("numpy.random")  # Any: NumPy may not be there to give it a type
    numpy_state = numpy_random.get_state() if numpy_random else None
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        random.setstate(state)
        if numpy_random:
            numpy_random.set_state(numpy_state)


def _numpy(module: Any, seed: int) -> None:  # Any: not imported here
    module.seed(seed & 0xFFFFFFFF)


def _torch(module: Any, seed: int) -> None:  # Any: not imported here
    if hasattr(module, "manual_seed"):
        module.manual_seed(seed & 0x7FFFFFFFFFFFFFFF)


_SEEDERS: dict[str, Callable[[Any, int], None]] = {"numpy.random": _numpy, "torch": _torch}


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _SEEDERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _SeedAfter(spec.loader)
        return spec


class _SeedAfter(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _SEEDERS[module.__name__](module, _seed)
