"""instep: change a step, and only what it made stale runs.

`import instep` runs in every worker, so this root is lazy (PEP 562) and light.
"""

TYPE_CHECKING = False  # what checkers take for true; importing `typing` would double what a no-op run takes here
if TYPE_CHECKING:
    from .engine.authoring import Each, File, log, progress, step
    from .engine.notebook import open_project

__all__ = ["Each", "File", "log", "open_project", "progress", "step"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "open_project":
        from .engine.notebook import open_project

        return open_project
    if name in __all__:
        from .engine import authoring

        return getattr(authoring, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
