"""Reading 2,000 functions in 200 files: cold, unchanged, after one edit. The floor is parsing the files with `ast`."""

import ast
import tempfile
import time
from pathlib import Path

from project import write_project

from instep.engine.files import Sources
from instep.engine.graph_reader import read_graph
from instep.engine.project import load_project
from instep.engine.reach import fingerprint_steps
from instep.engine.source_index import IndexCache


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_project(Path(folder) / "p", 1_000)
        project, sources, index = load_project(root), Sources(root), IndexCache()

        def decide() -> tuple[float, dict[str, str]]:
            began = time.perf_counter()
            sources.refresh()
            graph = read_graph(project, sources.code, index)
            found = fingerprint_steps(project, graph, sources.code, index)
            return time.perf_counter() - began, {name: one.digest for name, one in found.items()}

        cold, _ = decide()
        began = time.perf_counter()
        for data in sources.code.values():
            ast.parse(data)
        parsing = time.perf_counter() - began
        same = min(decide()[0] for _ in range(5))
        _, before = decide()
        helper = root / "lib" / "h7.py"
        edits: list[float] = []
        for n in range(5):
            helper.write_text(helper.read_text().replace("return x + 3", "return x + 3 + 0"))
            took, after = decide()
            edits.append(took)
            assert sum(after[name] != before[name] for name in after) == 1, n
            before = after
    print(f"floor: ast.parse of all files {parsing * 1000:.0f} ms")
    for what, seconds in (("cold", cold), ("nothing changed", same), ("one helper edited", min(edits))):
        print(f"{what:<20} {seconds * 1000:8.1f} ms  {seconds / parsing:6.2f} × the floor")


if __name__ == "__main__":
    main()
