"""Every benchmark, one after another: `uv run --with doit python tests/bench/all.py`."""

import subprocess
import sys
from pathlib import Path

for script in sorted(Path(__file__).parent.glob("bench_*.py")):
    print(f"\n{script.stem}", flush=True)
    subprocess.run([sys.executable, str(script)], check=True)
