GO   ?= go
TOOL  = $(GO) tool -modfile=tools/go.mod

# actionlint needs another YAML library than golangci-lint, so it has a module of its own. goreleaser is large and is needed
# for releases only.
ACTIONLINT = $(GO) tool -modfile=tools/actionlint/go.mod actionlint
GORELEASER = $(GO) run github.com/goreleaser/goreleaser/v2@v2.16.0

# The port of the demo's mock API and the folder of its private PostgreSQL.
DEMO_PORT   ?= 18080
DEMO_FOLDER ?= .pawl/demo

# The length and the seed of `make chaos`. Seed 0 takes a new one each time and prints it. Each round restores backups RESTORES times
# as often as a round of `make test-e2e`.
DURATION ?= 10m
SEED     ?= 0
RESTORES ?= 2

# How long `make fuzz` runs each target.
TIME ?= 1m

# What `make bench` measures: CASES, separated by commas, or all; see docs/performance.md. With AGAINST it also measures that Git
# revision. WRITE=1 writes the results into docs. ROUNDS=0 is five rounds, or fifteen with AGAINST.
CASES   ?= end-to-end
EVENTS  ?= 500000
ROUNDS  ?= 0
AGAINST ?=
WRITE   ?= 0

# The packages with slow tests: TestSlow…, behind the build tag e2e.
SLOW = ./internal/adapters/postgres/ ./internal/adapters/postgres/migrate/

# Compose is a plugin of Docker's or a program of its own.
COMPOSE ?= $(shell if docker compose version >/dev/null 2>&1; then echo docker compose; else echo docker-compose; fi)

.PHONY: help run psql up down build test test-e2e chaos fuzz bench lint vuln generate drift release-check clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

run: build ## Read the API in API_BASE_URL into PostgreSQL; with nothing set a mock API, as a demo
	@api=$$(bin/pawl config API_BASE_URL) || exit; \
	export PAWL_DOWNLOAD=$${PAWL_DOWNLOAD:-yes}; \
	if [ -n "$$api" ]; then exec bin/pawl run; else exec bin/pawl demo --port $(DEMO_PORT) --folder '$(DEMO_FOLDER)'; fi

psql: build ## Start psql on DATABASE_URL, else on the database of `make run`; ARGS="-c 'SELECT …'" for psql
	@api=$$(bin/pawl config API_BASE_URL) || exit; \
	case "$$api$$(bin/pawl config DATABASE_URL --json)" in '{'*'"origin":"not set"'* | '{'*'"origin":"chosen: '*) \
		export DATABASE_URL='embedded:$(DEMO_FOLDER)';; esac; \
	exec bin/pawl psql $(ARGS)

up: ## Run the demo in containers, with PostgreSQL and Jaeger, and keep its traces
	$(COMPOSE) up --build --detach
	$(COMPOSE) logs --follow pawl
	@exit $$(docker wait $$($(COMPOSE) ps --all --quiet pawl))
	@echo "Look at the traces: http://$$($(COMPOSE) port jaeger 16686)"

down: ## Remove what `make up` started, the rows included
	$(COMPOSE) down --volumes

build: ## Build bin/pawl and bin/mockapi
	$(GO) build -o bin/ ./cmd/...

test: ## Run the tests, on a real PostgreSQL (TEST_DATABASE_URL, else a container, else local binaries)
	$(GO) test -race ./...

test-e2e: ## Run the built programs against each other and kill them, and the slow tests of packages (a few minutes)
	$(GO) test -race -count=1 -tags e2e -run '^TestSlow' -v $(SLOW)
	$(GO) test -race -count=1 -timeout 30m -tags e2e -v ./internal/e2e/

chaos: ## Kill and disturb runs for DURATION (10m), as SEED decides, and print the result
	$(GO) test -race -count=1 -timeout 0 -tags e2e -run '^TestChaos$$' -v ./internal/e2e/ \
		-chaos.duration=$(DURATION) -chaos.seed=$(SEED) -chaos.restores=$(RESTORES)

fuzz: ## Run each fuzz target for TIME (1m), one after the other, and stop at the first that finds something
	@GO='$(GO)' .ci/fuzz $(TIME)

bench: ## Compare pawl with PostgreSQL's COPY, and with the revision AGAINST; CASES=all measures more (a few minutes)
	$(GO) run ./internal/bench -cases=$(CASES) -rounds=$(ROUNDS) -events=$(EVENTS) -against=$(AGAINST) -write=$(WRITE)

lint: ## Run golangci-lint, and actionlint on the workflows
	$(ACTIONLINT)
	$(TOOL) golangci-lint run ./...
	$(TOOL) golangci-lint run --build-tags e2e ./internal/e2e/... $(SLOW)

vuln: ## Look for known vulnerabilities in what the programs call (needs the network)
	$(TOOL) govulncheck ./...

generate: ## Write the generated code and reference pages again
	$(TOOL) sqlc generate
	$(TOOL) wire gen ./cmd/pawl
	$(GO) test ./internal/adapters/cli -run TestReference -update

drift: ## Fail if generated code or go.mod is out of date
	$(TOOL) sqlc diff
	$(TOOL) wire diff ./cmd/pawl
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff
	cd tools/actionlint && $(GO) mod tidy -diff

release-check: ## Check .goreleaser.yaml (builds goreleaser first, which takes minutes)
	$(GORELEASER) check

clean: ## Remove what build made
	rm -rf bin
