UV := scripts/uv
RUN := $(UV) run --frozen
.DEFAULT_GOAL := help
# A service starts several processes, and the tests start hundreds. Without kept bytecode each would
# compile its libraries anew, which takes longer than all else that a start does.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: ## Install everything that serving and developing need into .venv
	@$(UV) sync --frozen --quiet

serve: install ## Start the service on the bundled model
	$(RUN) mlxd serve

format: install ## Rewrite the sources in the house style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

lint: install ## Check style
	$(RUN) ruff check .
	$(RUN) ruff format --check .

type: install ## Check types
	$(RUN) mypy

web/node_modules: web/package-lock.json
	scripts/npm --prefix web ci --silent --no-fund --no-audit
	@touch $@

web: web/node_modules ## Build the dashboard into src/mlxd/web
	scripts/npm --prefix web run --silent build

web-fresh: web/node_modules ## Fail if the built dashboard is not what its source gives
	scripts/npm --prefix web run --silent build -- --outDir ../build/web --emptyOutDir
	@diff -r build/web src/mlxd/web || (echo "src/mlxd/web is stale: run make web and commit it" >&2; exit 1)

# Half of a test is waiting. How they are shared out: tests/sharing.py.
WORKERS ?= 2

test: lint type web-fresh ## Install what is needed, check style and types, run the tests
	$(RUN) pytest -n $(WORKERS)

bench: install ## Compare with other servers, one after the other on this machine
	$(RUN) python -m bench

docs: install ## Write the generated parts of docs/
	$(RUN) python -m scripts.reference

.PHONY: help install serve format lint type web web-fresh test bench docs
