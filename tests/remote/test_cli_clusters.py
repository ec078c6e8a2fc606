"""`instep clusters · attach · detach` as a person and a program see them, against a real cluster."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ray_cluster import Cluster, ports

from instep.ide.cli import main

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

PIPELINE = """
import numpy as np
from instep import step

@step(env=["REGION"])
def table():
    return np.zeros(3)

@step(gpus=1)
def model(table):
    return 1

@step(gpus=16)
def huge():
    return 2
"""


@pytest.fixture
def root(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPU_TOKEN", cluster.token)
    monkeypatch.setenv("REGION", "eu")
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "instep.toml").write_text(
        f'[clusters.gpu]\naddress = "{cluster.address}"\ntoken = {{ env = "GPU_TOKEN" }}\n'
        f'[clusters.away]\naddress = "http://127.0.0.1:{ports("none")["none"]}"\n'
    )
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    return tmp_path


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_attach_tells_what_is_there_and_what_differs_and_is_remembered(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # `huge` fits nowhere: attaching works, and says that these steps cannot all run there.
    assert main(["-C", str(root), "attach", "gpu", "--json"]) == 1
    told = document(capsys)
    assert (told["cluster"], told["node_count"], told["gpus"], told["gpu_kinds"]) == ("gpu", 2, 2, ["A100"])
    rows = {(row["kind"], row["subject"]): row for row in told["parity"]}
    assert rows["room", "huge"]["effect"] == "stops"
    assert re.fullmatch(r"huge needs 16 GPUs, .* has 2", rows["room", "huge"]["text"])
    # The cluster was started with the environment of this test run, less this variable.
    assert (rows["env", "REGION"]["there"], rows["env", "REGION"]["effect"]) == (None, "sent")
    assert told["verdict"]["action"] == "refuse"
    assert {node["host"] for node in told["nodes"]} and told["nodes"][0]["head"]

    (root / "pipeline.py").write_text(PIPELINE.replace("gpus=16", "gpus=2"))
    assert main(["-C", str(root), "attach", "gpu"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"✓ gpu  http://127\.0\.0\.1:\d+\n  Ray 2\.\d+\.\d+ · Python 3\.\d+\.\d+ · 2 nodes · 3 CPUs", out)
    assert re.search(r"\(head\) +✓ up", out) and "A100" in out
    assert "these steps can run there as it is" in out

    assert main(["-C", str(root), "clusters", "--json"]) == 0
    gpu, away = document(capsys)["clusters"]
    assert (gpu["name"], gpu["state"], gpu["gpus"], gpu["token"]) == ("gpu", "attached", 2, "env GPU_TOKEN")
    assert (away["name"], away["state"], away["seen_at"]) == ("away", "unknown", None)

    assert main(["-C", str(root), "clusters", "--check"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"gpu +✓ up", out) and re.search(r"away +✗ unreachable", out)
    assert "away: cannot reach http://127.0.0.1" in out

    assert main(["-C", str(root), "detach", "gpu"]) == 0
    assert "what runs there goes on" in capsys.readouterr().out
    assert main(["-C", str(root), "detach", "gpu", "--json"]) == 0
    assert document(capsys) == {"cluster": "gpu", "detached": False}


def test_each_way_not_to_get_in_is_one_sentence_on_stderr_and_an_exit_code(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["-C", str(root), "attach", "away"]) == 1
    assert "✗ cannot reach http://127.0.0.1" in capsys.readouterr().err
    assert main(["-C", str(root), "attach", "gp"]) == 2
    assert "Did you mean `gpu`?" in capsys.readouterr().err
    monkeypatch.setenv("GPU_TOKEN", "wrong")
    assert main(["-C", str(root), "attach", "gpu", "--json"]) == 2
    told = capsys.readouterr()
    assert not told.out and "does not accept this token" in told.err
    monkeypatch.delenv("GPU_TOKEN")
    assert main(["-C", str(root), "attach", "gpu"]) == 2
    assert "GPU_TOKEN, which is not set" in capsys.readouterr().err


def test_a_project_without_clusters_says_how_to_add_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "instep.toml").write_text("")
    assert main(["-C", str(tmp_path), "clusters"]) == 0
    assert "docs/clusters.md" in capsys.readouterr().out


def test_every_key_of_these_documents_is_documented(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    known = set(re.findall(r'"(\w+)"', text)) | set(re.findall(r"`(\w+)`", text))
    for words in (["clusters"], ["attach", "gpu"], ["detach", "gpu"]):
        main(["-C", str(root), *words, "--json"])
        assert set(keys(document(capsys))) <= known


USERS_OWN = ("total", "used", "labels")


def keys(value: object) -> list[str]:
    if isinstance(value, dict):
        below = [key for name, one in value.items() if name not in USERS_OWN for key in keys(one)]
        return [*value, *below]
    return [key for one in value for key in keys(one)] if isinstance(value, list) else []
