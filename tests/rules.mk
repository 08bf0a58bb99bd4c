# SPDX-License-Identifier: MIT
# Included by the Makefile: everything that runs the programs to try them. tests/lib/run-prove.sh runs the tests.

JOBS    ?= $(shell nproc)
UNITS   := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(wildcard tests/unit/*.c))
# What every backend of the store must pass: a program for each part.
SUITE   := tests/store/conformance
UNITS   += $(patsubst $(SUITE)/%.c,$(OUT)/unit/test_store_%,$(wildcard $(SUITE)/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/target/%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))

# The longest come first, so that the others run beside them. Reckoned from the times of one run, six at a time: 756 s in the
# order of names, 602 s with these four first, 585 s with all sorted by time.
LONG := $(addprefix tests/,tool/reconcile-changing.t tool/erase.t e2e/commands-under-load.t upgrade/under-load.t readme.t)
# What says nothing of a flavour: text, the documents' own builds and the libraries in PHP and Perl are the same under
# sanitizers, and benchmarks mean nothing; coverage by itself needs nobody who is killed, nor a second opinion.
LEFT_OUT := $(if $(SAN)$(COV),$(addprefix tests/,lint/% bench/% readme.t install.t) $(addprefix tests/consumers/,contract.t handlers.t library.t once.t \
  poll.t syntax.t)) $(if $(SAN),,$(if $(COV),$(addprefix tests/crash/,steps.t power.t load.t sandbox.t full.t) tests/oracle/%))
TESTS  = $(filter-out $(LEFT_OUT),$(LONG) $(filter-out $(LONG),$(sort $(filter-out tests/browser/%,$(wildcard tests/*/*.t tests/*.t)))) $(UNITS) $(FUZZERS))
ATTACKER := $(OUT)/attacker
GARBLED := $(OUT)/garbled/complycube-inbox
ENTER := build/enter build/dumpable.so
BENCH := build/bench/noop build/bench/spawn

.PHONY: deps demo run unit check-unit format check-format check san check-static check-page check-kit check-ports check-deb check-debian \
  analyze valgrind cover fuzz fuzzers mutate garbled soak soak-receiver soak-crash bench

# Linked anew with libraries that were made anew.
$(UNITS) $(FUZZERS) $(ATTACKER): $(if $(STATIC)$(PORT),$(OUT)/lib/.made)
$(OUT)/unit/%: tests/unit/%.c $(TOOL_LIB) $(LIB) tests/unit/unit.h tests/lib/verifier.h
	@mkdir -p $(@D)
	$(call say,TEST $<)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINK) -Itests/unit -Itests/lib -o $@ $< $(TOOL_LIB) $(LIB) $(LIBS_INBOX) -lcmocka $(LINK_END)

SUITE_OBJS := $(patsubst $(SUITE)/suite/%.c,$(OUT)/suite/%.o,$(wildcard $(SUITE)/suite/*.c))
$(SUITE_OBJS): $(OUT)/suite/%.o: $(SUITE)/suite/%.c $(LIB) $(wildcard $(SUITE)/suite/*.h) tests/unit/unit.h tests/lib/verifier.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests/unit -Itests/lib -c -o $@ $<

# store.c once more, with the backend of the tests: it takes the place of the one in the library.
SUITE_STORE := $(OUT)/suite/store.o
$(SUITE_STORE): src/store/store.c $(SUITE)/suite/memory.h $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -include $(SUITE)/suite/memory.h -c -o $@ $<

$(OUT)/unit/test_store_%: $(SUITE)/%.c $(SUITE_OBJS) $(SUITE_STORE)
	@mkdir -p $(@D)
	$(call say,TEST $<)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINK) -Itests/unit -Itests/lib -o $@ $^ $(LIB) $(LIBS_WEBHOOK) -lcmocka $(LINK_END)

# It asks OpenSSL's own HMAC, for which all of a static libcrypto would be linked, and what that needs in turn.
$(OUT)/target/signature: LIBS_INBOX := $(LIBS_INBOX:$(CRYPTO)=-lcrypto)
# With FUZZ=1 it is libFuzzer that calls a target, else replay.c.
$(OUT)/target/%: tests/fuzz/%.c tests/fuzz/replay.c $(TOOL_LIB) $(LIB) $(wildcard tests/fuzz/*.h) tests/lib/verifier.h
	@mkdir -p $(@D)
	$(call say,FUZZ $<)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINK) -Itests/lib $(if $(filter 1,$(FUZZ)),-fsanitize=fuzzer,tests/fuzz/replay.c) -o $@ $< $(TOOL_LIB) $(LIB) $(LIBS_INBOX) $(LINK_END)

$(ATTACKER): tests/crash/attacker.c $(LIB)
	@mkdir -p $(@D)
	$(call say,TEST $<)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINK) -o $@ $< $(LIB) $(LIBS_INBOX) $(LINK_END)

# What Proc.pm of the tests begins programs with.
build/enter: tests/lib/enter.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) -static -o $@ $<

build/dumpable.so: tests/lib/dumpable.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) -shared -fPIC -o $@ $<

$(BENCH): build/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) -o $@ $< -lfcgi

# What a target that runs for long builds first, by all processors unless make was told how many.
BUILD = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

## See it work
demo: ## a real lighttpd, signed example events, PHP and Perl reading them
	$(Q)tests/lib/deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh demo

run: ## the demo's server in the foreground, with a curl line to paste
	$(Q)tests/lib/deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh run

## While editing
# The tool with noise for each error message: Doctor.pm of the tests compares its cures.
$(OUT)/garbled/err.o: src/base/err.c src/base/err.h $(OBJ)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -DERR_GARBLE -c -o $@ $<
$(GARBLED): LIBS := $(LIBS_INBOX)
$(GARBLED): $(OUT)/garbled/err.o $(OBJ)/complycube-inbox.o $(TOOL_LIB) $(LIB)
	@$(if $(filter 0,$(V)),echo "  TEST $@")
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS) $(LINK_END)

garbled: $(GARBLED) ## the tool with noise for its error messages, by which doctor's cures are compared

unit: $(UNITS) $(FUZZERS) $(ATTACKER) $(GARBLED) $(BENCH) $(ENTER) ## build the unit tests, and the fuzz targets as programs that replay their seeds

check-unit: ## the unit tests, the seeds of the fuzz targets, and lint: what needs no server and is done in seconds
	$(Q)tests/lib/deps.sh unit
	$(Q)$(BUILD) all $(UNITS) $(FUZZERS)
	$(Q)SKIPS= BIN=$(BIN) OBJ=$(OBJ) tests/lib/run-prove.sh $(filter-out $(LEFT_OUT),$(UNITS) $(FUZZERS) $(wildcard tests/lint/*.t))

format: ## format the C files, by .clang-format
	$(Q)tests/lib/deps.sh format
	$(Q)tests/lib/format.sh

check-format: ## see that they are formatted
	$(Q)tests/lib/deps.sh format
	$(Q)tests/lib/format.sh check

compile_commands.json: force ## for clangd and its like: how each C file is compiled
	$(Q)tests/lib/compile_commands.pl >$@

tags: force ## for editors: what is defined where, by universal-ctags
	$(Q)ctags --version 2>/dev/null | grep -q Universal || { echo 'make tags needs universal-ctags: apt-get install universal-ctags' >&2; exit 1; }
	$(Q)ctags -R -f $@ --languages=C,Perl --langmap=C:.c.h src tests

## Test
deps: ## install what building, the demo and the tests need (Debian packages)
	$(Q)tests/lib/deps.sh check

check: deps ## run every test
	$(Q)$(BUILD) all unit
	$(Q)BIN=$(BIN) OBJ=$(OBJ) tests/lib/run-prove.sh $(TESTS)

san: ## run every test of a program with sanitizers
	$(Q)$(MAKE) --no-print-directory check SAN=1

# What starts the receiver, and the static build's own test.
RECEIVES = $(sort $(filter-out %/static.t,$(wildcard tests/e2e/*.t)) $(shell grep -lE 'complycube-webhook|Deploy|->cgi' tests/tool/*.t tests/sqlite/*.t tests/crash/*.t))
check-static: deps ## the end-to-end tests, and all others that start the receiver, with the static build
	$(Q)tests/lib/deps.sh check-kit
	$(Q)$(BUILD) hosting-kit
	$(Q)$(BUILD) all $(BENCH) $(ENTER)
	$(Q)$(BUILD) garbled build/static/attacker STATIC=1
	$(Q)BIN=build/static/bin OBJ=build/static/obj tests/lib/run-prove.sh $(filter $(RECEIVES),$(LONG)) tests/e2e/static.t tests/kit $(filter-out $(LONG),$(RECEIVES))

check-page: deps ## each view of the page in Chromium, with axe-core (10 minutes; Chromium is 300 MB, puppeteer-core and axe-core come from npm)
	$(Q)tests/lib/deps.sh check-page
	$(Q)$(BUILD) all $(ENTER)
	$(Q)BIN=$(BIN) OBJ=$(OBJ) tests/lib/run-prove.sh tests/browser

check-kit: deps ## the hosting kit on a shared host: by its guide, wrongly uploaded, upgraded under load (a minute; root)
	$(Q)tests/lib/deps.sh check-kit
	$(Q)$(BUILD) hosting-kit $(ENTER)
	$(Q)BIN=build/static/bin OBJ=build/static/obj tests/lib/run-prove.sh tests/kit

PORTS := s390x-linux-gnu arm-linux-gnueabihf
check-ports: ## unit tests and some events with clang, with musl, on 32 bits and big-endian (by qemu; 5 minutes)
	$(Q)tests/lib/deps.sh ports
	$(Q)$(BUILD) all unit
	$(Q)$(BUILD) CC=clang OUT=build/port/clang unit $(addprefix build/port/clang/bin/,complycube-webhook complycube-inbox)
	$(Q)$(BUILD) STATIC=1 all unit
	$(Q)for port in $(PORTS); do $(BUILD) PORT=$$port all unit || exit 1; done
	$(Q)tests/lib/run-prove.sh tests/lib/ports.pl

check-deb: ## install, upgrade under load and purge the package, under systemd and without, in chroots (5 minutes, and once 4 more)
	$(Q)tests/lib/deps.sh check-deb
	$(Q)packaging/deb.sh && packaging/deb.sh next
	$(Q)$(BUILD) $(ENTER)
	$(Q)tests/lib/run-prove.sh tests/package/package.pl

RELEASES ?= bookworm trixie
check-debian: ## the demo, all tests, the package and the hosting kit in a minimal Debian 12, and 13 (45 minutes; root)
	$(Q)tests/lib/deps.sh check-debian
	$(Q)tests/package/debian.sh $(RELEASES)

## Look for faults
analyze: all ## gcc -fanalyzer, clang-tidy and cppcheck over src/
	$(Q)tests/lib/deps.sh analyze
	$(Q)tests/lint/analyze.pl

valgrind: ## the unit tests, a CGI and the tool under valgrind
	$(Q)tests/lib/deps.sh analyze
	$(Q)$(MAKE) --no-print-directory all unit
	$(Q)tests/lib/run-prove.sh tests/lint/valgrind.pl

# Where the counters of lines are.
COUNTED := build/$(if $(SAN),san,cov)/obj
cover: ## how much of src/ the tests reach: 90 % of the rooms above sandbox in src/layers, and fuzzing 95 % of what reads requests (SAN=1: with sanitizers)
	$(Q)tests/lib/deps.sh cover
	$(Q)$(BUILD) fuzzers FUZZ=cover SAN=
	$(Q)tests/lib/cover.pl fuzz
	$(Q)$(BUILD) all unit COV=1
	$(Q)OBJ=$(COUNTED) tests/lib/cover.pl prepare
	$(Q)$(MAKE) --no-print-directory check COV=1
	$(Q)OBJ=$(COUNTED) tests/lib/cover.pl check

FUZZ_SECONDS ?= 60
fuzz: ## look for what breaks the parsers and the pipeline (FUZZ_SECONDS=60 for each target)
	$(Q)tests/lib/deps.sh fuzz
	$(Q)$(MAKE) --no-print-directory fuzzers FUZZ=1
	$(Q)nice tests/fuzz/fuzz.pl $(FUZZ_SECONDS) $(patsubst $(OUT)/%,build/fuzz/%,$(FUZZERS))

fuzzers: $(FUZZERS)

CASES ?= 100000
FIRST ?= 1
mutate: ## 100 000 databases with changes at random, in rows, schema and bytes: none loses an event (an hour; CASES=1000 for fewer, SAN=1)
	$(Q)$(BUILD) $(OUT)/target/database
	$(Q)ASAN_OPTIONS=abort_on_error=1 UBSAN_OPTIONS=abort_on_error=1 $(OUT)/target/database --cases $(CASES) $(FIRST)

soak: deps ## 20 000 events for six workers, of which one is killed each second (5 minutes, and once 4 more)
	$(Q)$(MAKE) --no-print-directory all $(ENTER)
	$(Q)KILL_EVENTS=20000 BIN=$(BIN) V=1 tests/lib/run-prove.sh tests/consumers/kill.t

soak-receiver: deps ## 100 000 events while the receiver is killed every 200 ms (1 minute)
	$(Q)$(MAKE) --no-print-directory all $(ENTER)
	$(Q)LOAD_EVENTS=100000 BIN=$(BIN) V=1 tests/lib/run-prove.sh tests/crash/load.t

soak-crash: deps ## a crash at each single step and a power cut at each flush, in each form (10 minutes)
	$(Q)$(MAKE) --no-print-directory all $(ENTER)
	$(Q)CRASH=all BIN=$(BIN) tests/lib/run-prove.sh tests/crash/steps.t tests/crash/power.t tests/crash/spool.t

## Measure
# A peer of the benchmark; where npm has no registry it is left out.
build/bench/node_modules/better-sqlite3:
	-$(Q)mkdir -p build/bench && cd build/bench && timeout 600 npm install --prefix . --no-audit --no-fund --fetch-retries=1 \
	  --build-from-source --nodedir=/usr better-sqlite3@12.11.1 >npm.log 2>&1 || rm -rf node_modules

bench: ## measure it beside its peers, and write BENCHMARKS.md (20 minutes; BENCH_OPTIONS='--rounds 1' for less)
	$(Q)tests/lib/deps.sh bench
	$(Q)$(MAKE) --no-print-directory all $(BENCH) $(ENTER) build/bench/node_modules/better-sqlite3
	$(Q)tests/bench/bench.pl --out BENCHMARKS.md $(BENCH_OPTIONS)
