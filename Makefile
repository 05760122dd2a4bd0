# Everything here sets itself up: it needs Python 3.11 or newer and make. `make` alone says what there is.

PY := .venv/bin/python
SOURCES := sdk collector_processor integrations tests benchmarks simulations scripts
OLDEST := 1.35.0
OLDEST_WEB := opentelemetry-instrumentation-fastapi==0.56b0 opentelemetry-instrumentation-flask==0.56b0 \
	opentelemetry-instrumentation-threading==0.56b0 opentelemetry-distro==0.56b0 \
	fastapi==0.111.0 starlette==0.37.2 flask==3.0.0 'httpx<0.28'
# What an old Starlette uses of newer libraries they call deprecated, and its test client closes not all it opens.
OLD_WARNINGS := -W default::DeprecationWarning -W default::PendingDeprecationWarning \
	-W 'ignore:Unclosed <MemoryObject:ResourceWarning'

.PHONY: help demo example examples environment test test-all nightly nightly-status peers frameworks oldest lowest newest exporters lock dist sbom audit manifests image lint format docs semconv bench bench-peers bench-peers-drift bench-peers-files bench-peers-collectors bench-peers-estimates right-or-wrong simulate interop weaver conformance soak airflow

help:
	@echo "make demo      a real model drifts and goes wrong on real data: terminal, pages, OTLP; Ctrl-C ends it (DEMO_ARGS=--once)"
	@echo "make example   the example of a scenario, which checks its own claim (NN=1; DEMO_ARGS=--keep leaves the pages open; NN=9 ENGINE=spark: on Spark)"
	@echo "make examples  all of them (EXAMPLES='0 4 turn': these, and another one every day)"
	@echo "make test      units, contracts and one whole run, in five to six minutes on two cores (PYTEST_ARGS='-k psi')"
	@echo "make nightly   what CI does not run for each change, in parts of at most 40 minutes: those that have not passed on this commit"
	@echo "               (PART='lint soak': these); make nightly-status: which passed, failed and are missing, with their commits"
	@echo "make test-all  all tests: whole processes, full disks, damaged files, long backlogs, attacks"
	@echo "make frameworks the integrations of frameworks that are too large for make test (IF_AVAILABLE=1: those that can be had, as CI does)"
	@echo "make oldest    what touches OpenTelemetry, FastAPI and Flask, with the oldest versions that are supported"
	@echo "make lowest    short tests with the lowest version of every declared dependency, in .venv-lowest/"
	@echo "make newest    the tests with the newest versions of all dependencies, in .venv-newest/"
	@echo "make exporters what is sent, with each minor version of OpenTelemetry's exporters that is supported (MINORS='35 45': these), in .venv-exporters/"
	@echo "make image     the image driftline:dev, and what is promised of it (needs Docker)"
	@echo "make manifests otel-config/kubernetes/ from the chart (needs helm: make interop)"
	@echo "make lock      locks/: every dependency of the image and the release with its hashes"
	@echo "make dist      the wheel and the source archive in dist/; make sbom: their bills of materials (CycloneDX)"
	@echo "make audit     known vulnerabilities of what the image installs (pip-audit)"
	@echo "make lint      ruff, mypy, the contracts between packages, generated files up to date"
	@echo "make format    ruff's formatter and its safe fixes"
	@echo "make docs      the documentation as a site in build/site/ (.venv-docs/)"
	@echo "make semconv   constants of telemetry names, the generated pages of docs/reference, otel-config/driftline.yaml, dashboards"
	@echo "make bench     each speed promise against its reference, in one run (BENCHMARKS='bench_sdk bench_join': these)"
	@echo "make bench-peers Driftline beside OpenInference, traceloop, logfire, bentoml, whylogs, prometheus_client (.venv-peers/)"
	@echo "make bench-peers-drift a million rows compared with their reference, beside Evidently (.venv-peers/)"
	@echo "make bench-peers-files a file of a million labelled rows as a whole command, beside numpy, Evidently, NannyML and whylogs (.venv-peers/)"
	@echo "make bench-peers-estimates performance without labels of half a million rows, beside NannyML (.venv-peers/)"
	@echo "make soak      a processor under load that is killed at random, with a destination that comes and goes (MINUTES=60)"
	@echo "make right-or-wrong which tool calls a model worse when it is, and fine when it is: real streams, Evidently, NannyML, River, scipy (.venv-peers/)"
	@echo "make bench-peers-collectors predictions passed on, beside the OpenTelemetry Collector (make interop) and rotel (.venv-peers/)"
	@echo "make simulate  false alarms, power and dependence of drift over years of windows, into evidence/ (an hour; ARGS='--again rate')"
	@echo "make airflow   the operators, the sensor and the trigger in a real Airflow 3 and Airflow 2 (.venv-airflow-*/)"
	@echo "make interop   with a real Jaeger, Prometheus, Collector, Kafka and Spark (built into .peers/; needs Go, and Maven for Kafka and Spark);"
	@echo "               PEERS=quick: only those that install in a minute, Kafka and OpenTelemetry for JavaScript, and no slow test"
	@echo "make conformance Driftline, the Collector (make interop) and rotel (.venv-peers/) against the OTLP specification, into the docs"
	@echo "make weaver    OpenTelemetry's weaver checks the registry of names and what is sent; NOT RUN without weaver on the path"

demo:
	@sh scripts/setup.sh demo
	@.venv/bin/driftline demo $(DEMO_ARGS)

example:
	@sh scripts/setup.sh demo
	@.venv/bin/driftline demo $(NN) $(if $(ENGINE),--engine $(ENGINE)) $(DEMO_ARGS)

examples:
	@sh scripts/setup.sh dev
	@$(PY) scripts/run_examples.py $(EXAMPLES)

# Tests start some hundred processes, each of which would compile what it imports where bytecode is not kept. They use
# all cores already: more threads for small matrices and trees wait for each other, at full load. The order of files is
# that of tests/conftest.py, the longest first.
# The blocks of a page run in one process, one after the other.
run_pytest = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(1) -m pytest --dist loadfile --no-loadscope-reorder
PYTEST := $(call run_pytest,$(PY))
# Long tests wait a third of their time, for a process or a page: a worker more than there are cores uses what they leave.
ONE_MORE := $$(($$(getconf _NPROCESSORS_ONLN) + 1))

test:
	@sh scripts/setup.sh dev
	@$(PYTEST) -n auto -m "not interop and not simulation and not heavy and not slow" --durations=10 --durations-min=2 $(PYTEST_ARGS)

test-all:
	@sh scripts/setup.sh dev
	@$(PYTEST) -n $(ONE_MORE) -m "not interop and not simulation" $(PYTEST_ARGS)

frameworks:
	@sh scripts/setup.sh dev
	@IF_AVAILABLE=$(IF_AVAILABLE) sh scripts/frameworks.sh $(PYTEST_ARGS)

oldest:
	@sh scripts/setup.sh dev
	@$(PY) -m venv .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@.venv-oldest/bin/python -m pip install --quiet --editable '.[demo]' --group dev \
		opentelemetry-api==$(OLDEST) opentelemetry-sdk==$(OLDEST) opentelemetry-exporter-otlp==$(OLDEST) $(OLDEST_WEB)
	@$(call run_pytest,.venv-oldest/bin/python) -n auto -m "not interop and not simulation" $(OLD_WARNINGS) \
		$(or $(PATHS),sdk tests/sdk tests/processor tests/extensions tests/integrations) $(PYTEST_ARGS)

lowest:
	@sh scripts/setup.sh dev
	@sh scripts/lowest.sh $(PYTEST_ARGS)

newest:
	@sh scripts/setup.sh dev
	@$(PY) -m venv .venv-newest
	@.venv-newest/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@.venv-newest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable '.[demo]' \
		--group dev --group instrumentation
	@$(call run_pytest,.venv-newest/bin/python) -n auto -m "not interop and not simulation and not heavy and not slow" $(PYTEST_ARGS)

exporters:
	@sh scripts/setup.sh dev
	@MINORS="$(MINORS)" sh scripts/exporters.sh $(PYTEST_ARGS)

nightly:
	@sh scripts/setup.sh dev
	@$(PY) -m scripts.nightly $(PART)

nightly-status:
	@sh scripts/setup.sh dev
	@$(PY) -m scripts.nightly --status

# Each file for all platforms and Python versions that are supported; UPGRADE=--upgrade takes the newest versions.
LOCK = .venv-release/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(UPGRADE)

lock: .venv-release/tools
	@.venv-release/bin/python -m pip install --quiet uv
	@$(LOCK) --extra processor --extra kafka --extra sql --output-file locks/processor.txt pyproject.toml
	@$(LOCK) --output-file locks/build.txt locks/build.in
	@$(LOCK) --output-file locks/release.txt locks/release.in

.venv-release/tools: locks/release.txt
	@$(or $(PYTHON),python3) -m venv .venv-release
	@.venv-release/bin/python -m pip install --quiet --require-hashes --requirement locks/release.txt
	@touch $@

dist: .venv-release/tools
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .venv-release/bin/python -m build --no-isolation --outdir dist .

sbom: .venv-release/tools
	@sh scripts/sbom.sh

audit: .venv-release/tools
	@sh scripts/audit.sh

manifests:
	@sh scripts/render_manifests.sh

image:
	@docker build --tag driftline:dev .
	@sh scripts/check_image.sh driftline:dev

# What is written from the source: `make semconv` writes it, `make lint` checks it.
GENERATORS := draw_concepts draw_evidence $(addprefix generate_,semconv settings options cli configuration capabilities api schema \
	dashboards glossary rules runbooks tables comparison trust)

environment:
	@sh scripts/setup.sh dev

lint:
	@sh scripts/setup.sh dev
	@failed=0; \
	$(PY) -m ruff check $(SOURCES) || failed=1; \
	$(PY) -m ruff format --check $(SOURCES) || failed=1; \
	$(PY) -m mypy $(SOURCES) || failed=1; \
	.venv/bin/lint-imports --no-logo --no-cache || failed=1; \
	for script in $(GENERATORS); do $(PY) -m scripts.$$script --check || failed=1; done; \
	exit $$failed

format:
	@sh scripts/setup.sh dev
	@$(PY) -m ruff check --fix $(SOURCES)
	@$(PY) -m ruff format $(SOURCES)

docs:
	@sh scripts/setup.sh dev
	@$(PY) -m venv .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@.venv-docs/bin/python -m pip install --quiet --group docs
	@$(PY) -m scripts.generate_llms
	@.venv-docs/bin/mkdocs build --quiet --strict

semconv:
	@sh scripts/setup.sh dev
	@for script in $(GENERATORS); do $(PY) -m scripts.$$script || exit 1; done

bench:
	@sh scripts/setup.sh dev
	@failed=0; for name in $(or $(BENCHMARKS),$(patsubst benchmarks/%.py,%,$(sort $(wildcard benchmarks/bench_*.py)))); do \
		echo "$$name"; $(PY) -m benchmarks.$$name || failed=1; echo; done; exit $$failed

bench-peers:
	@sh scripts/setup.sh dev
	@$(PY) -m benchmarks.peers $(ARGS)

bench-peers-drift:
	@sh scripts/setup.sh dev
	@$(PY) -m benchmarks.peers.drift

bench-peers-files:
	@sh scripts/setup.sh dev
	@$(PY) -m benchmarks.peers.files $(ARGS)

bench-peers-collectors:
	@sh scripts/setup.sh dev
	@$(PY) -m benchmarks.peers.collectors

bench-peers-estimates:
	@sh scripts/setup.sh dev
	@$(PY) -m benchmarks.peers.estimates

right-or-wrong:
	@sh scripts/setup.sh dev
	@OMP_NUM_THREADS=1 $(PY) -m benchmarks.right_or_wrong $(ARGS)

simulate:
	@sh scripts/setup.sh dev
	@$(PY) -m simulations $(ARGS)

soak:
	@sh scripts/setup.sh dev
	@OMP_NUM_THREADS=1 $(PY) -m tests.support.soak $(or $(MINUTES),2)

airflow:
	@sh scripts/setup.sh dev
	@sh scripts/airflow.sh $(PYTEST_ARGS)

weaver:
	@sh scripts/setup.sh dev
	@$(PY) -m pytest -q -m interop -rs tests/interop/test_weaver.py $(PYTEST_ARGS)

conformance:
	@sh scripts/setup.sh dev
	@$(PY) -m benchmarks.peers.conformance $(ARGS)

peers:
	@bash scripts/install_peers.sh $(PEERS)

interop:
	@sh scripts/setup.sh dev
	@bash scripts/install_peers.sh $(PEERS); missing=$$?; $(PY) -m pytest $(if $(filter quick,$(PEERS)),\
		-m "interop and not slow" tests/interop/test_kafka.py tests/interop/test_other_sdk.py tests/interop/test_other_languages.py,\
		-m interop tests/interop tests/packaging) $(PYTEST_ARGS) && exit $$missing
