"""Runs whose steps took known times, for what draws them."""

from pathlib import Path

from logged_run import LoggedRun

ORDER = ("load_raw", "clean", "stats", "split", "train", "tokenize", "evaluate", "report")


def churn(root: Path, *, at: int = 1_700_000_000_000_000) -> list[int]:
    """Run 1 whole; run 2 with two steps re-used, one that waited, a fan-out and one that failed."""
    first = LoggedRun(root, at)
    raw = first.took("load_raw", 0.2, 12.2)
    clean = first.took("clean", 12.2, 20.2, ["load_raw"])
    first.took("stats", 20.3, 21.1, ["clean"])
    first.took("split", 21.3, 25.3, ["clean"])
    first.took("train", 25.3, 155.3, ["split"])
    first.finish(at=155.4)
    second = LoggedRun(root, at + 600_000_000, ORDER)
    second.took("load_raw", None, None, [], "reused", reused_from=raw)
    second.took("clean", None, None, ["load_raw"], "reused", reused_from=clean)
    second.took("stats", 0.3, 1.1, ["clean"])
    second.took("split", 0.3, 4.4, ["clean"])
    second.took("train", 4.5, 66.5, ["split"])
    fan = second.items("tokenize", [(8 + one * 0.5, 9.4 + one * 0.5 + one % 3) for one in range(60)])
    second.took("tokenize", 8.0, 40.0, ["split"], step_run_id=fan)
    second.took("evaluate", 66.6, 67.0, ["train"], "failed", attempt=1, error="OSError: not yet")
    second.took("evaluate", 68.0, 72.0, ["train"], "failed", attempt=2, error="ValueError: no rows left")
    second.took("report", None, None, [], "blocked")
    second.finish("failed", at=72.1)
    return [first.number, second.number]
