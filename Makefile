# "make help" says what there is. Everything is built and tested with Go alone.

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# A number of runs: a duration can end in the middle of one and fail it
# (https://go.dev/issue/75804).
FUZZTIME    ?= 1000x
DIST        ?= dist
# What "make bench" measures, and with which flags: see server/bench.
BENCH       ?= chat idle files
BENCHFLAGS  ?=

.PHONY: help build run test setup fmt vet lint race fuzz generated unit scan acceptance bench packages repo piuparts clean
# The steps of "make test" run in their order, under "make -j" too.
.NOTPARALLEL:
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

build: ## bin/poskod and bin/posko, static
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X posko.Version=$(VERSION)' -o bin/ ./cmd/...

run: build var/config.toml ## a server on 127.0.0.1:7700 and :7721, with state under ./var
	@exec bin/poskod serve --config var/config.toml

# Written once; whoever runs the server may edit it.
var/config.toml:
	@install -d -m 0700 var
	@printf '%s\n' \
		'# Written by "make run", and yours to edit. See config.toml for all settings.' \
		'[listen]' 'chat = ["127.0.0.1:7700"]' 'files = ["127.0.0.1:7721"]' '' \
		'[state]' 'dir = "."' '' \
		'[accounts]' 'signup = true' >$@

test: setup fmt vet lint race fuzz generated unit scan acceptance ## everything that must hold; what CI runs
	@echo '== all of make test has passed'

setup:
	@echo '== setup: what the tests need'
	@.ci/setup

fmt: ## gofmt, as a check
	@echo '== fmt: gofmt'
	@files=$$(find . -path ./var -prune -o -name '*.go' -exec gofmt -l {} +) && if [ -n "$$files" ]; then echo "not formatted:" $$files >&2; exit 1; fi

vet: ## go vet
	@echo '== vet: go vet'
	@go vet ./...
	@go vet -tags profile ./cmd/poskod
	@go vet -tags testssl ./cmd/poskod
	@go vet -C packaging -tags acceptance ./...

lint: ## staticcheck and shellcheck
	@echo '== lint: staticcheck, shellcheck'
	@go run $(STATICCHECK) ./...
	@shellcheck .ci/* packaging/build packaging/repo packaging/acceptance/run packaging/acceptance/piuparts packaging/deb/p*
	@shellcheck -s sh packaging/rpm/*
	@cd packaging && go run $(STATICCHECK) -tags acceptance ./...

race: ## all tests, shuffled, with the race detector
	@echo '== race: go test -race -shuffle=on'
	@go test -race -shuffle=on ./...
	@go test -C packaging -shuffle=on ./...

fuzz: ## every fuzz target for FUZZTIME (1000x: as many runs)
	@echo '== fuzz: every target for $(FUZZTIME)'
	@.ci/fuzz $(FUZZTIME)

generated: ## that generated files are current
	@echo '== generated: go generate changes nothing'
	@.ci/generated

unit: ## that the shipped units are exposed as little as they can be
	@echo '== unit: systemd-analyze security, at most 0.2, and 1.1 for the one with a network'
	@systemd-analyze security --offline=yes --threshold=2 --no-pager systemd/poskod.service >/dev/null
	@systemd-analyze security --offline=yes --threshold=11 --no-pager systemd/poskod-acme.service >/dev/null

scan: ## testssl.sh on both protocols (minutes)
	@echo '== scan: testssl.sh'
	@go test -tags testssl -count=1 -run '^TestScan$$' -timeout 25m ./cmd/poskod

acceptance: ## the life of the packages in a booted Debian (root or sudo)
	@echo '== acceptance: the packages in a booted Debian'
	@packaging/acceptance/run

bench: build ## the benchmarks beside peers; BENCH="chat idle files", BENCHFLAGS=-quick
	@CGO_ENABLED=0 go build -o bin/ ./server/bench
	@bin/bench $(BENCHFLAGS) $(BENCH)

packages: ## deb and rpm for amd64 and arm64, in dist
	@packaging/build -out $(DIST)

# make repo KEY=FINGERPRINT REPO=DIRECTORY
repo: packages ## a signed apt repository of the debs, in REPO, signed with KEY
	@test -n "$(KEY)" -a -n "$(REPO)" || { echo 'usage: make repo KEY=FINGERPRINT REPO=DIRECTORY' >&2; exit 1; }
	@packaging/repo "$(KEY)" "$(REPO)" $(DIST)/*.deb

piuparts: ## Debian's own test of what the deb leaves behind (a minute)
	@packaging/acceptance/piuparts

clean: ## remove what was built (but not var, which holds accounts)
	rm -rf bin $(DIST) packaging/stage
