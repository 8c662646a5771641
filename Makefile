# Every task of the project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos -name '*.proto')

.DEFAULT_GOAL := help
.PHONY: help install demo test check protos protos-current lint types bench build clean model

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

protos: .venv-protos/done ## generate the stubs from the .proto files
	PATH=$(CURDIR)/.venv-protos/bin:$$PATH .venv-protos/bin/python -m grpc_tools.protoc -Iprotos --python_out=protos --grpc_python_out=protos \
		--mypy_out=quiet:protos --mypy_grpc_out=quiet:protos \
		$(sort $(PROTOS))
	rm -f protos/ligserve/internal/v1/*_grpc.py* protos/ligserve/v1/explanation_pb2_grpc.py*

# The oldest generator whose output loads on every runtime we promise (protobuf 6.33 and 7).
.venv-protos/done:
	$(PYTHON) -m venv .venv-protos
	.venv-protos/bin/pip install --quiet grpcio-tools==1.78.0 mypy-protobuf==5.1.0 'setuptools<81'
	touch $@
