"""What differs between here and a cluster, for which steps, and what a policy makes of it. Both sides are values."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from instep.engine.environment import Packages
from instep.engine.ids import Digest, StepName
from instep.engine.knowledge import Recorded
from instep.engine.plan import Facts
from instep.engine.planner import Planner, Wishes
from instep.engine.snapshots.journal import Journal
from instep.remote.facts import ClusterFacts, Machine
from instep.remote.needs import NEEDS, at_least
from instep.remote.nodes import NodeState
from instep.remote.parity import Here, Mismatch, keyed, parity
from instep.remote.verdict import sentence, verdict

PIPELINE = """
import numpy as np
import sklearn
from instep import step

@step(env=["REGION"])
def table():
    return np.zeros(3)

@step(gpus=1, packages="minor")
def model(table):
    return sklearn.fit(table)

@step
def plain():
    return 1
"""
VERSIONS = dict.fromkeys(NEEDS, "99.0") | {
    "numpy": "2.3.1",
    "scikit-learn": "1.9.2",
    "scipy": "1.20.0",
    "ray": "2.60.0",
}
PACKAGES = Packages(
    Digest(""),
    VERSIONS,
    {"numpy": ["numpy"], "sklearn": ["scikit-learn"]},
    {"scikit-learn": ["scipy", "numpy"], "scipy": ["numpy"]},
)
HERE = Here("3.11.7", PACKAGES, {"REGION": "eu"}, {"system": "Linux 6.1", "processor": "AMD", "gpus": []})
SALT = "ab" * 16


def machine(node_id: str, host: str, **more: Any) -> Machine:
    told = {"python": "3.11.7", "executable": "/x/python", "ray": "2.60.0", "system": "Linux 5", "processor": "AMD"}
    env = {"REGION": keyed("eu", SALT)}
    return Machine(node_id, host, **{**told, "packages": dict(VERSIONS), "env": env, **more})


HEAD = machine("n0", "head")
GPU = machine("n1", "gpu-a", gpus=("A100",))
NODES = (
    NodeState("n0", "head", "10.0.0.1", head=True, alive=True, total={"CPU": 4.0}),
    NodeState("n1", "gpu-a", "10.0.0.2", head=False, alive=True, total={"CPU": 4.0, "GPU": 1.0}),
)


def there(
    *machines: Machine, nodes: tuple[NodeState, ...] = NODES, silent: Mapping[str, str] | None = None
) -> ClusterFacts:
    return ClusterFacts(
        "gpu", "http://h", "s", machines[0].ray, False, "c", SALT, (), 0.0, nodes, machines, silent or {}
    )


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    root = tmp_path_factory.mktemp("parity")
    (root / "instep.toml").write_text("")
    (root / "pipeline.py").write_text(PIPELINE)
    (root / ".instep").mkdir()
    with Journal(root / ".instep" / "journal.sqlite") as journal:
        return Planner(root, Recorded(journal, root / ".instep")).facts({}, Wishes.none())


def rows(facts: Facts, cluster: ClusterFacts, here: Here = HERE) -> set[tuple[Any, ...]]:
    found = parity(facts, here, cluster)
    return {(one.kind, one.subject, one.here, one.there, one.steps, one.effect) for one in found}


def versions(**changed: str | None) -> dict[str, str]:
    both = VERSIONS | {name.replace("_", "-"): version for name, version in changed.items()}
    return {name: version for name, version in both.items() if version is not None}


def test_nothing_differs_where_all_is_alike_but_the_gpu_that_one_goes_there_for(facts: Facts) -> None:
    assert rows(facts, there(HEAD, GPU)) == {("gpu", "gpu", None, "A100", ("model",), "may")}


def test_a_package_that_a_step_imports_is_in_its_key_and_one_behind_it_is_not(facts: Facts) -> None:
    other = versions(scipy="1.19.0", numpy="2.4.0")
    found = rows(facts, there(replace(HEAD, packages=other), replace(GPU, packages=other)))
    assert ("package", "numpy", "2.3.1", "2.4.0", ("table",), "key") in found
    # `model` imports scikit-learn only: numpy and scipy can change its result and are not in its key.
    assert ("package", "numpy", "2.3.1", "2.4.0", ("model",), "may") in found
    assert ("package", "scipy", "1.20.0", "1.19.0", ("model",), "may") in found
    assert not [row for row in found if "plain" in row[4]]


def test_a_step_that_asks_for_minor_versions_shares_results_across_patches(facts: Facts) -> None:
    patch, minor = (replace(GPU, packages=versions(scikit_learn=version)) for version in ("1.9.9", "1.10.0"))
    assert ("package", "scikit-learn", "1.9.2", "1.9.9", ("model",), "may") in rows(facts, there(HEAD, patch))
    assert ("package", "scikit-learn", "1.9.2", "1.10.0", ("model",), "key") in rows(facts, there(HEAD, minor))


def test_only_nodes_that_could_run_a_step_count_for_it(facts: Facts) -> None:
    head = replace(HEAD, packages=versions(scikit_learn=None))
    assert not [row for row in rows(facts, there(head, GPU)) if row[0] == "package"]


def test_nodes_that_differ_among_themselves_are_named(facts: Facts) -> None:
    found = rows(facts, there(HEAD, replace(GPU, packages=versions(numpy="2.4.0"))))
    assert ("package", "numpy", "2.3.1", "2.3.1 on head, 2.4.0 on gpu-a", ("table",), "key") in found


def test_a_package_that_is_not_there_stops_who_imports_it(facts: Facts) -> None:
    found = parity(facts, HERE, there(HEAD, replace(GPU, packages=versions(scikit_learn=None))))
    (row,) = [one for one in found if one.kind == "package"]
    assert (row.there, row.steps, row.effect) == (None, ("model",), "stops")
    assert sentence(row) == "scikit-learn is 1.9.2 here and not there on the cluster: model cannot run there"
    refused = verdict("warn", found)
    assert refused.action == "refuse" and 'on_mismatch = "build"' in refused.why[-1]
    assert verdict("build", found).action == "build"


def test_what_instep_itself_needs_stops_every_step_and_is_told_once(facts: Facts) -> None:
    bare = versions(blake3=None, numpy="1.26.4")
    found = rows(facts, there(replace(HEAD, packages=bare), replace(GPU, packages=bare)))
    everything = ("table", "model", "plain")
    assert ("need", "blake3", "1.0 or newer", None, everything, "stops") in found
    assert ("need", "numpy", "2.0 or newer", "1.26.4", everything, "stops") in found
    assert not [row for row in found if row[0] == "package" and row[1] == "numpy"]


def test_another_minor_of_python_parts_the_results_and_an_old_one_stops_all(facts: Facts) -> None:
    for version, effect in (("3.12.1", "key"), ("3.11.9", "may"), ("3.10.4", "stops")):
        machines = [replace(one, python=version) for one in (HEAD, GPU)]
        assert ("python", "python", "3.11.7", version, ("table", "model", "plain"), effect) in rows(
            facts, there(*machines)
        )
    found = parity(facts, HERE, there(*[replace(one, python="3.10.4") for one in (HEAD, GPU)]))
    assert {verdict(policy, found).action for policy in ("refuse", "warn", "build")} == {"refuse"}


def test_another_ray_is_told_and_stops_nothing(facts: Facts) -> None:
    found = parity(facts, HERE, there(replace(HEAD, ray="2.50.0"), GPU))
    (row,) = [one for one in found if one.kind == "ray"]
    assert (row.here, row.there, row.effect) == ("2.60.0", "2.50.0", "may")
    assert verdict("warn", found).action == "go"
    assert verdict("refuse", found).action == "refuse"


def test_variables_are_compared_without_being_told(facts: Facts) -> None:
    unset = replace(HEAD, env={}), replace(GPU, env={})
    assert ("env", "REGION", "set", None, ("table",), "sent") in rows(facts, there(*unset))
    other = {"REGION": keyed("us", SALT)}
    found = rows(facts, there(replace(HEAD, env=other), replace(GPU, env=other)))
    assert ("env", "REGION", "set", "set otherwise", ("table",), "sent") in found
    only_there = rows(facts, there(HEAD, GPU), Here(HERE.python, PACKAGES, {}, HERE.hardware))
    assert ("env", "REGION", None, "set", ("table",), "may") in only_there


def test_what_fits_no_node_is_said_with_the_node_that_comes_closest(facts: Facts) -> None:
    found = parity(facts, HERE, there(HEAD, nodes=NODES[:1]))
    (row,) = [one for one in found if one.kind == "room"]
    assert row.steps == ("model",)
    assert sentence(row) == "model needs 1 GPU, no node has any"
    assert verdict("build", found).why == ("model needs 1 GPU, no node has any",)


def test_a_node_that_could_not_be_looked_at_is_named(facts: Facts) -> None:
    found = parity(facts, HERE, there(HEAD, silent={"n1": "no answer within 40 s"}))
    assert "node gpu-a could not be looked at: no answer within 40 s" in [sentence(one) for one in found]


def test_parity_may_be_asked_for_some_steps_only(facts: Facts) -> None:
    assert parity(facts, HERE, there(HEAD, nodes=NODES[:1]), [StepName("plain")]) == ()


def test_the_weightiest_rows_come_first_and_each_is_a_sentence(facts: Facts) -> None:
    other = versions(scipy="1.0", numpy="2.4.0", blake3=None)
    machines = [replace(one, packages=other, processor="Intel", env={}) for one in (HEAD, GPU)]
    found = parity(facts, HERE, there(*machines))
    effects = [one.effect for one in found]
    assert effects == sorted(effects, key=["stops", "key", "may", "sent"].index)
    assert all(sentence(one).strip() and "None" not in sentence(one) for one in found)
    assert "the processor is AMD here and Intel on the cluster, which may matter to table, model, plain" in map(
        sentence, found
    )


@pytest.mark.parametrize(
    ("version", "least", "is_it"),
    [("2.1.0", "2.1", True), ("2", "2.0", True), ("2.10", "2.9", True), ("1.9", "2.0", False), ("", "1.0", False),
     ("3.0rc1", "2.9", True), ("unknown", "1.0", False)],
)  # fmt: skip
def test_versions_are_compared_as_numbers(version: str, least: str, is_it: bool) -> None:
    assert at_least(version, least) is is_it


def test_a_mismatch_is_plain_data() -> None:
    one = Mismatch("package", "numpy", "1", None, (StepName("a"),), "stops")
    assert one.to_json() == {
        "kind": "package", "subject": "numpy", "here": "1", "there": None, "steps": ["a"], "effect": "stops"
    }  # fmt: skip
