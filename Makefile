# Python 3.10 or newer is all that these need: .ci/venv puts what .ci/constraints names into .venv.
# Written for every make: GNU's from 3.81 (macOS) on, and BSD's.

PYTEST_WORKERS = auto
TESTS = tests
# What the lowest and the newest versions are tried on, beside the quick tests.
SCENARIO = tests/end_to_end/test_run.py
# What `make fire` and `make lies` draw: so many rounds, from this seed on.
ROUNDS = 100
SEED = 1

help:
	@echo 'make demo         a throwaway fleet on this machine, and the main job run on it'
	@echo 'make quick        the tests that need neither root nor an sshd: a minute'
	@echo 'make test         all tests (TESTS=tests/guards for some of them)'
	@echo 'make check        formatting, lint and types'
	@echo 'make format       format the code'
	@echo 'make fire         random faults on real hosts, with ROUNDS=1000 SEED=1 as many as one likes; as root'
	@echo 'make lies         a host whose replies are mutated, in every verb, with ROUNDS lies each'
	@echo 'make test-lowest  quick tests and a scenario with the lowest versions that pyproject.toml allows'
	@echo 'make test-newest  the same with the newest versions of everything'
	@echo 'make docs         the documentation as a site: site/index.html'
	@echo 'make pictures     what the README and the benchmarks show, made anew'
	@echo 'make dist         sdist and wheel, in dist/'
	@echo 'make constraints  renew .ci/constraints: what demo and tests install, by version and hash'
	@echo 'make clean        remove what the others made'

demo:
	@sh .ci/venv run
	@.venv/bin/agentless demo

quick:
	@sh .ci/venv test
	@.venv/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal --quick -rfE $(TESTS)

test:
	@sh .ci/venv test
	@.venv/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(TESTS)

fire:
	@sh .ci/venv test
	@.venv/bin/python -m tests.fire $(ROUNDS) $(SEED)

lies:
	@sh .ci/venv test
	@AGENTLESS_LIES=$(ROUNDS) .venv/bin/python -m pytest -n $(PYTEST_WORKERS) --dist load tests/fire/test_hostile.py

test-lowest:
	@sh .ci/venv lowest
	@.venv-lowest/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal --quick -rfE tests
	@.venv-lowest/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(SCENARIO)

test-newest:
	@sh .ci/venv newest
	@.venv-newest/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal --quick -rfE tests
	@.venv-newest/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(SCENARIO)

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

docs:
	@sh .ci/venv test
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
	@echo 'open site/index.html'

pictures:
	@sh .ci/venv test
	@.venv/bin/python docs/generate/picture.py
	@PYTHONPATH=. .venv/bin/python benchmarks/figures.py

dist:
	@sh .ci/venv test
	@mkdir -p dist
	@.venv/bin/python -c 'import setuptools.build_meta as backend; backend.build_sdist("dist"); backend.build_wheel("dist")' >/dev/null
	@ls dist

constraints:
	@sh .ci/constrain

clean:
	rm -rf .venv .venv-lowest .venv-newest .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist site agentless_jobs.egg-info agentless/_version.py

.PHONY: help demo quick test fire lies test-lowest test-newest check format docs pictures dist constraints clean
