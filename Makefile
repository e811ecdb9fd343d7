# `make demo` and `make test` need Python 3.10 or newer and nothing else: .ci/venv puts the rest into .venv.
# Written for every make: GNU's from 3.81 (macOS) on, and BSD's.

PYTEST_WORKERS = auto
TESTS = tests

help:
	@echo 'make demo     a throwaway fleet on loopback, and the main job run on it'
	@echo 'make test     all tests (TESTS=tests/guards for some of them)'
	@echo 'make check    formatting, lint and types'
	@echo 'make format   format the code'
	@echo 'make clean    remove what the others made'

demo:
	@sh .ci/venv run
	@.venv/bin/agentless demo

test:
	@sh .ci/venv test
	@.venv/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(TESTS)

check:
	@sh .ci/venv test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/vermin --target=3.6- --violations --no-tips --quiet agentless/remote

format:
	@sh .ci/venv test
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist agentless.egg-info

.PHONY: help demo test check format clean
