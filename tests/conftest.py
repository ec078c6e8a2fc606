"""How the suite is spread over the cores: whole files go to a worker, those that start a Ray before all others.

A run of a single file stays in one process, where a debugger and `-s` work; so does any run with `-n 0`.
"""

import os

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("any machine", deadline=None)  # 200 ms an example is too little where cores are shared
settings.load_profile("any machine")

OWN_CLUSTER = ("tests/remote/test_cut.py", "tests/remote/test_lost_nodes.py")
"""Files of that folder that would be waited for in vain: they use a cluster of their own alone."""
WORKERS = 4
"""At most: each may have a Ray of its own, with nine processes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--new-looks", action="store_true", help="write tests/ide/looks anew")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    files = {argument.partition("::")[0] for argument in config.args}
    if len(files) == 1 and next(iter(files)).endswith(".py"):
        return 0
    cores = len(os.sched_getaffinity(0))
    # One more than cores: more than half of its time a test waits for processes that start, or for a step's end.
    return min(cores + 1, WORKERS) if cores > 1 else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a Ray take longest: last, one of them would go on alone."""
    first = {unit_of(one.nodeid) for one in items if one.get_closest_marker("ray")}
    items.sort(key=lambda one: unit_of(one.nodeid) not in first)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order is that of the collection, see above
    return ByFile(config, log)


class ByFile(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """What is never divided: a file, and the folder whose tests share one cluster."""
    path = nodeid.partition("::")[0]
    return "tests/remote" if path.startswith("tests/remote/") and path not in OWN_CLUSTER else path
