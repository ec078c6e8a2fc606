# Everything CI runs.
all: lint types imports test

lint:
    uv run ruff check .
    uv run ruff format --check .

types:
    uv run basedpyright

imports:
    uv run lint-imports

test *arguments:
    uv run pytest {{arguments}}

bench:
    uv run --with doit python tests/bench/all.py
