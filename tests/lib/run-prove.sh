#!/bin/sh
# SPDX-License-Identifier: MIT
# Run test programs, Perl or not, with prove; a skip that tests/skips.txt does not list fails the run.
# With SKIPS= (empty) any test may skip.
# JOBS=n runs n at a time (three for each processor unless told: they wait a lot), V=1 prints every line, one test at a time.
set -eu
cd "$(dirname "$0")/../.."
# Servers and users other than root work in the tests' folders: these need a path without blanks that anybody reaches.
case ${TMPDIR-} in *[!A-Za-z0-9/._-]*) unset TMPDIR ;; esac
if [ -n "${TMPDIR-}" ] && [ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$TMPDIR"; then
    unset TMPDIR
fi
PERL5LIB="tests/lib${PERL5LIB:+:$PERL5LIB}" exec prove -Itests/lib "-PSkips=${SKIPS-tests/skips.txt}" $([ -n "${V-}" ] && echo -v || echo -j "${JOBS:-$(($(nproc) * 3))}") "$@"
