# What a person types. Everything runs on the project's own Node (the npm package "node"), whatever the machine has.
.DEFAULT_GOAL := help
.PHONY: help build run test test-deps lint format dev bench sbom clean

INSTALLED := node_modules/.package-lock.json
NODE := node_modules/node/bin/node
TEST_DEPS := prometheus prometheus-alertmanager python3-prometheus-client varnish nginx-light slowhttptest wrk docker.io busybox-static iproute2 jq docker-compose haproxy shellcheck debootstrap iptables openssl chromium
SOURCES := $(shell find src -type f)

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): package.json package-lock.json
	@command -v npm >/dev/null || { echo "ollascope: npm is missing; install Node and npm first" >&2; exit 1; }
	@npm ci --loglevel=error
	@test -x $(NODE) || { echo "ollascope: npm did not install the project's own Node; allow its install script (npm config: ignore-scripts=false) and try again" >&2; exit 1; }
	@own=$$($(NODE) --version); machine=$$(node --version 2>/dev/null || echo none); \
	  [ "$$own" = "$$machine" ] || echo "ollascope: runs on its own Node $$own, not on this machine's ($$machine)"
	@# npm leaves out native parts that the Node under it is too old for, though nothing here runs on that: where they are
	@# missing, once more under its own. Debian's npm finds its parts by NODE_PATH then, and each npm its settings by this.
	@$(NODE) -e 'Promise.all([import("rolldown"), import("oxc-parser")]).catch(() => process.exit(1))' || { \
	  NPM_CONFIG_GLOBALCONFIG="$$(npm config get globalconfig)" PATH="$(CURDIR)/$(dir $(NODE)):$$PATH" \
	  NODE_PATH=/usr/share/nodejs NODE_NO_WARNINGS=1 npm install --no-save --loglevel=error >/dev/null; }
	@touch $@

dist/main.js: $(INSTALLED) tsconfig.json tsconfig.build.json $(SOURCES)
	@rm -rf dist
	@npm run --silent build
	@git rev-parse --short HEAD > dist/REVISION 2>/dev/null || echo unknown > dist/REVISION

build: dist/main.js ## install and compile

run: build ## install, build and start; without an Ollama on 127.0.0.1:11434 a stand-in plays one
	@$(NODE) scripts/run.ts

test: build ## every test that can run here; REQUIRE_ALL_TESTS=1 forbids to skip one
	@npm test --silent

test-deps: ## install what the tests need beside npm's packages (Debian, as root)
	apt-get update -qq
	@# The tests start what they need themselves: no package starts a service here.
	@policy=/usr/sbin/policy-rc.d; \
	  [ -e $$policy ] || { trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' > $$policy; chmod 755 $$policy; }; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(TEST_DEPS)

lint: $(INSTALLED) ## types, lint rules, format, direction of imports, unused code
	@npm run --silent check

format: $(INSTALLED) ## format the code
	@npm run --silent format

dev: $(INSTALLED) ## serve from the sources, again on every change
	@$(NODE) --watch src/main.ts serve

bench: build ## measure CPU a request and a chunk beside other proxies (minutes); see bench/README.md
	@cd bench && npm ci --loglevel=error
	@$(NODE) bench/run.ts

sbom: build ## write what a release is made of to dist/sbom.cdx.json (CycloneDX)
	@$(NODE) scripts/sbom.ts > dist/sbom.cdx.json


# The stack in containers: STACK=dev (default), linux, prod, cpu, amd, or two such as STACK='prod oom';
# PROFILES='lb logging' for more services. docs/deployment.md has both.
.PHONY: up down logs restart compose-is-here secrets setup-model warmup stress doctor
STACK ?= dev
PROFILES ?=
ENV_FILE ?= .env.$(if $(filter dev linux,$(STACK)),dev,prod)
SECRETS_DIR ?= $(or $(shell sed -n 's/^SECRETS_DIR=//p' $(ENV_FILE) 2>/dev/null),deploy/secrets)
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
COMPOSE_FILES = $(if $(filter linux,$(STACK)),,-f docker-compose.yml) $(STACK:%=-f docker-compose.%.yml)
# The Dockerfile needs BuildKit, which Docker 20.10 and docker-compose 1.29 have but do not use by themselves.
export DOCKER_BUILDKIT ?= 1
export COMPOSE_DOCKER_CLI_BUILD ?= 1
IN_STACK = $(WATCH) $(COMPOSE) --env-file $(ENV_FILE) $(COMPOSE_FILES) $(PROFILES:%=--profile %)
# What another exporter tells already is not told twice.
TWICE = $(if $(filter cadvisor,$(PROFILES)),docker cgroup) $(if $(filter node-exporter,$(PROFILES)),host)
EXPORTERS = $(filter cadvisor node-exporter,$(PROFILES))
comma := ,
empty :=
space := $(empty) $(empty)
WATCH = $(if $(EXPORTERS),OLLASCOPE_COLLECTORS=$(subst $(space),$(comma),$(filter-out $(TWICE),ollama nvidia amd docker cgroup host)))

$(ENV_FILE):
	@echo "ollascope: $@ is missing; begin with: cp .env.prod.example $@" >&2; exit 1

secrets: $(ENV_FILE) ## make the secrets of the stack that are missing, random
	@deploy/secrets.sh $(SECRETS_DIR)

compose-is-here:
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "ollascope: neither 'docker compose' nor docker-compose runs here; install Docker with Compose" >&2; exit 1; }

up: compose-is-here secrets ## start the stack in containers (STACK=dev, linux, prod, cpu, amd; PROFILES=...)
	@for name in $(EXPORTERS); do cp -n prometheus/stack/$$name.yml.example prometheus/stack/$$name.yml; done
	@$(IN_STACK) up -d --build
	@# It lives in the pid namespace of Ollama's container, and not in that of a newer one.
	@$(if $(filter oom,$(STACK)),$(IN_STACK) up -d --no-deps --force-recreate ollascope-collector)

down: compose-is-here $(ENV_FILE) ## stop the stack; its data stay
	@$(IN_STACK) down

logs: compose-is-here $(ENV_FILE) ## follow the stack's logs (SERVICE=ollascope for one)
	@$(IN_STACK) logs -f --tail=100 $(SERVICE)

restart: compose-is-here $(ENV_FILE) ## start the stack's services again, with files that changed (SERVICE=ollascope for one)
	@$(IN_STACK) restart $(SERVICE)

clean: ## remove the stack with its volumes (models, metrics, dashboards) and images, and what was built; asks first
	@printf 'This removes every container, volume (models, metrics) and image of the stack "%s", and what was built. Go on? [y/N] ' '$(STACK)'; \
	  read -r answer; [ "$$answer" = y ] || { echo 'nothing was removed'; exit 1; }
	@[ ! -e $(ENV_FILE) ] || ! command -v docker >/dev/null || $(IN_STACK) down --volumes --rmi all --remove-orphans
	rm -rf node_modules dist coverage bench/node_modules

setup-model: $(INSTALLED) ## pull models through the proxy (MODELS='a b', else OLLAMA_MODEL)
	@scripts/setup-model $(MODELS)

warmup: $(INSTALLED) ## load models before the traffic, and see that they are on the GPU (MODELS='a b')
	@scripts/warmup $(MODELS)

stress: $(INSTALLED) ## measure the proxy under load (MODELS='a b' ARGS='--requests 50 --concurrency 5')
	@scripts/stress-test $(ARGS) $(MODELS)

# Where a stack was started here, doctor gets what its containers have: the token, the model, whether a GPU is expected.
TOKEN_FILE = $(wildcard $(SECRETS_DIR)/ollascope-admin-token)
GPU_EXPECTED = $(if $(filter cpu,$(STACK)),false,$(if $(filter prod amd,$(STACK)),true,auto))
STACK_ENV = $(if $(OLLASCOPE_ADMIN_TOKEN),,OLLASCOPE_ADMIN_TOKEN_FILE=$(TOKEN_FILE)) OLLASCOPE_GPU_EXPECTED=$${OLLASCOPE_GPU_EXPECTED:-$(GPU_EXPECTED)} \
  OLLAMA_MODEL=$${OLLAMA_MODEL:-$(shell sed -n 's/^OLLAMA_MODEL=//p' $(ENV_FILE) 2>/dev/null)}

doctor: build ## check a deployment end to end, that of STACK where it was started here
	@$(if $(TOKEN_FILE),$(STACK_ENV)) scripts/ollascope doctor $(if $(filter linux,$(STACK)),--collector http://127.0.0.2:9435) $(ARGS)
