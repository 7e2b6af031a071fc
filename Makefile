# "make help" says what there is. Everything is built and tested with Go alone.

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 3s

.PHONY: help build run test setup fmt vet lint race fuzz generated clean
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

test: setup fmt vet lint race fuzz generated ## everything that must hold; what CI runs
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

lint: ## staticcheck and shellcheck
	@echo '== lint: staticcheck, shellcheck'
	@go run $(STATICCHECK) ./...
	@shellcheck .ci/*

race: ## all tests, shuffled, with the race detector
	@echo '== race: go test -race -shuffle=on'
	@go test -race -shuffle=on ./...

fuzz: ## every fuzz target for FUZZTIME (3s)
	@echo '== fuzz: every target for $(FUZZTIME)'
	@.ci/fuzz $(FUZZTIME)

generated: ## that generated files are current
	@echo '== generated: go generate changes nothing'
	@.ci/generated

clean: ## remove bin (but not var, which holds accounts)
	rm -rf bin
