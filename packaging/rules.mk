# SPDX-License-Identifier: MIT
# Included by the Makefile: what is handed to others, and the templates that `make install` fills in.

UNITS_IN := $(wildcard packaging/systemd/*.in)
# Templates of packaging/ know the places of this installation.
PLACES := sed -e 's|@BINDIR@|$(PREFIX)/bin|g; s|@LIBDIR@|$(LIBDIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' \
  -e 's|@CONFIG@|$(SYSCONFDIR)/complycube-webhook.conf|g; s|@NAME@|$(INSTANCE)|g'

.PHONY: static hosting-kit deb dist distcheck print

## Release
dist: ## the source release: build/complycube-inbox-VERSION.tar.gz
	$(Q)packaging/dist.sh

distcheck: dist ## unpack it elsewhere, build, test, install and uninstall it (DISTCHECK=all: every test)
	$(Q)packaging/distcheck.sh

deb: ## the Debian package: build/complycube-inbox_VERSION_ARCH.deb
	$(Q)tests/lib/deps.sh deb
	$(Q)packaging/deb.sh

static: ## receiver and tool that need no library and no libc of the host, in build/static/bin/
	$(Q)tests/lib/deps.sh static
	$(Q)$(BUILD) all STATIC=1
	@for program in build/static/bin/*; do stat -c '  %n: %s bytes' $$program; done

hosting-kit: ## one zip for a shared host without a shell, and a guide in it: build/complycube-inbox-VERSION-hosting-kit.zip
	$(Q)tests/lib/deps.sh kit
	$(Q)$(MAKE) --no-print-directory static
	$(Q)packaging/kit.sh

print: # FILE, a template of packaging/, as this installation would have it
	@$(PLACES) $(FILE)
