# SPDX-License-Identifier: MIT
# Included by the Makefile where STATIC or PORT is set: compiler, flags and libraries of a static build.
#
# Position-independent although static: a receiver that reads foreign bytes should not lie where everybody knows, and
# what relocating itself costs is 0.08 ms a start. Any kernel runs it that runs ld.so as a program: the same kind of file.

ifdef STATIC
CC       := musl-gcc
ARCH     := $(firstword $(subst -, ,$(shell gcc -dumpmachine)))
MUSL     := $(firstword $(wildcard /usr/lib/$(ARCH)-linux-musl /usr/lib/musl/lib))
START    := $(MUSL)/rcrt1.o $(MUSL)/crti.o $(shell gcc -print-file-name=crtbeginS.o)
LINK_END := $(shell gcc -print-file-name=crtendS.o) $(MUSL)/crtn.o
PIE      := -fPIE
# Debian's musl-gcc knows no -static-pie: it is said to the linker, with the start that relocates itself.
LINK     := -static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text,-s $(START)
$(BIN)/complycube-webhook: $(OBJ)/malloc.o
else
CC       := $(PORT)-gcc
ARCH     := $(firstword $(subst -, ,$(PORT)))
LINK     := -static -Wl,--no-warnings
endif

HARD := -O2 -g -fstack-protector-strong $(or $(PIE),-fno-pie) -ffunction-sections -fdata-sections -isystem $(OUT)/include
LINK += -L$(OUT)/lib -Wl,-z,relro,-z,now,-z,noexecstack,--gc-sections

$(OBJ)/malloc.o: packaging/static/malloc.c $(OBJ)/flags
	$(call say,CC   $<)
	$(Q)$(CC) $(CFLAGS_ALL) -fno-builtin-malloc -c -o $@ $<

# Before the first object: it needs their headers.
$(OBJ)/flags: $(OUT)/lib/.made
$(OUT)/lib/.made: packaging/static/libraries.mk packaging/static/sources.sh
	$(Q)$(MAKE) --no-print-directory -f packaging/static/libraries.mk OUT=$(OUT) CC=$(CC) ARCH=$(ARCH) CFLAGS_LIB_MORE=$(PIE)
	@touch $@
