UV := scripts/uv
RUN := $(UV) run --frozen
.DEFAULT_GOAL := help

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

test: lint type ## Install what is needed, check style and types, run the tests
	$(RUN) pytest

bench: install ## Compare with other servers, one after the other on this machine
	$(RUN) python -m bench

docs: install ## Write the generated parts of docs/
	$(RUN) python -m scripts.reference

.PHONY: help install serve format lint type test bench docs
