"""The wheel, installed beside a project that has its own `engine.py`, `ide.py` and `remote/`."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer would lay it out."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv builds the wheel, and is not here")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [uv, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_the_package_and_the_examples_and_no_tests(site: Path) -> None:
    top = {path.name for path in site.iterdir()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"instep"}
    assert (site / "instep" / "examples" / "flights" / "instep.toml").is_file()
    assert (site / "instep" / "py.typed").is_file()
    assert not (site / "instep" / "tests").exists()


def test_a_project_with_modules_of_our_names_runs_from_the_wheel(site: Path, tmp_path: Path) -> None:
    """`PYTHONPATH=.` puts the project's `engine.py`, `ide.py` and `remote/` before everything."""
    for name, text in {
        "instep.toml": '[project]\nname = "clash"\n',
        "engine.py": "VALUE = 1\n",
        "ide.py": "VALUE = 2\n",
        "remote/__init__.py": "VALUE = 3\n",
        "pipeline.py": "import engine, ide, remote\nfrom instep import step\n@step\n"
        "def total(): return {'sum': engine.VALUE + ide.VALUE + remote.VALUE}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    environment = os.environ | {"PYTHONPATH": f".{os.pathsep}{site}", "INSTEP_IDLE_SECONDS": "60"}
    command = [sys.executable, "-c", "from instep.ide.cli import main; import sys; sys.exit(main())"]
    told = subprocess.run(
        [*command, "run"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    try:
        assert told.returncode == 0, told.stderr + told.stdout
        assert "total.sum  6" in told.stdout
    finally:
        subprocess.run([*command, "stop"], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60)
