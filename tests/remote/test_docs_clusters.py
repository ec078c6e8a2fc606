"""What docs/clusters.md gives to copy is what Kubernetes, KubeRay, a shell, Ray and instep take."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from instep.engine.project import load_project
from instep.remote.profile import profiles

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "clusters.md").read_text()
KUBERNETES = "1.34"


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all((DOCS / "kuberay.yaml").read_text())}


def pod(template: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "of-a-group"}, "spec": template["spec"]}


def test_the_kuberay_manifest_is_of_the_schemas(manifests: dict[str, Any]) -> None:
    schema = json.loads(Path(__file__).with_name("raycluster.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(manifests["RayCluster"], schema)
    spec = manifests["RayCluster"]["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        kubernetes_validate.validate(pod(group["template"]), KUBERNETES, strict=True)
    kubernetes_validate.validate(manifests["NetworkPolicy"], KUBERNETES, strict=True)


def test_the_schemas_notice_a_mistake(manifests: dict[str, Any]) -> None:
    template = json.loads(json.dumps(manifests["RayCluster"]["spec"]["headGroupSpec"]["template"]))
    template["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod(template), KUBERNETES, strict=True)


def test_the_manifest_is_safe_by_default(manifests: dict[str, Any]) -> None:
    spec = manifests["RayCluster"]["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    name = manifests["RayCluster"]["metadata"]["name"]
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == {"ray.io/cluster": name}
    images = re.findall(r"image: rayproject/ray:(\S+?)-py311", (DOCS / "kuberay.yaml").read_text())
    assert set(images) == {spec["rayVersion"]}


def test_the_configurations_to_copy_are_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert tomllib.loads(block)
        (tmp_path / "instep.toml").write_text(block)
        assert profiles(load_project(tmp_path))


def test_the_shell_to_copy_is_shell() -> None:
    for script in (*re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL), (DOCS / "slurm.sh").read_text()):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_yaml_to_copy_is_yaml_and_ray_knows_the_options() -> None:
    from ray.scripts.scripts import start

    known = {name for parameter in start.params for name in parameter.opts}
    for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL):
        assert yaml.safe_load(block)
    for command in re.findall(r"ray start (.*(?:\\\n.*)*)", TEXT + (DOCS / "slurm.sh").read_text()):
        options = set(re.findall(r"(?<!\S)--[a-z-]+", command))
        assert options and options <= known
