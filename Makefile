GO   ?= go
TOOL  = $(GO) tool -modfile=tools/go.mod

.PHONY: help build test test-e2e lint generate drift clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

build: ## Build bin/pawl and bin/mockapi
	$(GO) build -o bin/ ./cmd/...

test: ## Run the tests, on a real PostgreSQL (TEST_DATABASE_URL, else a container, else local binaries)
	$(GO) test -race ./...

test-e2e: ## Run the built programs against each other and kill them (as test, a few minutes)
	$(GO) test -race -count=1 -timeout 15m -tags e2e ./internal/e2e/

lint: ## Run golangci-lint
	$(TOOL) golangci-lint run ./...
	$(TOOL) golangci-lint run --build-tags e2e ./internal/e2e/...

generate: ## Write the generated code anew (sqlc, wire)
	$(TOOL) sqlc generate
	$(TOOL) wire gen ./cmd/pawl

drift: ## Fail if generated code or go.mod is not what its sources say
	$(TOOL) sqlc diff
	$(TOOL) wire diff ./cmd/pawl
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff

clean: ## Remove what build made
	rm -rf bin
