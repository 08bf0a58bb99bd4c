# SPDX-License-Identifier: MIT
# complycube-inbox: GNU make; everything is built under build/<flavour>. `make help` lists the targets. Those of the tests
# are in tests/rules.mk, those of releases and packages in packaging/rules.mk.

PREFIX     ?= /usr/local
SYSCONFDIR ?= $(PREFIX)/etc
DESTDIR    ?=
# what the folders in /run, /var/lib and /var/backups are called; where systemd looks for units
INSTANCE   ?= complycube
UNITDIR    ?= $(PREFIX)/lib/systemd/system
LIBDIR     := $(PREFIX)/lib/complycube-inbox
CC         ?= gcc
V          ?= 0
Q          := $(if $(filter 0,$(V)),@)
say         = @$(if $(filter 0,$(V)),echo "  $(1)")

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
# SQLite and libc first: the loader looks for nearly all names there, and for each in the order of this line.
CRYPTO := $(or $(if $(STATIC)$(PORT),-lcrypto),$(wildcard $(shell $(CC) -print-file-name=libcrypto.a)),-lcrypto)
LIBS_WEBHOOK := -lsqlite3 -lc -lfcgi $(CRYPTO) -lconfuse
LIBS_INBOX   := -lcurl $(if $(STATIC)$(PORT),-lssl) -lcjson $(LIBS_WEBHOOK)

# The receiver is linked without the rooms of the operator's tool.
TOOL_ROOMS := http api tool work doctor
objects = $(patsubst src/%.c,$(OBJ)/%.o,$(wildcard src/*/*.c src/*/*/*.c))
TOOL_OBJS := $(filter $(addprefix $(OBJ)/,$(addsuffix /%,$(TOOL_ROOMS))),$(objects))
OBJS  := $(filter-out $(TOOL_OBJS),$(objects))
MAINS := $(OBJ)/complycube-webhook.o $(OBJ)/complycube-inbox.o $(OBJ)/complycube-page.o
LIB   := $(OBJ)/libcomplycube.a
TOOL_LIB := $(OBJ)/libtool.a

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all build-deps install install-page uninstall clean help force

CGI := $(if $(filter release,$(FLAVOUR)),cgi-bin/complycube-webhook.fcgi cgi-bin/complycube-webhook.cgi)

## Build and install
all: $(BIN)/complycube-webhook $(BIN)/complycube-inbox $(BIN)/complycube-page $(CGI) ## build the programs, and put the receiver into cgi-bin/

$(BIN)/complycube-webhook: $(OBJ)/complycube-webhook.o $(LIB)
$(BIN)/complycube-inbox: $(OBJ)/complycube-inbox.o $(TOOL_LIB) $(LIB)
$(BIN)/complycube-page: $(OBJ)/complycube-page.o $(LIB)
# Linked anew with libraries that were made anew.
$(BIN)/complycube-webhook $(BIN)/complycube-inbox $(BIN)/complycube-page: $(if $(STATIC)$(PORT),$(OUT)/lib/.made)
$(BIN)/complycube-webhook $(BIN)/complycube-page: LIBS := $(LIBS_WEBHOOK)
$(BIN)/complycube-inbox: LIBS := $(LIBS_INBOX)
$(BIN)/%:
	@mkdir -p $(@D)
	$(call say,LINK $@)
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
	$(call say,CC   $<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OBJ)/store/sqlite/sqlite.o: $(OBJ)/schema.inc
$(OBJ)/store/sqlite/altered.o: $(OBJ)/former.inc
# The page's style sheet without its comment, and the policy that lets this one alone be used.
$(OBJ)/page/page_frame.o: $(OBJ)/style.inc
$(OBJ)/page/page.o: $(OBJ)/policy.inc
$(OBJ)/style.css: src/page/style.css
	@mkdir -p $(@D)
	$(Q)sed '/^\/\*/d' $< >$@
$(OBJ)/style.inc: $(OBJ)/style.css
	$(Q)od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g; $$s/,$$//' >$@
$(OBJ)/policy.inc: $(OBJ)/style.css
	$(Q)printf "\"default-src 'none'; style-src 'sha256-%s'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\"\n" \
	  "$$(env printf "$$(sha256sum <$< | sed 's/ .*//; s/../\\x&/g')" | base64)" >$@
$(OBJ)/%.inc: src/store/sqlite/%.sql
	@mkdir -p $(@D)
	$(Q)od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g; $$s/,$$//' > $@

# The receiver under both names: .fcgi for FastCGI, .cgi for plain CGI; it decides by how it is started.
cgi-bin/complycube-webhook.%: $(BIN)/complycube-webhook
	$(Q)cp $< $@.new && mv $@.new $@

PAGE_MAN := src/man/complycube-page.8
MAN   := $(filter-out $(PAGE_MAN),$(wildcard src/man/*.[158]))
VERSION := $(shell sed -n 's/^.define VERSION "\(.*\)"/\1/p' src/base/version.h)
COMPLETE_BASH := share/bash-completion/completions/complycube-inbox
COMPLETE_ZSH  := share/zsh/site-functions/_complycube-inbox
# What install writes below; DESTDIR may have a blank.
INTO  = $(DESTDIR)$(PREFIX)
SHARE = $(INTO)/share/complycube-inbox
DOC   = $(INTO)/share/doc/complycube-inbox
install: all ## install under PREFIX (and DESTDIR)
	install -d "$(INTO)/bin" "$(SHARE)/cgi-bin" "$(DESTDIR)$(SYSCONFDIR)"
	install -m 755 $(BIN)/complycube-inbox $(BIN)/complycube-webhook "$(INTO)/bin/"
	cp -R apache lighttpd nginx consumers "$(SHARE)/"
	install -m 644 cgi-bin/complycube-webhook.conf.sample cgi-bin/.htaccess "$(SHARE)/cgi-bin/"
	install -D -m 644 src/man/complycube-inbox.bash "$(INTO)/$(COMPLETE_BASH)"
	install -D -m 644 src/man/complycube-inbox.zsh "$(INTO)/$(COMPLETE_ZSH)"
	install -d "$(DOC)/docs" "$(DOC)/examples"
	install -m 644 packaging/prometheus/rules.yml packaging/grafana/complycube-inbox.json "$(DOC)/examples/"
	install -m 644 README.md INSTALL.md SECURITY.md "$(DOC)/"
	install -m 644 docs/*.md "$(DOC)/docs/"
	set -e; for page in $(MAN); do to="$(INTO)/share/man/man$${page##*.}/$${page##*/}"; \
	  install -D -m 644 $$page "$$to"; sed -i 's/^\.Os$$/.Os complycube-inbox $(VERSION)/' "$$to"; done
	install -d "$(DESTDIR)$(LIBDIR)" "$(DESTDIR)$(UNITDIR)" "$(SHARE)/sysv"
	$(PLACES) packaging/job.in >"$(DESTDIR)$(LIBDIR)/job" && chmod 755 "$(DESTDIR)$(LIBDIR)/job"
	set -e; for unit in $(UNITS_IN); do to=$${unit##*/}; to="$(DESTDIR)$(UNITDIR)/$${to%.in}"; \
	  $(PLACES) $$unit >"$$to"; chmod 644 "$$to"; done
	$(PLACES) packaging/sysv/complycube-webhook.in >"$(SHARE)/sysv/complycube-webhook"
	chmod 755 "$(SHARE)/sysv/complycube-webhook"

# By itself, so that nobody has the page without meaning it. It is closed until the configuration names who may look.
install-page: $(BIN)/complycube-page ## install the page too: complycube-page and its manual
	install -D -m 755 $(BIN)/complycube-page "$(INTO)/bin/complycube-page"
	install -D -m 644 $(PAGE_MAN) "$(INTO)/share/man/man8/complycube-page.8"
	sed -i 's/^\.Os$$/.Os complycube-inbox $(VERSION)/' "$(INTO)/share/man/man8/complycube-page.8"

uninstall: ## remove what install and install-page put there; your configuration in SYSCONFDIR stays
	rm -f "$(INTO)/bin/complycube-inbox" "$(INTO)/bin/complycube-webhook" "$(INTO)/bin/complycube-page"
	rm -rf "$(SHARE)" "$(DOC)" "$(DESTDIR)$(LIBDIR)"
	set -e; for unit in $(UNITS_IN); do to=$${unit##*/}; rm -f "$(DESTDIR)$(UNITDIR)/$${to%.in}"; done
	rm -f "$(INTO)/$(COMPLETE_BASH)" "$(INTO)/$(COMPLETE_ZSH)"
	for page in $(MAN) $(PAGE_MAN); do rm -f "$(INTO)/share/man/man$${page##*.}/$${page##*/}"; done

build-deps: ## install what building alone needs (Debian packages)
	$(Q)tests/lib/deps.sh build

clean: ## remove what was built
	rm -rf build cgi-bin/complycube-webhook.fcgi cgi-bin/complycube-webhook.cgi compile_commands.json tags

help: ## this list
	@awk -F ':.*## ' '/^## / { print "\n" substr($$0, 4) } /^[a-z][a-z_.-]*:.*## / { printf "  make %-22s%s\n", $$1, $$2 }' \
	  $(filter-out %.d,$(MAKEFILE_LIST))

include tests/rules.mk packaging/rules.mk
-include $(patsubst %.o,%.d,$(objects) $(MAINS))
