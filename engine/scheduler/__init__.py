"""Deciding what runs next (a pure machine) and running it (executors)."""
