"""What a worker executes is what the bundle holds, by whatever name it is imported."""

import os
import sys
from pathlib import Path

import pytest

from instep.engine.errors import MissingObject
from instep.engine.first_party import module_table_of
from instep.engine.ids import Digest
from instep.engine.project import Project
from instep.engine.scheduler.bundle import read_bundle, write_bundle


def test_an_edit_of_the_same_size_in_the_same_second_is_what_runs(bench):
    for number in range(20):
        bench.step(f"def work(): return {number % 10}")
        os.utime(bench.root / "steps/work.py", (1, 1))
        assert bench.value() == number % 10


def test_the_working_folder_is_never_read(bench):
    bench.step("import helper\ndef work(): return helper.ANSWER")
    bench.write({"steps/helper.py": "ANSWER = 42"})
    (bench.root / "steps/helper.py").write_text("ANSWER = 0")
    (bench.root / "steps/work.py").unlink()
    assert bench.value() == 42


def test_file_is_the_real_place_and_data_beside_it_is_found(bench):
    bench.write(
        {
            "steps/work.py": """
        from pathlib import Path
        def work(): return [__file__, (Path(__file__).parent / "data.txt").read_text()]
    """,
            "steps/data.txt": "hello",
        }
    )
    assert bench.value() == [str(bench.root / "steps/work.py"), "hello"]


def test_package_data_comes_through_importlib_resources_and_pkgutil(bench):
    bench.write({
        "pkg/__init__.py": "", "pkg/data.txt": "hello",
        "steps/work.py": """
            import importlib.resources, pkgutil
            def work():
                text = (importlib.resources.files("pkg") / "data.txt").read_text()
                return [text, pkgutil.get_data("pkg", "data.txt").decode()]
        """,
    })  # fmt: skip
    assert bench.value() == ["hello", "hello"]
    assert bench.run().observed.files == ("pkg/data.txt",)


@pytest.mark.parametrize(
    "line",
    [
        "import helper",
        "import steps.helper as helper",
        "from steps import helper",
        "from . import helper",
        "from .. import lib",
    ],
)
def test_every_way_to_import(bench, line):
    bench.roots = ("app",) if "steps" in line else (".",)
    bench.write(
        {"app/steps/helper.py": "X = 1", "app/lib.py": "", "app/steps/work.py": f"{line}\ndef work(): return 1"}
    )
    assert bench.value(module="steps.work" if "steps" in line else "app.steps.work") == 1


def test_a_file_is_one_module_whatever_it_is_called(bench):
    bench.write(
        {
            "steps/helper.py": "class Thing: pass",
            "steps/work.py": "import helper, steps.helper\ndef work(): return helper.Thing is steps.helper.Thing",
        }
    )
    assert bench.value() is True


def test_the_deepest_root_gives_a_file_its_first_name(bench):
    bench.write({"src/flights/clean.py": "", "tools.py": "", "src/tools.py": "", "not-a-module.py": "", "x.txt": ""})
    assert module_table_of(Project(bench.root, "x"), bench.files) == {
        "flights.clean": "src/flights/clean.py", "src.flights.clean": "src/flights/clean.py",
        "tools": "tools.py", "src.tools": "src/tools.py",
    }  # fmt: skip


def test_folders_without_init_are_packages(bench):
    bench.write(
        {"a/b/c.py": "X = 1", "steps/work.py": "import a.b.c, a\ndef work(): return [a.b.c.X, list(a.__path__)]"}
    )
    assert bench.value() == [1, [str(bench.root / "a")]]


def test_project_files_win_over_installed_packages_and_lose_to_the_standard_library(bench):
    import yaml

    bench.write({
        "yaml.py": "MINE = 1", "random.py": "MINE = 1", "steps/types.py": "MINE = 1",
        "steps/work.py": """
            import yaml, random, types
            import steps.types
            def work(): return [yaml.MINE, hasattr(random, "MINE"), hasattr(types, "MINE"), steps.types.MINE]
        """,
    })  # fmt: skip
    assert bench.value() == [1, False, False, 1]
    assert sys.modules["yaml"] is yaml


def test_a_project_may_have_an_engine_an_ide_and_a_remote(bench):
    bench.write({
        "engine.py": "X = 1", "ide.py": "X = 2", "remote/__init__.py": "X = 3", "remote/cluster.py": "X = 4",
        "steps/work.py": """
            import engine, ide, remote.cluster
            from instep import log
            def work(): return [engine.X, ide.X, remote.X, remote.cluster.X]
        """,
    })  # fmt: skip
    assert bench.value() == [1, 2, 3, 4]
    assert not {"engine", "ide", "remote"} & set(sys.modules)


def test_module_state_lasts_over_a_run_and_no_longer(bench):
    bench.step("""
        seen = []
        def work():
            seen.append(1)
            return len(seen)
    """)
    assert [bench.value(run="1"), bench.value(run="1"), bench.value(run="2")] == [1, 2, 1]


def test_a_failure_ends_module_state(bench):
    bench.step("""
        seen = []
        def work(fail):
            seen.append(1)
            return 1 / 0 if fail else len(seen)
    """)
    assert bench.value(params={"fail": False}) == 1
    bench.failure(params={"fail": True})
    assert bench.value(params={"fail": False}) == 1


def test_the_process_gets_its_own_modules_back(bench, monkeypatch):
    import types

    mine = types.ModuleType("steps")
    monkeypatch.setitem(sys.modules, "steps", mine)
    bench.step("def work(): return 1")
    assert bench.value() == 1
    assert sys.modules["steps"] is mine
    assert "steps.work" not in sys.modules
    assert not any("Finder" in type(one).__name__ and "instep" in type(one).__module__ for one in sys.meta_path)


def test_roots_are_not_found_through_the_import_path(bench, monkeypatch):
    monkeypatch.syspath_prepend(str(bench.root))
    bench.root.mkdir()
    (bench.root / "late.py").write_text("X = 1")
    bench.step("def work():\n    import late")
    assert "No module named 'late'" in bench.failure().title
    assert str(bench.root) in sys.path


def test_writing_again_stores_only_what_changed(bench):
    files = {f"m{number}.py": b"x = %d" % number for number in range(50)}
    first = write_bundle(bench.objects, files, {})
    assert len(first.objects) == 51
    changed = {**files, "m7.py": b"x = 0"}
    second = write_bundle(bench.objects, changed, {})
    assert second.code != first.code
    assert [one.format for one in second.objects] == ["code"]  # `x = 0` is already there, as m0
    assert write_bundle(bench.objects, files, {}).objects == ()


def test_names_count_for_the_digest(bench):
    files = {"a.py": b""}
    assert (
        write_bundle(bench.objects, files, {"a": "a.py"}).code != write_bundle(bench.objects, files, {"b": "a.py"}).code
    )


def test_a_bundle_that_is_gone_says_so(bench):
    with pytest.raises(MissingObject):
        read_bundle(bench.objects, Digest("0" * 32))
    bench.step("def work(): return 1")
    bench.code = Digest("0" * 32)
    assert bench.failure().kind == "executor"


def test_a_cleaned_store_is_filled_again(bench):
    bench.step("def work(): return 1")
    for path in Path(bench.objects.folder).rglob("*.*"):
        path.unlink()
    bench.step("def work(): return 1")
    assert bench.value() == 1
