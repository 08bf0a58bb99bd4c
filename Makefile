# SPDX-License-Identifier: MIT
# complycube-inbox: GNU make; everything is built under build/<flavour>. `make help` lists the targets.

PREFIX     ?= /usr/local
SYSCONFDIR ?= $(PREFIX)/etc
DESTDIR    ?=
JOBS       ?= $(shell nproc)
# what the folders in /run, /var/lib and /var/backups are called; where systemd looks for units
INSTANCE   ?= complycube
UNITDIR    ?= $(PREFIX)/lib/systemd/system
CC         ?= gcc
V          ?= 0
Q          := $(if $(filter 0,$(V)),@)

# SAN=1: address and undefined-behaviour sanitizers; COV=1: coverage; FUZZ=1: for libFuzzer, FUZZ=cover: its coverage;
# STATIC=1: static, by musl; PORT=s390x-linux-gnu: static, for another processor. packaging/static/ makes their libraries.
FLAVOUR := $(or $(if $(SAN),san),$(if $(COV),cov),$(if $(filter cover,$(FUZZ)),fuzz-cover),$(if $(FUZZ),fuzz),\
  $(if $(STATIC),static),$(if $(PORT),port/$(PORT)),release)
OUT     := $(if $(filter release,$(FLAVOUR)),build,build/$(FLAVOUR))
BIN     := $(OUT)/bin
OBJ     := $(OUT)/obj

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARD := -O2 -g -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
LINK := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef SAN
HARD := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DERR_STRICT
LINK := -fsanitize=address,undefined $(if $(findstring clang,$(CC)),,-static-libasan -static-libubsan)
endif
ifdef COV
HARD := $(if $(SAN),$(HARD),-O0 -g) --coverage -DERR_STRICT -DSANDBOX_COVERAGE='"$(subst ','\'',$(abspath $(OBJ)))"'
LINK := $(if $(SAN),$(LINK)) --coverage
endif
ifdef FUZZ
CC   := clang
HARD := -DERR_STRICT $(if $(filter cover,$(FUZZ)),-O1 -g -fprofile-instr-generate -fcoverage-mapping,\
  -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
LINK := $(HARD)
endif
LINK_END :=
ifneq ($(STATIC)$(PORT),)
include packaging/static/flavour.mk
endif

# Files and times of 64 bits on 32-bit machines too.
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DSYSCONFDIR='"$(SYSCONFDIR)"' -I$(OBJ) -Isrc $(WARN) $(HARD) $(CFLAGS)
# Of libcrypto only SHA-256 is used: linked in where it can be, since loading all of it is half the life of a CGI.
CRYPTO := $(or $(if $(STATIC)$(PORT),-lcrypto),$(wildcard $(shell $(CC) -print-file-name=libcrypto.a)),-lcrypto)
LIBS_WEBHOOK := -lfcgi $(CRYPTO) -lsqlite3 -lconfuse
LIBS_INBOX   := -lcurl -lcjson $(LIBS_WEBHOOK)

# The receiver is linked without the rooms of the operator's tool.
TOOL_ROOMS := tool work doctor
objects = $(patsubst src/%.c,$(OBJ)/%.o,$(wildcard src/*/*.c src/*/*/*.c))
TOOL_OBJS := $(filter $(addprefix $(OBJ)/,$(addsuffix /%,$(TOOL_ROOMS))),$(objects))
OBJS  := $(filter-out $(TOOL_OBJS),$(objects))
MAINS := $(OBJ)/complycube-webhook.o $(OBJ)/complycube-inbox.o
LIB   := $(OBJ)/libcomplycube.a
TOOL_LIB := $(OBJ)/libtool.a
UNITS := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(wildcard tests/unit/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/target/%,$(filter-out %/replay.c $(if $(STATIC)$(PORT),%/signature.c),$(wildcard tests/fuzz/*.c)))
# Those that wait the longest come first, so that the others run beside them.
LONG  := $(addprefix tests/,e2e/raw-fastcgi.t e2e/killed.t consumers/kill.t consumers/once.t consumers/library.t e2e/commands-under-load.t e2e/cgi.t \
  upgrade/under-load.t upgrade/one-user.t upgrade/own-server.t store/erase.t e2e/doctor-url.t store/backup.t crash/steps.t crash/power.t crash/faults.t bench/smoke.t)
# What says nothing of a flavour: text, the README's own build and the libraries in PHP and Perl are the same under
# sanitizers, and benchmarks mean nothing; coverage by itself needs nobody who is killed, nor a second opinion.
LEFT_OUT := $(if $(SAN)$(COV),$(addprefix tests/,lint/% bench/% readme.t) $(addprefix tests/consumers/,contract.t handlers.t library.t once.t \
  poll.t syntax.t)) $(if $(SAN),,$(if $(COV),$(addprefix tests/crash/,steps.t power.t load.t sandbox.t full.t) tests/oracle/%))
TESTS  = $(filter-out $(LEFT_OUT),$(LONG) $(filter-out $(LONG),$(sort $(wildcard tests/*/*.t tests/*.t))) $(UNITS) $(FUZZERS))
ATTACKER := $(OUT)/attacker
ENTER := build/enter build/dumpable.so
BENCH := build/bench/noop build/bench/spawn
MAN   := $(wildcard src/man/*.[158])
VERSION := $(shell sed -n 's/^.define VERSION "\(.*\)"/\1/p' src/base/version.h)
UNITS_IN := $(wildcard packaging/systemd/*.in)
LIBDIR   := $(PREFIX)/lib/complycube-inbox
# Templates of packaging/ know the places of this installation.
PLACES := sed -e 's|@BINDIR@|$(PREFIX)/bin|g; s|@LIBDIR@|$(LIBDIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' \
  -e 's|@CONFIG@|$(SYSCONFDIR)/complycube-webhook.conf|g; s|@NAME@|$(INSTANCE)|g'
COMPLETE_BASH := share/bash-completion/completions/complycube-inbox
COMPLETE_ZSH  := share/zsh/site-functions/_complycube-inbox

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all static check-static hosting-kit check-kit check-ports deps build-deps demo run check bench soak soak-receiver soak-crash san unit fuzz fuzzers cover \
  analyze valgrind install uninstall deb check-deb check-debian dist distcheck print clean help force

CGI := $(if $(filter release,$(FLAVOUR)),cgi-bin/complycube-webhook.fcgi cgi-bin/complycube-webhook.cgi)

all: $(BIN)/complycube-webhook $(BIN)/complycube-inbox $(CGI) ## build the programs, and put the receiver into cgi-bin/

$(BIN)/complycube-webhook: $(OBJ)/complycube-webhook.o $(LIB)
$(BIN)/complycube-inbox: $(OBJ)/complycube-inbox.o $(TOOL_LIB) $(LIB)
# Linked anew with libraries that were made anew.
$(BIN)/complycube-webhook $(BIN)/complycube-inbox $(UNITS) $(FUZZERS): $(if $(STATIC)$(PORT),$(OUT)/lib/.made)
$(BIN)/complycube-webhook: LIBS := $(LIBS_WEBHOOK)
$(BIN)/complycube-inbox: LIBS := $(LIBS_INBOX)
$(BIN)/%:
	@mkdir -p $(@D)
	@$(if $(filter 0,$(V)),echo "  LINK $@")
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS) $(LINK_END)

$(LIB): $(OBJS)
$(TOOL_LIB): $(TOOL_OBJS)
$(LIB) $(TOOL_LIB):
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Objects are made anew when the compiler or a flag changes: PREFIX, say.
$(OBJ)/flags: force
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(CFLAGS_ALL))' | cmp -s - $@ || echo '$(subst ','\'',$(CC) $(CFLAGS_ALL))' > $@

$(OBJ)/%.o: src/%.c $(OBJ)/flags
	@mkdir -p $(@D)
	@$(if $(filter 0,$(V)),echo "  CC   $<")
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OBJ)/store/sqlite/sqlite.o: $(OBJ)/schema.inc
$(OBJ)/schema.inc: src/store/sqlite/schema.sql
	@mkdir -p $(@D)
	$(Q)od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g; $$s/,$$//' > $@

# The receiver under both names: .fcgi for FastCGI, .cgi for plain CGI; it decides by how it is started.
cgi-bin/complycube-webhook.%: $(BIN)/complycube-webhook
	$(Q)cp $< $@.new && mv $@.new $@

$(OUT)/unit/%: tests/unit/%.c $(TOOL_LIB) $(LIB) tests/unit/unit.h
	@mkdir -p $(@D)
	@$(if $(filter 0,$(V)),echo "  TEST $<")
	$(Q)$(CC) $(CFLAGS_ALL) $(LINK) -Itests/unit -o $@ $< $(TOOL_LIB) $(LIB) $(LIBS_INBOX) -lcmocka $(LINK_END)

# It asks OpenSSL's own HMAC, for which all of a static libcrypto would be linked, and what that needs in turn.
$(OUT)/target/signature: LIBS_INBOX := $(LIBS_INBOX:$(CRYPTO)=-lcrypto)
# With FUZZ=1 it is libFuzzer that calls a target, else replay.c.
$(OUT)/target/%: tests/fuzz/%.c tests/fuzz/replay.c $(TOOL_LIB) $(LIB) tests/fuzz/fuzz.h tests/fuzz/folder.h
	@mkdir -p $(@D)
	@$(if $(filter 0,$(V)),echo "  FUZZ $<")
	$(Q)$(CC) $(CFLAGS_ALL) $(LINK) $(if $(filter 1,$(FUZZ)),-fsanitize=fuzzer,tests/fuzz/replay.c) -o $@ $< $(TOOL_LIB) $(LIB) $(LIBS_INBOX) $(LINK_END)

deps: ## install what building, the demo and the tests need (Debian packages)
	$(Q)tests/lib/deps.sh check

build-deps: ## install what building alone needs (Debian packages)
	$(Q)tests/lib/deps.sh build

static: ## receiver and tool that need no library and no libc of the host, in build/static/bin/
	$(Q)tests/lib/deps.sh static
	$(Q)$(MAKE) --no-print-directory all STATIC=1
	@for program in build/static/bin/*; do stat -c '  %n: %s bytes' $$program; done

hosting-kit: ## one zip for a shared host without a shell, and a guide in it: build/complycube-inbox-VERSION-hosting-kit.zip
	$(Q)tests/lib/deps.sh kit
	$(Q)$(MAKE) --no-print-directory static
	$(Q)packaging/kit.sh

demo: ## see it work: a real lighttpd, signed example events, PHP and Perl reading them
	$(Q)tests/lib/deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh demo

run: ## the demo's server in the foreground, with a curl line to paste
	$(Q)tests/lib/deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh run

$(ATTACKER): tests/crash/attacker.c $(LIB)
	@mkdir -p $(@D)
	@$(if $(filter 0,$(V)),echo "  TEST $<")
	$(Q)$(CC) $(CFLAGS_ALL) $(LINK) -o $@ $< $(LIB) $(LIBS_INBOX)

unit: $(UNITS) $(FUZZERS) $(ATTACKER) $(BENCH) $(ENTER) ## build the unit tests, and the fuzz targets as programs that replay their seeds

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

# A peer of the benchmark; where npm has no registry it is left out.
build/bench/node_modules/better-sqlite3:
	-$(Q)mkdir -p build/bench && cd build/bench && timeout 600 npm install --prefix . --no-audit --no-fund --fetch-retries=1 \
	  --build-from-source --nodedir=/usr better-sqlite3@12.11.1 >npm.log 2>&1 || rm -rf node_modules

bench: ## measure it beside its peers, and write BENCHMARKS.md (20 minutes; BENCH_OPTIONS='--rounds 1' for less)
	$(Q)tests/lib/deps.sh bench
	$(Q)$(MAKE) --no-print-directory all $(BENCH) $(ENTER) build/bench/node_modules/better-sqlite3
	$(Q)tests/bench/bench.pl --out BENCHMARKS.md $(BENCH_OPTIONS)

# What a target that runs for long builds first, by all processors unless make was told how many.
BUILD = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

check: deps ## run every test
	$(Q)$(BUILD) all unit
	$(Q)BIN=$(BIN) OBJ=$(OBJ) tests/lib/run-prove.sh $(TESTS)

# What starts the receiver, and the static build's own test.
RECEIVES = $(sort $(filter-out %/static.t,$(wildcard tests/e2e/*.t)) $(shell grep -lE 'complycube-webhook|Deploy|->cgi' tests/store/*.t tests/crash/*.t))
check-static: deps ## the end-to-end tests, and all others that start the receiver, with the static build
	$(Q)tests/lib/deps.sh check-kit
	$(Q)$(BUILD) hosting-kit
	$(Q)$(BUILD) all $(BENCH) $(ENTER)
	$(Q)BIN=build/static/bin OBJ=build/static/obj tests/lib/run-prove.sh $(filter $(RECEIVES),$(LONG)) tests/e2e/static.t tests/kit $(filter-out $(LONG),$(RECEIVES))

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

soak: deps ## 20 000 events for six workers, of which one is killed each second (5 minutes, and once 4 more)
	$(Q)$(MAKE) --no-print-directory all $(ENTER)
	$(Q)KILL_EVENTS=20000 BIN=$(BIN) V=1 tests/lib/run-prove.sh tests/consumers/kill.t

soak-receiver: deps ## 100 000 events while the receiver is killed every 200 ms (1 minute)
	$(Q)$(MAKE) --no-print-directory all $(ENTER)
	$(Q)LOAD_EVENTS=100000 BIN=$(BIN) V=1 tests/lib/run-prove.sh tests/crash/load.t

soak-crash: deps ## a crash at each single step and a power cut at each flush, in each form (10 minutes)
	$(Q)$(MAKE) --no-print-directory all $(ENTER)
	$(Q)CRASH=all BIN=$(BIN) tests/lib/run-prove.sh tests/crash/steps.t tests/crash/power.t tests/crash/spool.t

FUZZ_SECONDS ?= 60
fuzz: ## look for what breaks the parsers and the pipeline (FUZZ_SECONDS=60 for each target)
	$(Q)tests/lib/deps.sh fuzz
	$(Q)$(MAKE) --no-print-directory fuzzers FUZZ=1
	$(Q)nice tests/fuzz/fuzz.pl $(FUZZ_SECONDS) $(patsubst $(OUT)/%,build/fuzz/%,$(FUZZERS))

fuzzers: $(FUZZERS)

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

san: ## run every test of a program with sanitizers
	$(Q)$(MAKE) --no-print-directory check SAN=1

# What install writes below; DESTDIR may have a blank.
INTO  = $(DESTDIR)$(PREFIX)
SHARE = $(INTO)/share/complycube-inbox
install: all ## install under PREFIX (and DESTDIR)
	install -d "$(INTO)/bin" "$(SHARE)/cgi-bin" "$(DESTDIR)$(SYSCONFDIR)"
	install -m 755 $(BIN)/complycube-inbox $(BIN)/complycube-webhook "$(INTO)/bin/"
	cp -R apache lighttpd consumers "$(SHARE)/"
	install -m 644 cgi-bin/complycube-webhook.conf.sample cgi-bin/.htaccess "$(SHARE)/cgi-bin/"
	install -D -m 644 src/man/complycube-inbox.bash "$(INTO)/$(COMPLETE_BASH)"
	install -D -m 644 src/man/complycube-inbox.zsh "$(INTO)/$(COMPLETE_ZSH)"
	set -e; for page in $(MAN); do to="$(INTO)/share/man/man$${page##*.}/$${page##*/}"; \
	  install -D -m 644 $$page "$$to"; sed -i 's/^\.Os$$/.Os complycube-inbox $(VERSION)/' "$$to"; done
	install -d "$(DESTDIR)$(LIBDIR)" "$(DESTDIR)$(UNITDIR)" "$(SHARE)/sysv"
	$(PLACES) packaging/job.in >"$(DESTDIR)$(LIBDIR)/job" && chmod 755 "$(DESTDIR)$(LIBDIR)/job"
	set -e; for unit in $(UNITS_IN); do to=$${unit##*/}; to="$(DESTDIR)$(UNITDIR)/$${to%.in}"; \
	  $(PLACES) $$unit >"$$to"; chmod 644 "$$to"; done
	$(PLACES) packaging/sysv/complycube-webhook.in >"$(SHARE)/sysv/complycube-webhook"
	chmod 755 "$(SHARE)/sysv/complycube-webhook"

uninstall: ## remove what install put there; your configuration in SYSCONFDIR stays
	rm -f "$(INTO)/bin/complycube-inbox" "$(INTO)/bin/complycube-webhook"
	rm -rf "$(SHARE)" "$(DESTDIR)$(LIBDIR)"
	set -e; for unit in $(UNITS_IN); do to=$${unit##*/}; rm -f "$(DESTDIR)$(UNITDIR)/$${to%.in}"; done
	rm -f "$(INTO)/$(COMPLETE_BASH)" "$(INTO)/$(COMPLETE_ZSH)"
	for page in $(MAN); do rm -f "$(INTO)/share/man/man$${page##*.}/$${page##*/}"; done

print: # FILE, a template of packaging/, as this installation would have it
	@$(PLACES) $(FILE)

deb: ## the Debian package: build/complycube-inbox_VERSION_ARCH.deb
	$(Q)tests/lib/deps.sh deb
	$(Q)packaging/deb.sh

check-deb: ## install, upgrade under load and purge the package, under systemd and without, in chroots (5 minutes, and once 4 more)
	$(Q)tests/lib/deps.sh check-deb
	$(Q)packaging/deb.sh && packaging/deb.sh next
	$(Q)$(BUILD) $(ENTER)
	$(Q)tests/lib/run-prove.sh tests/package/package.pl

RELEASES ?= bookworm trixie
check-debian: ## the demo, all tests, the package and the hosting kit in a minimal Debian 12, and 13 (45 minutes; root)
	$(Q)tests/lib/deps.sh check-debian
	$(Q)tests/package/debian.sh $(RELEASES)

dist: ## the source release: build/complycube-inbox-VERSION.tar.gz
	$(Q)packaging/dist.sh

distcheck: dist ## unpack it elsewhere, build, test, install and uninstall it (DISTCHECK=all: every test)
	$(Q)packaging/distcheck.sh

clean: ## remove what was built
	rm -rf build cgi-bin/complycube-webhook.fcgi cgi-bin/complycube-webhook.cgi

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' $(MAKEFILE_LIST) | while read -r name text; do printf '  make %-14s%s\n' "$$name" "$$text"; done

-include $(patsubst %.o,%.d,$(objects) $(MAINS))
