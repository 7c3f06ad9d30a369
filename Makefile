# The commands for developers and operators. `make help` lists the targets.

GO          ?= go
BIN         := bin
PROGRAMS    := ingest worker indexer gateway facestream
TRAINED     := detector embedding landmarks pose attributes glasses segmentation liveness $(if $(wildcard /usr/share/fonts/opentype/ocr-b/OCRB.otf),mrz mrz_regions)
VULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0
SBOM        := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
VULNDB      ?= https://vuln.go.dev
VULNCHECK_OFFLINE ?= say
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 10s
OUTAGE      ?= 60s
N           ?= 500
DURATION    ?= 30m
IMAGE       ?= registry.example.org/facestream:0.1.0
TARGET      ?= cpu
MILVUS      ?= lite
S3          ?= minio
BENCHTIME   ?= 3s
PROFILE     ?= .cache/profile
GATEWAYFLAGS ?= --phases examples,fuzzing,stateful --max-examples 40
FLOW        ?= .
TIMEOUT     ?= 40m

export CGO_ENABLED := 1

# As one gave them, and what tools/goflags.sh finds out; each line of a recipe asks it anew, since toolchain may install a library.
given := $(GOFLAGS)
export GOFLAGS = $(strip $(given) $(shell tools/goflags.sh))

# Starts a Milvus unless FACESTREAM_MILVUS names one, and stops it at the end of the line.
with_milvus = set -e; if [ -z "$$FACESTREAM_MILVUS" ]; then \
	dir=$$(mktemp -d); export MILVUS_DATA="$$dir/milvus"; \
	trap 'tools/milvus/down.sh $(MILVUS); rm -rf "$$dir"' EXIT; \
	FACESTREAM_MILVUS=$$(tools/milvus/up.sh $(MILVUS)); export FACESTREAM_MILVUS; fi

.DEFAULT_GOAL := help
.PHONY: test-console test-vendors test-gateway test-postgres test-clients attack sbom licences vulncheck help build facestream run demo test test-real test-s3 test-imaging lint bench profile bench-peers bench-gallery bench-scale crash-test soak siege soak-simulated soak-power mutation-test outage-test test-milvus train-smoke sheet sheet-documents example-module generate fuzz-short clean toolchain models image check-deployments

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: toolchain ## Build bin/ingest, bin/worker, bin/indexer, bin/gateway and bin/facestream
	@GO=$(GO) BUILDFLAGS="$(BUILDFLAGS)" tools/build.sh $(BIN) $(PROGRAMS)

facestream: toolchain ## Build bin/facestream alone
	@GO=$(GO) BUILDFLAGS="$(BUILDFLAGS)" tools/build.sh $(BIN) facestream

run: export FACESTREAM_MODELS := $(or $(FACESTREAM_MODELS),best)
run: models ## Build bin/facestream, fetch what is missing, show the flow on drawn people, and stay up until Ctrl-C
	$(BIN)/facestream demo --stay

demo: models ## The same in a fresh folder, then stop; fails unless every outcome was the expected one
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && $(BIN)/facestream demo --data-dir "$$dir"

# Without models the tests that need them are skipped aloud, so that a machine that cannot fetch them tests the rest. Everything here
# is built with -race, so that nothing is compiled twice. TIMEOUT leaves room for a machine that is slow or busy.
test: toolchain ## Fetch what is missing, vet, then test everything with the race detector (TESTFLAGS, TIMEOUT of a package)
	@if $(MAKE) --no-print-directory models BUILDFLAGS=-race BIN=.cache/race; then $(MAKE) --no-print-directory test-clients BUILDFLAGS=-race BIN=.cache/race; \
		else echo "WARNING: the models are not here (see above): the tests that need them will be skipped, and those of clients/"; fi
	$(GO) vet -race ./...
	$(GO) test -race -timeout $(TIMEOUT) $(TESTFLAGS) ./...

# With FACESTREAM_KAFKA they test against that broker alone; see tools/kafka/test.sh.
test-real: models ## Test against a real Apache Kafka, plain and with users, a Versity S3 Gateway and Milvus (needs Java 17, Maven, openssl)
	GO=$(GO) tools/kafka/test.sh

test-gateway: models ## Let schemathesis hold the HTTP API to its description (GATEWAYFLAGS: its options; its phase coverage takes long)
	tools/gateway/test.sh $(GATEWAYFLAGS)

test-s3: models ## Test against a real Apache Kafka and the store S3 (minio, which takes 10 minutes to build, or versitygw)
	GO=$(GO) tools/kafka/test.sh $(S3)

test-imaging: toolchain ## Compare every image format with the decoders of Pillow and libheif on hundreds of drawn pictures (needs Python 3)
	test -d .cache/imaging/venv || python3 -m venv .cache/imaging/venv
	.cache/imaging/venv/bin/pip install --quiet --disable-pip-version-check -r pkg/engine/imaging/testdata/requirements.txt
	rm -rf .cache/imaging/corpus && mkdir -p .cache/imaging/corpus
	.cache/imaging/venv/bin/python pkg/engine/imaging/testdata/corpus.py .cache/imaging/corpus
	FACESTREAM_IMAGES=$(CURDIR)/.cache/imaging/corpus $(GO) test -race -count=1 -run TestWholeCorpus ./pkg/engine/imaging
	FACESTREAM_IMAGES=$(CURDIR)/.cache/imaging/corpus $(GO) test -race -count=1 -tags=nodynamic ./pkg/engine/imaging # without libjpeg-turbo

test-clients: models ## Check the types of clients/python, and test it on a facestream of its own (needs Python 3; FACESTREAM_MODELS, PYTESTFLAGS)
	@if ! python3 -c 'import ensurepip' 2>/dev/null; then echo "SKIPPED: the tests of clients/python: Python 3 with venv is not here"; exit 0; fi; set -e; \
		venv=$(CURDIR)/.cache/clients/venv; test -d $$venv || python3 -m venv $$venv; \
		$$venv/bin/pip install --quiet --disable-pip-version-check './clients/python[test]'; \
		$(GO) run ./tools/people .cache/clients/people; \
		cd clients/python; $$venv/bin/mypy; \
		FACESTREAM_BIN=$(abspath $(BIN))/facestream FACESTREAM_PEOPLE=$(CURDIR)/.cache/clients/people $$venv/bin/pytest $(PYTESTFLAGS)

CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
test-vendors: models ## Run the clients that other vendors published for their own services against a facestream (needs Python 3; node and npm for one)
	$(GO) run ./tools/people -people 2 .cache/vendors/people
	tools/vendors/test.sh

test-console: models ## Test the console in Chromium on a facestream of its own; screenshots go to .cache/console (needs Python 3; CHROMIUM, PYTESTFLAGS)
	@set -e; chromium="$(CHROMIUM)"; \
		if [ -z "$$chromium" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium && chromium=$$(command -v chromium); fi; \
		if [ -z "$$chromium" ]; then echo "SKIPPED: the tests of the console, because Chromium is not here and this is no root on Debian, who installs it"; exit 0; fi; \
		if ! python3 -c 'import ensurepip' 2>/dev/null; then echo "SKIPPED: the tests of the console, because Python 3 with venv is not here"; exit 0; fi; \
		venv=$(CURDIR)/.cache/console-venv; test -d $$venv || python3 -m venv $$venv; \
		$$venv/bin/pip install --quiet --disable-pip-version-check -r tools/console/requirements.txt; \
		$(GO) run ./tools/people -people 8 .cache/console-people; rm -rf .cache/console; \
		FACESTREAM_CHROMIUM=$$chromium FACESTREAM_BIN=$(abspath $(BIN))/facestream FACESTREAM_PEOPLE=$(CURDIR)/.cache/console-people \
			FACESTREAM_SHOTS=$(CURDIR)/.cache/console $$venv/bin/pytest -p no:cacheprovider $(PYTESTFLAGS) tools/console

lint: toolchain ## gofmt, vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
		if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):" $$unformatted; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench: build models ## Measure the engine alone, uploads to results, and the time from event to result (BENCHFLAGS: -images DIR, -json FILE)
	$(GO) run ./tools/bench $(BENCHFLAGS)

profile: build models ## The same, and leave profiles (CPU, heap, block) and a flame graph in PROFILE (.cache/profile)
	$(GO) run ./tools/bench -profile $(PROFILE) $(BENCHFLAGS)

bench-peers: build ## Measure against a Python script, faiss, usearch and Milvus; fetches their packages (PEERSFLAGS: -parts, -milvus lite|standalone, -json FILE)
	@$(MAKE) --no-print-directory models FACESTREAM_MODELS=open
	test -d .cache/peers/venv || python3 -m venv .cache/peers/venv
	.cache/peers/venv/bin/pip install --quiet --disable-pip-version-check -r tools/peers/requirements.txt
	$(GO) run ./tools/peers $(PEERSFLAGS)

bench-scale: build models ## Measure workers on one core each, 1 to 32 simulated workers, and the pauses of a rebalance (SCALEFLAGS)
	$(GO) run ./tools/scale $(SCALEFLAGS)

bench-gallery: toolchain ## Measure both galleries; starts a Milvus unless FACESTREAM_MILVUS names one (MILVUS=lite|standalone, BENCHTIME)
	$(GO) test -run '^$$' -bench Gallery -benchtime $(BENCHTIME) -timeout 30m ./internal/gallery/local
	@$(with_milvus); $(GO) test -run '^$$' -bench Gallery/HNSW -benchtime $(BENCHTIME) -timeout 60m ./internal/gallery/milvus

attack: build models ## Attack a facestream from outside as docs/security.md describes, with a verdict for each attack (ATTACKFLAGS)
	$(GO) run ./tools/attack $(ATTACKFLAGS)

crash-test: build models ## Send N (500) requests, kill the services N/10 times at random, and check every outcome (SOAKFLAGS)
	$(GO) run ./tools/soak -n $(N) $(SOAKFLAGS)

soak: build models ## Let services and dependencies fail for DURATION (30m) under load and check every outcome (SOAKFLAGS)
	$(GO) run ./tools/soak -duration $(DURATION) $(SOAKFLAGS)

soak-simulated: toolchain ## The same without networks and models: workers read the faces from the pixels (DURATION, SOAKFLAGS)
	$(GO) run ./tools/soak -simulated -think 20ms -duration $(DURATION) $(SOAKFLAGS)

soak-power: toolchain ## The same, and the power fails again and again: what was not synced to the disks is lost (DURATION, SOAKFLAGS; needs FUSE)
	$(GO) run ./tools/soak -simulated -power -think 20ms -duration $(DURATION) $(SOAKFLAGS)

mutation-test: toolchain ## Break the code in one place after another, and see that a check notices each (MUTATEFLAGS: -sample, -only NAMES, -list)
	$(GO) run ./tools/mutate $(MUTATEFLAGS)

siege: models ## Let a worker of 2 GiB and two threads answer hostile images beside innocent ones for DURATION (30m) (SIEGEFLAGS)
	$(GO) run ./tools/siege -duration $(DURATION) $(SIEGEFLAGS)

outage-test: models ## Take the broker, the store and the gallery away for OUTAGE (60s) each, under load
	FACESTREAM_OUTAGE=$(OUTAGE) $(GO) test -count=1 -v -timeout 3h -run TestOutages ./internal/allinone

test-milvus: toolchain ## Test the gallery, the stream (FLOW) and the commands of the gallery on a Milvus that this starts (MILVUS=lite|standalone)
	@unset FACESTREAM_MILVUS; export MILVUS_TICKS=short; $(with_milvus); \
		$(GO) test -race -count=1 -p 1 -parallel $(if $(filter lite,$(MILVUS)),1,8) -timeout $(TIMEOUT) ./internal/gallery/milvus; \
		$(GO) test -race -count=1 -timeout $(TIMEOUT) -run '$(FLOW)' ./internal/allinone; \
		$(GO) test -race -count=1 -timeout $(TIMEOUT) -run 'TestReindex|TestGalleryCopy' ./internal/cli

# With FACESTREAM_POSTGRES (postgres://…) they test against that server, in schemas of their own.
test-postgres: toolchain ## Test the directory, the stream (FLOW) and its commands on a PostgreSQL that this starts (needs Debian's postgresql)
	@set -e; if [ -z "$$FACESTREAM_POSTGRES" ]; then \
		dir=$$(mktemp -d); chmod 755 "$$dir"; export POSTGRES_DATA="$$dir/postgres"; \
		trap 'tools/postgres/down.sh; rm -rf "$$dir"' EXIT; \
		FACESTREAM_POSTGRES=$$(tools/postgres/up.sh); export FACESTREAM_POSTGRES; fi; \
		$(GO) test -race -count=1 -timeout $(TIMEOUT) ./internal/directory/...; \
		$(GO) test -race -count=1 -timeout $(TIMEOUT) -run '$(if $(filter .,$(FLOW)),Directory|Invariant4|TestDeletedIsDeleted,$(FLOW))' ./internal/allinone

image: ## Build the image (TARGET: cpu or cuda) with its SBOM and push it as IMAGE; needs docker buildx
	docker buildx build --file deployments/Dockerfile --target $(TARGET) --sbom=true --provenance=mode=max --tag $(IMAGE) --push .

check-deployments: ## Check Dockerfile, compose.yaml, Helm chart, dashboard and alerts with their own tools
	deployments/check.sh

train-%: .venv toolchain ## Train a role of the starter pack: minutes to hours (training/README.md)
	.venv/bin/python -m training.$*.train --out .cache/train/$* $(TRAINFLAGS)

train-smoke: .venv toolchain ## Run every training from end to end with tiny settings, in minutes
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
		for role in $(TRAINED); do .venv/bin/python -m training.$$role.train --smoke --out "$$dir/$$role"; done

.venv: training/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --disable-pip-version-check --no-cache-dir -r training/requirements.txt
	touch .venv

sheet: models ## Put the ISO portraits of five photographs into .cache/sheet.png, to look at them (needs ../shared)
	FACESTREAM_SHEET=$(CURDIR)/.cache/sheet.png $(GO) test -count=1 -v -run 'TestPortraits$$' ./pkg/engine

sheet-documents: models ## Put the straightened public documents and their faces into .cache/documents.png, to look at them (needs ../shared)
	FACESTREAM_SHEET=$(CURDIR)/.cache/documents.png $(GO) test -count=1 -v -run 'TestStraightenedPages$$' ./pkg/engine

# A module of its own sees of facestream what a program of somebody else sees.
example-module: toolchain ## Build examples/go, a module of its own, against pkg
	cd examples/go && $(GO) mod tidy && $(GO) vet ./... && $(GO) build ./...
	@git diff --exit-code -- examples/go || { echo "examples/go follows the versions of go.mod: commit what has changed"; exit 1; }

generate: toolchain ## Regenerate schemas and reference pages
	$(GO) generate ./...

sbom: build ## Write the bill of materials of each program, in CycloneDX, to dist/sbom
	@mkdir -p dist/sbom
	@set -e; for program in $(PROGRAMS); do \
		$(GO) run $(SBOM) bin -json -std -version "$$(git describe --tags --always --dirty)" -output dist/sbom/$$program.cdx.json $(BIN)/$$program; \
		echo dist/sbom/$$program.cdx.json; done

licences: toolchain ## List the licences of all modules that the programs link; fail where one is unknown or not judged
	cd tools/licences && $(GO) build -o $(CURDIR)/.cache/licences . # a module of its own: what it needs is no part of the programs
	.cache/licences ./cmd/...

# Without the database there is nothing to compare with. That is said, and fails where VULNCHECK_OFFLINE=fail.
vulncheck: toolchain ## Look the code up in the Go vulnerability database (VULNDB: its address, or file:///… of a copy)
	@if said=$$($(GO) run $(VULNCHECK) -db $(VULNDB) ./... 2>&1); then echo "$$said"; else \
		echo "$$said"; \
		case $$said in *"fetching vulnerabilities"*) \
			echo "SKIPPED: the vulnerability database at $(VULNDB) cannot be reached; VULNDB=file:///… names a copy"; \
			test "$(VULNCHECK_OFFLINE)" = say;; \
		*) false;; esac; fi

fuzz-short: toolchain ## Run every fuzz target for FUZZTIME (10s)
	@set -e; for package in $$($(GO) list ./...); do \
		listed=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$listed" | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

clean: ## Remove what was built; keep data and the cache of models
	rm -rf $(BIN) .cache/race

toolchain: ## Check for Go, a C compiler, libjpeg-turbo and zxing-cpp; install the latter three when run as root on Debian
	@command -v $(GO) >/dev/null || { echo "Go is not on this machine. Install Go 1.26 or newer from https://go.dev/dl/ and run make again."; exit 1; }
	@compiler=$$($(GO) env CC); compiler=$${compiler%% *}; command -v "$$compiler" >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "No C compiler ($$compiler) here; ONNX Runtime is called through cgo. Installing gcc."; \
			apt-get update -qq && apt-get install -y --no-install-recommends gcc libc6-dev; \
		else \
			echo "No C compiler ($$compiler) here; ONNX Runtime is called through cgo. Install one and run make again:"; \
			echo "  Debian, Ubuntu: sudo apt-get install gcc libc6-dev    Fedora: sudo dnf install gcc    macOS: xcode-select --install"; \
			exit 1; \
		fi; }
	@tools/goflags.sh | grep -q jpegturbo || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "No libjpeg-turbo here, which decodes JPEG three times as fast as Go. Installing it."; \
			apt-get update -qq && apt-get install -y --no-install-recommends libjpeg-dev; \
		fi; \
		tools/goflags.sh | grep -q jpegturbo || { \
			echo "Without libjpeg-turbo and its headers JPEG is decoded in Go, at a third of the speed. To have it, install it and run make again:"; \
			echo "  Debian, Ubuntu: sudo apt-get install libjpeg-dev    Fedora: sudo dnf install libjpeg-turbo-devel    macOS: brew install jpeg-turbo"; }; }
	@tools/goflags.sh | grep -q zxing || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "No zxing-cpp here, which reads barcodes. Installing it."; \
			apt-get update -qq && apt-get install -y --no-install-recommends g++ libzxing-dev; \
		fi; \
		tools/goflags.sh | grep -q zxing || { \
			echo "Without zxing-cpp, its headers and a C++ compiler barcodes are not read. To have it, install it and run make again:"; \
			echo "  Debian, Ubuntu: sudo apt-get install g++ libzxing-dev    Fedora: sudo dnf install gcc-c++ zxing-cpp-devel    macOS: brew install zxing-cpp"; }; }

models: facestream ## Find or fetch ONNX Runtime and the model pack FACESTREAM_MODELS (starter), with progress
	$(BIN)/facestream models pull $${FACESTREAM_MODELS:-starter} --yes
	$(BIN)/facestream models runtime
