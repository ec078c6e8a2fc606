"""Distributions, hardware and git, as a run's snapshot keeps them."""

import subprocess
from pathlib import Path

import pytest

from instep.engine.environment import Packages, hardware, packages_signature, read_git, read_packages
from instep.engine.ids import Digest


def install(folder: Path, name: str, version: str, requires: str = "") -> None:
    """What pip leaves behind for a package of one module."""
    for old in folder.glob(f"{name}-*.dist-info"):
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
    (folder / f"{name}.py").write_text(f"VERSION = {version!r}\n")
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    need = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{need}")
    (info / "RECORD").write_text(f"{name}.py,,\n{name}-{version}.dist-info/METADATA,,\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_an_upgrade_changes_the_signature_and_the_version(site: Path, tmp_path: Path) -> None:
    install(site, "fakepkg", "1.0")
    first = read_packages(tmp_path / "packages.json")
    assert first.of(["fakepkg"]) == {"fakepkg": "1.0"}
    assert first.signature == packages_signature()
    install(site, "fakepkg", "1.1")
    assert first.signature != packages_signature()
    assert read_packages(tmp_path / "packages.json", first).of(["fakepkg"]) == {"fakepkg": "1.1"}


def test_what_was_found_is_read_back_while_nothing_changed(site: Path, tmp_path: Path) -> None:
    install(site, "fakepkg", "1.0", "otherpkg>=2")
    memory = tmp_path / "packages.json"
    first = read_packages(memory)
    assert read_packages(memory) == first
    memory.write_text("{")
    assert read_packages(memory) == first


def test_requirements_count_for_the_snapshot_but_not_for_the_key(site: Path, tmp_path: Path) -> None:
    install(site, "otherpkg", "2.5")
    install(site, "fakepkg", "1.0", "otherpkg>=2")
    found = read_packages(tmp_path / "packages.json")
    assert found.of(["fakepkg"]) == {"fakepkg": "1.0"}
    assert found.reachable(["fakepkg"]) == {"fakepkg": "1.0", "otherpkg": "2.5"}


def test_only_the_wanted_part_of_a_version_counts() -> None:
    found = Packages(Digest(""), {"a": "1.2.3"}, {"a": ["a"]})
    assert (found.of(["a"], "exact"), found.of(["a"], "minor"), found.of(["a"], "any")) == (
        {"a": "1.2.3"},
        {"a": "1.2"},
        {},
    )


def test_git_tells_commit_and_what_is_not_committed(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    assert read_git(tmp_path).commit is None
    git("init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    git("add", "-A")
    git("commit", "-qm", "first")
    clean = read_git(tmp_path)
    assert (clean.dirty, clean.diff) == (False, "")
    assert clean.commit and len(clean.commit) == 40
    (tmp_path / "a.py").write_text("x = 2\n")
    (tmp_path / "b.py").touch()
    dirty = read_git(tmp_path)
    assert dirty.dirty and "+x = 2" in dirty.diff and "?? b.py" in dirty.diff


def test_hardware_says_what_the_machine_has() -> None:
    found = hardware()
    assert isinstance(found["cpus"], int) and found["cpus"] >= 1
    assert isinstance(found["memory"], int) and found["memory"] > 1 << 20
