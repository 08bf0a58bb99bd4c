# SPDX-License-Identifier: MIT
# The libraries of the static build, made from Debian's sources with what this program needs of them and no more:
#   make -f packaging/static/libraries.mk OUT=build/static CC=musl-gcc ARCH=x86_64
# Makes OUT/lib/lib*.a and OUT/include. ARCH is the first word of the compiler's target.

OUT     ?= build/static
CC      ?= musl-gcc
ARCH    ?= x86_64
SOURCES ?= build/static/src
V       ?= 0
Q       := $(if $(filter 0,$(V)),@)
QUIET   := $(if $(filter 0,$(V)),>>"$(CURDIR)/$(OUT)/libraries.log" 2>&1)
# From a folder of OUT up to here: the makefiles of others take no absolute path with a blank.
BLANK   := $() $()
UP      := $(subst $(BLANK),/,$(patsubst %,..,$(subst /, ,$(OUT)/library)))

# Each function a section of its own, so that what nobody calls is left out. Warnings are upstream's affair.
CFLAGS_LIB := -O2 -w -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -ffunction-sections -fdata-sections -fstack-protector-strong $(CFLAGS_LIB_MORE)

PACKAGES := libfcgi libconfuse cjson openssl sqlite3 curl cmocka
NAMES    := fcgi confuse cjson crypto ssl sqlite3 curl cmocka
LIBS     := $(NAMES:%=$(OUT)/lib/lib%.a)
KERNEL   := $(OUT)/include/.begun

# CC is ours, and not that of the makefiles called from here.
MAKEOVERRIDES :=

.DELETE_ON_ERROR:
.PHONY: all sources
all: $(LIBS)
sources: $(PACKAGES:%=$(SOURCES)/%/.unpacked)

# One at a time: they share apt's lists.
$(PACKAGES:%=$(SOURCES)/%/.unpacked) &:
	$(Q)packaging/static/sources.sh $(SOURCES) $(PACKAGES)

# musl-gcc looks in musl's folder alone, and the kernel's own headers are no part of a C library. Another compiler has
# them, of its own processor.
$(KERNEL):
	@mkdir -p $(@D)
	@: >$(OUT)/libraries.log
	@touch $@
ifneq ($(filter musl-gcc,$(CC)),)
	$(Q)for name in linux asm-generic; do ln -sfn /usr/include/$$name $(@D)/$$name; done
	$(Q)ln -sfn "$$(for at in /usr/include/$$(gcc -print-multiarch) /usr/include; do \
	  [ ! -d $$at/asm ] || { echo $$at/asm; break; }; done)" $(@D)/asm
endif

$(LIBS): packaging/static/libraries.mk | $(KERNEL)

say    = @$(if $(filter 0,$(V)),echo "  LIB  $(@F)")
object = $(CC) $(CFLAGS_LIB) -I"$(CURDIR)/$(OUT)/include"
pack   = rm -f $@ && mkdir -p $(@D) && $(AR) rcs $@

$(OUT)/lib/libfcgi.a: $(SOURCES)/libfcgi/.unpacked
	$(say)
	$(Q)mkdir -p $(OUT)/libfcgi
	$(Q)printf '#define HAVE_%s 1\n' ARPA_INET_H LIMITS_H NETDB_H NETINET_IN_H SOCKLEN STDINT_H STDLIB_H STRERROR STRINGS_H \
	  STRING_H SYS_PARAM_H SYS_SOCKET_H SYS_STAT_H SYS_TIME_H SYS_TYPES_H UNISTD_H >$(OUT)/libfcgi/fcgi_config.h
	$(Q)cd $(OUT)/libfcgi && for file in fcgiapp os_unix; do $(object) -I. -I$(UP)/$(SOURCES)/libfcgi/include \
	  -c $(UP)/$(SOURCES)/libfcgi/libfcgi/$$file.c || exit 1; done
	$(Q)cp $(SOURCES)/libfcgi/include/fcgiapp.h $(OUT)/include/
	$(Q)$(pack) $(OUT)/libfcgi/*.o

$(OUT)/lib/libconfuse.a: $(SOURCES)/libconfuse/.unpacked
	$(say)
	$(Q)mkdir -p $(OUT)/libconfuse
	$(Q)flex -Pcfg_yy -o $(OUT)/libconfuse/lexer.c $(SOURCES)/libconfuse/src/lexer.l
	$(Q)for file in $(SOURCES)/libconfuse/src/confuse.c $(OUT)/libconfuse/lexer.c; do \
	  $(object) -D_GNU_SOURCE -DPACKAGE_VERSION='"3.3"' -DPACKAGE_STRING='"libConfuse 3.3"' -DHAVE_FMEMOPEN -DHAVE_REALLOCARRAY -DHAVE_STRDUP -DHAVE_STRNDUP \
	  -DHAVE_STRCASECMP -DHAVE_STRINGS_H -DHAVE_STRING_H -DHAVE_UNISTD_H -DHAVE_SYS_STAT_H -I$(SOURCES)/libconfuse/src \
	  -c -o $(OUT)/libconfuse/$$(basename $$file .c).o $$file || exit 1; done
	$(Q)cp $(SOURCES)/libconfuse/src/confuse.h $(OUT)/include/
	$(Q)$(pack) $(OUT)/libconfuse/*.o

$(OUT)/lib/libcjson.a: $(SOURCES)/cjson/.unpacked
	$(say)
	$(Q)mkdir -p $(OUT)/cjson $(OUT)/include/cjson
	$(Q)$(object) -c -o $(OUT)/cjson/cJSON.o $(SOURCES)/cjson/cJSON.c
	$(Q)cp $(SOURCES)/cjson/cJSON.h $(OUT)/include/cjson/
	$(Q)$(pack) $(OUT)/cjson/cJSON.o

$(OUT)/lib/libcmocka.a: $(SOURCES)/cmocka/.unpacked
	$(say)
	$(Q)mkdir -p $(OUT)/cmocka
	$(Q)printf '#define %s 1\n' HAVE_CLOCK_GETTIME HAVE_CLOCK_REALTIME HAVE_CLOCK_GETTIME_REALTIME HAVE_GCC_THREAD_LOCAL_STORAGE HAVE_INTTYPES_H HAVE_MALLOC_H HAVE_SETJMP_H HAVE_SIGNAL_H \
	  HAVE_STRSIGNAL HAVE_STRUCT_TIMESPEC HAVE_TIME_H HAVE_UNISTD_H HAVE_STDINT_H >$(OUT)/cmocka/config.h
	$(Q)$(object) -D_GNU_SOURCE -DHAVE_CONFIG_H -I$(OUT)/cmocka -I$(SOURCES)/cmocka/include -c -o $(OUT)/cmocka/cmocka.o $(SOURCES)/cmocka/src/cmocka.c
	$(Q)cp $(SOURCES)/cmocka/include/cmocka.h $(OUT)/include/
	$(Q)$(pack) $(OUT)/cmocka/cmocka.o

# OpenSSL for the tool's TLS 1.2 and 1.3; of its libcrypto the receiver takes SHA-256. In assembler where the processor is known
# to have it. Nothing of the host is loaded: no openssl.cnf, whatever OPENSSL_CONF says, and no module.
OPENSSL_x86_64 := linux-x86_64
OPENSSL_i686   := linux-x86 no-asm
OPENSSL_arm    := linux-armv4 no-asm
OPENSSL_s390x  := linux64-s390x no-asm
# Left out: what no TLS of today asks for; and of newer versions, which alone know these words, what those have added to that.
OPENSSL_WITHOUT := shared threads dso engine module autoload-config legacy tests filenames ui-console async \
  ssl3 tls1 tls1_1 dtls sctp srtp srp psk comp nextprotoneg weak-ssl-ciphers ocsp ct ts cms cmp \
  aria bf blake2 camellia cast des dsa ec2m gost idea md4 mdc2 rc2 rc4 rmd160 scrypt seed siphash siv sm2 sm3 sm4 whirlpool
OPENSSL_WITHOUT_NEWER := quic http argon2 ml-dsa slh-dsa
$(OUT)/lib/libcrypto.a: $(SOURCES)/openssl/.unpacked
	$(say)
	$(Q)mkdir -p $(OUT)/openssl $(@D)
	$(Q)cd $(OUT)/openssl && CC='$(CC) $(CFLAGS_LIB) -idirafter ../include' $(UP)/$(SOURCES)/openssl/Configure \
	  $(or $(OPENSSL_$(ARCH)),linux-generic32) --prefix=/nonexistent --openssldir=/nonexistent \
	  $(OPENSSL_WITHOUT:%=no-%) \
	  $$(for part in $(OPENSSL_WITHOUT_NEWER); do ! grep -q "^ *\"$$part\",$$" $(UP)/$(SOURCES)/openssl/Configure || echo no-$$part; done) $(QUIET)
	$(Q)export SOURCE_DATE_EPOCH=$$(stat -c %Y $(SOURCES)/openssl/VERSION.dat) && \
	  $(MAKE) --no-print-directory -C $(OUT)/openssl build_generated $(QUIET) && \
	  $(MAKE) --no-print-directory -C $(OUT)/openssl libcrypto.a libssl.a $(QUIET)
	$(Q)mkdir -p $(OUT)/include/openssl
	$(Q)cp $(SOURCES)/openssl/include/openssl/*.h $(OUT)/openssl/include/openssl/*.h $(OUT)/include/openssl/
	$(Q)cp $(OUT)/openssl/libssl.a $(OUT)/openssl/libcrypto.a $(@D)/
$(OUT)/lib/libssl.a: $(OUT)/lib/libcrypto.a ;

# What behaves otherwise than Debian's: nothing. DQS, LIKE and secure_delete as there.
SQLITE := -DSQLITE_THREADSAFE=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_SECURE_DELETE -DSQLITE_LIKE_DOESNT_MATCH_BLOBS \
  -DSQLITE_USE_URI -DSQLITE_USE_ALLOCA -DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_DECLTYPE -DSQLITE_OMIT_LOAD_EXTENSION \
  -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_OMIT_JSON -DSQLITE_OMIT_GET_TABLE -DSQLITE_OMIT_TRACE \
  -DHAVE_FDATASYNC=1 -DHAVE_USLEEP=1 -DHAVE_PREAD=1 -DHAVE_PWRITE=1 -DHAVE_LOCALTIME_R=1 -DHAVE_GMTIME_R=1 -DHAVE_STRCHRNUL=1 -DHAVE_ISNAN=1
$(OUT)/lib/libsqlite3.a: $(SOURCES)/sqlite3/.unpacked
	$(say)
	$(Q)mkdir -p $(OUT)/sqlite3
	$(Q)cd $(OUT)/sqlite3 && CC=gcc $(UP)/$(SOURCES)/sqlite3/configure --disable-tcl --disable-readline --disable-shared $(QUIET)
	$(Q)$(MAKE) --no-print-directory -C $(OUT)/sqlite3 TOP=$(UP)/$(SOURCES)/sqlite3 sqlite3.c $(QUIET)
	$(Q)$(object) $(SQLITE) -c -o $(OUT)/sqlite3/static.o $(OUT)/sqlite3/sqlite3.c
	$(Q)cp $(OUT)/sqlite3/sqlite3.h $(OUT)/include/
	$(Q)$(pack) $(OUT)/sqlite3/static.o

# For the tool: HTTP over TLS, with the CA bundle that the program names.
CURL := --disable-shared --enable-static --with-openssl=.. --disable-openssl-auto-load-config --without-ca-bundle --without-ca-path \
  --without-zlib --without-brotli --without-zstd --without-libpsl --without-libidn2 \
  --without-nghttp2 --without-librtmp --without-libssh2 --disable-manual --disable-libcurl-option --disable-ldap --disable-ldaps \
  $(addprefix --disable-,ftp file dict telnet tftp pop3 imap smb smtp gopher mqtt rtsp ntlm alt-svc hsts unix-sockets tls-srp netrc)
$(OUT)/lib/libcurl.a: $(SOURCES)/curl/.unpacked $(OUT)/lib/libssl.a
	$(say)
	$(Q)mkdir -p $(OUT)/curl
	$(Q)cd $(SOURCES)/curl && touch aclocal.m4 && touch configure lib/curl_config.h.in && find . -name Makefile.in -exec touch {} +
	$(Q)cd $(OUT)/curl && CC='$(CC)' CFLAGS='$(CFLAGS_LIB)' CPPFLAGS='-I../include -I../../include' LDFLAGS=-L../lib \
	  $(UP)/$(SOURCES)/curl/configure --host=$(ARCH)-linux --build=$$(gcc -dumpmachine) $(CURL) $(QUIET)
	$(Q)$(MAKE) --no-print-directory -C $(OUT)/curl/lib $(QUIET)
	$(Q)mkdir -p $(OUT)/include/curl
	$(Q)cp $(SOURCES)/curl/include/curl/*.h $(OUT)/include/curl/
	$(Q)$(pack) $$(find $(OUT)/curl/lib -name '*.o' ! -path '*/.libs/*')
