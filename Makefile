# `make` alone prints this list.
.PHONY: help build test race vet lint vuln fuzz cross fmt golden model crash damage diskfull deadlines abuse bench bench-search ci
.DEFAULT_GOAL := help

GO    ?= go
TOOL  := $(GO) tool -modfile=tools.mod
LDFLAGS := -s -w

help: ## print the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## the program for this machine, as ./callsyncd
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o callsyncd ./cmd/callsyncd

test: ## every test
	$(GO) test ./...

race: ## every test under the race detector
	$(GO) test -race ./...

vet: ## go vet and gofmt
	$(GO) vet ./...
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run: make fmt'; exit 1; }

lint: vet ## vet and staticcheck
	$(TOOL) staticcheck ./...

vuln: ## known vulnerabilities in what is linked (asks vuln.go.dev)
	$(TOOL) govulncheck ./...

fmt: ## format the source
	gofmt -w .

golden: ## renew golden files; look at the diff before committing
	$(GO) test ./sync/provider ./config ./service ./api -update

fuzz: ## every fuzz target for 30 seconds each
	@$(GO) list ./... | while read -r p; do \
	  $(GO) test -list '^Fuzz' "$$p" | grep '^Fuzz' | while read -r f; do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 30s "$$p" || exit 1; done; done

bench: ## benchmarks, with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-search: ## searches beside SQLite's FTS5 (needs a C compiler); CALLSYNCD_BENCH_CALLS=100000, CALLSYNCD_BENCH_DIR keeps the archive
	cd bench && CGO_ENABLED=1 $(GO) run -mod=mod -tags sqlite_fts5 .

model: ## let the engine and a misbehaving vendor of the model at each other 20,000 times; the last line sums up
	CALLSYNCD_MODEL_CHECKS=20000 $(GO) test -count=1 -timeout 120m -run TestArchiveEqualsTheModel -v ./sync

crash: ## kill -9 a syncing process 2,000 times, at every step of a write and at random moments
	CALLSYNCD_CRASH_KILLS=2000 $(GO) test -count=1 -timeout 60m -run 'TestKilledAtEveryPoint|TestKilledWriter' -v ./internal/endtoend ./cmd/callsyncd

damage: ## spoil files of an archive 520 times, in every way: verify finds it, or it heals
	CALLSYNCD_DAMAGES=520 $(GO) test -count=1 -timeout 60m -run TestDamageIsFoundOrHealed -v ./internal/endtoend

diskfull: ## fill the disk under a running daemon 200 times, half of them on a small file system (needs root)
	CALLSYNCD_FULL_EPISODES=200 $(GO) test -count=1 -timeout 60m -run TestFullDiskHealsWithoutRestart -v ./internal/endtoend

deadlines: ## thousands of recordings with one-hour links under faults and an outage, in fast time
	CALLSYNCD_DEADLINES=1 $(GO) test -count=1 -timeout 20m -run TestDeadlines -v ./internal/endtoend

abuse: ## attack a running daemon, over an archive of 30,000 calls
	CALLSYNCD_ABUSE_CALLS=30000 $(GO) test -count=1 -timeout 30m -run Abuse -v ./internal/endtoend

cross: ## builds for the other systems
	@for t in linux/amd64 linux/arm64 windows/amd64 darwin/arm64; do \
	  echo "$$t"; CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -trimpath -o /dev/null ./cmd/callsyncd || exit 1; done

ci: ## what continuous integration runs
	bash .ci/run
