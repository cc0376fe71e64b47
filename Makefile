# Every common task by one name; `make` alone lists them. Each calls a script in scripts/, which installs what it needs
# into the cache folder (.cache, or $SALLYPORT_CACHE) and says so. docs/setup.md has the details.

.DEFAULT_GOAL := help
.PHONY: help demo test test-chart interop interop-ci bench soak build module lint fuzz-smoke fuzz differential properties reproducible

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## agents with real identities, a real MCP server, a real Envoy between; KEEP=1 leaves it running
	@scripts/demo

test: ## every test: native, the wasm module in wasmtime, and a real Envoy
	@scripts/test

test-chart: ## only the Helm chart, against the real schemas
	@scripts/test-chart

interop: ## the gate under a real API server, istiod, agent and Envoy, then the corpus in every Envoy; needs root
	@scripts/interop
	@scripts/envoy-matrix --corpus

interop-ci: ## the same as far as this machine allows, in the newest Envoy of each minor version
	@scripts/interop --where-possible
	@scripts/envoy-matrix --corpus --newest

bench: ## decisions native and in wasm, and CPU per request in a real Envoy
	@scripts/bench

soak: ## a million requests while policy changes every second: does memory stay flat?
	@scripts/bench --only soak

build: module ## the module and the policy-compiler
	@cargo build --release --package policy-compiler

module: ## only the wasm module: target/sallyport.wasm
	@scripts/build-module

reproducible: ## builds the module in two folders and compares
	@scripts/reproducible

lint: ## formatting, clippy, docs, architecture, dependencies; changes nothing
	@scripts/lint

fuzz-smoke: ## every fuzz target, a fixed number of runs
	@scripts/fuzz smoke

fuzz: ## every fuzz target for a while: SECONDS=600 each, unless said
	@scripts/fuzz long $(or $(SECONDS),600)

differential: ## generated JSON to other parsers; BODIES=1000000 for a long run
	@scripts/differential $(or $(BODIES),20000) $(or $(SEED),1)

properties: ## the property tests with other seeds: ROUNDS=10 unless said; `make test` always has the same one
	@scripts/properties $(or $(ROUNDS),10)
