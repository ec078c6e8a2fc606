"""Generated projects: `n` steps in chains of ten, twenty steps a file, each with a helper module of its own."""

from pathlib import Path

CHAIN = 10
PER_FILE = 20


def write_project(root: Path, steps: int) -> Path:
    (root / "steps").mkdir(parents=True)
    (root / "lib").mkdir()
    (root / "lib" / "__init__.py").write_text("")
    (root / "instep.toml").write_text('[project]\nname = "bench"\n')
    for file in range(-(-steps // PER_FILE)):
        count = min(PER_FILE, steps - file * PER_FILE)
        helpers = "".join(f"def helper{i}(x):\n    return x + {i}\n\n\n" for i in range(count))
        (root / "lib" / f"h{file}.py").write_text(helpers)
        lines = ["from instep import step", f"from lib import h{file}", ""]
        for i in range(count):
            needs = f"s{file}_{i - 1}" if i % CHAIN else ""
            lines += ["", "@step", f"def s{file}_{i}({needs}):", f"    return h{file}.helper{i}({needs or i})", ""]
        (root / "steps" / f"s{file}.py").write_text("\n".join(lines))
    return root


def write_doit(root: Path, steps: int) -> Path:
    """The same graph for doit: a task a step, its helper module as file dependency, its result as a file."""
    root.mkdir(parents=True)
    lines = [
        "from pathlib import Path",
        "",
        "def make(target):",
        "    Path(target).write_text('1')",
        "",
        "def task_s():",
    ]
    for n in range(steps):
        file, i = divmod(n, PER_FILE)
        (root / f"h{file}.py").write_text("")
        needs = [f"h{file}.py"] + ([f"s{file}_{i - 1}.out"] if i % CHAIN else [])
        lines.append(
            f"    yield {{'name': 's{n}', 'actions': [(make, ['s{file}_{i}.out'])],"
            f" 'file_dep': {needs!r}, 'targets': ['s{file}_{i}.out']}}"
        )
    (root / "dodo.py").write_text("\n".join(lines) + "\n")
    return root
