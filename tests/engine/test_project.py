"""`instep.toml` → `Project`: every mistake is named with its place and a mend, all at once."""

from pathlib import Path

import pytest

from instep.engine.errors import ProjectError, UsageError
from instep.engine.project import find_root, load_project


def write(folder: Path, text: str, name: str = "instep.toml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_the_project_is_found_upward_from_a_folder_inside_it(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    write(tmp_path, "")
    assert find_root(inside) == tmp_path


def test_a_table_in_pyproject_makes_a_project_too(tmp_path: Path) -> None:
    write(tmp_path, '[tool.instep.project]\nname = "other"\n[tool.instep.params]\nseed = 3\n', "pyproject.toml")
    project = load_project(find_root(tmp_path))
    assert (project.name, project.params, project.config) == ("other", {"seed": 3}, "pyproject.toml")


def test_no_project_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"(?s)no instep project in .*instep init"):
        find_root(tmp_path)


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        find_root(tmp_path / "gone")


def test_an_empty_file_is_a_project_with_the_defaults(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, ""))
    assert project.steps == ("pipeline.py", "steps/**/*.py")
    assert (project.roots, project.mark, project.auto) == ((".", "src"), "decorated", True)


def test_params_variants_and_local_resources_are_read(tmp_path: Path) -> None:
    text = """
[params]
seed = 7
[params.model]
rate = 0.05
[variants.big]
sample = 100000
[local]
cpus = 2
gpus = 1
"""
    project = load_project(write(tmp_path, text))
    assert project.params == {"seed": 7, "model": {"rate": 0.05}}
    assert project.variants == {"big": {"sample": 100000}}
    assert (project.local.cpus, project.local.gpus) == (2, 1)


def test_every_unknown_key_is_named_with_the_nearest_real_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        load_project(write(tmp_path, '[project]\nnam = "x"\n\n[wach]\nauto = true\n'))
    assert str(caught.value) == (
        "instep.toml:4: unknown table or key `wach`\n  Did you mean `watch`?\n"
        "instep.toml:2: unknown key `nam` in [project]\n  Did you mean `name`?"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('steps = "steps/*.py"', "`steps` must be a list of globs"),
        ('mark = "all"', '`mark` must be "decorated" or "public", not \'all\''),
        ("name = 3", "`name` must be a text, not 3"),
    ],
)
def test_a_key_of_the_wrong_type_is_named(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        load_project(write(tmp_path, f"[project]\n{line}\n"))
    assert told in str(caught.value)
    assert "instep.toml:2" in str(caught.value)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"instep\.toml:2: not valid TOML"):
        load_project(write(tmp_path, "[params]\nrate = = 3\n"))
