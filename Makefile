# Catchment: `make` lists what there is. Settings are environment variables (docs/local_profile.md).

PYTHON ?= python3
RUN := .venv/bin/python -m
export PYTHONPATH := .:plugins
# Without compiled modules each of a demo's 175 tasks compiles Airflow and us again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install start cdc stop status logs query clean distclean demo test lint fmt lock bench-extract bench-parse \
	bench-cdc bench-dedupe bench-shards drills truth mutants fuzz chaos-extract chaos-cdc check-reconcile conformance-cdc \
	install-bench install-quality

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: ## Make the Python environments and fetch the Java programs, as locked (nothing to do: no network)
	@$(PYTHON) -m local.install main warehouse java

install-bench: install
	@$(PYTHON) -m local.install bench

install-quality: install
	@$(PYTHON) -m local.install quality

start: install ## Start the local profile: storage, vendor sandbox, Airflow, change data capture
	@$(RUN) local start

cdc: install ## Start only change data capture: shards, Kafka, Connect, loader, S3, warehouse
	@$(RUN) local start cdc

stop: ## Stop everything; nothing is lost
	@$(RUN) local stop

status: ## Show each service: state, health, port, since when
	@$(RUN) local status

logs: ## Follow the logs (make logs S="s3 warehouse")
	@$(RUN) local logs $(S)

demo: install ## Start, load all sources, build the marts, compare MRR with the vendor's
	@$(RUN) local.demo

query: ## Ask the local warehouse (make query Q="SELECT … FROM marts.…")
	@$(RUN) local.query "$(Q)"

clean: ## Stop, and remove the local data (var/); what is installed stays
	@$(RUN) local clean

distclean: clean ## Also remove the Python environments and the Java programs
	rm -rf .venv .venv-warehouse .venv-bench .java

test: install ## Lint, then every test
	@$(RUN) local.check lint
	@$(RUN) local.check test

lint: install ## Style, types, imports, SQL, freshness of the locks
	@$(RUN) local.check lint

fmt: install ## Format the Python code
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

lock: install ## Resolve the requirements*.in again (needs the network)
	@$(RUN) local.locks write

bench-extract: install-bench ## API → S3 → warehouse beside dlt and a hand-written loop (RUNS=5 for the record)
	@$(RUN) bench.extract --runs $(or $(RUNS),1)

bench-parse: install ## How long Airflow takes to parse the DAG files
	@$(RUN) bench.parse

bench-cdc: install ## Commit to raw: how long at 100 commits/s beside Kafka itself, which rate is too much, a million rows
	@$(RUN) bench.cdc

bench-dedupe: install ## Changes into current state: what a batch costs with 1, 10 and 30 times the history
	@$(RUN) bench.dedupe

bench-shards: install ## Ten small shards: how long until they stream, are supervised and compared
	@$(RUN) bench.shards

drills: install ## Bad states of change data capture, provoked and cured on the real parts; proofs that can't be blind
	@$(RUN) pytest -q -rs tests/drills

truth: install ## Random histories on the real SQL, of runs and of changes: what is current is what was said last (EXAMPLES=50)
	@CATCHMENT_EXAMPLES=$(or $(EXAMPLES),50) $(RUN) pytest -q tests/integration/test_truth_in_sql.py tests/dbt/cdc/test_random_histories.py

chaos-extract: install ## Kill the real path at every step, resume, compare with the truth
	@$(RUN) bench.chaos_extract

chaos-cdc: install ## Kill and freeze the parts of change data capture at random, compare every row
	@$(RUN) bench.chaos_cdc

conformance-cdc: install ## Every Postgres type by every way into the warehouse, compared with what Postgres prints
	@$(RUN) bench.conformance_cdc

check-reconcile: install ## Damage staging, raw and ledger in 20 kinds, see that the comparison names every row
	@$(RUN) bench.check_reconcile

mutants: install ## Change the core in small ways: does a unit test fail? (M="landing.py reads/http_list.py" for some)
	@$(RUN) bench.mutants $(M)

fuzz: install-quality ## Any bytes at what reads the text of others: replies, manifests, connections, sheets (SECONDS_EACH=60)
	@$(RUN) bench.fuzz $(T)
