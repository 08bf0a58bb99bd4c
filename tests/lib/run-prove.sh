#!/bin/sh
# SPDX-License-Identifier: MIT
# Run test programs, Perl or not, with prove; a skip that tests/skips.txt does not list fails the run.
# JOBS=n runs n at a time, V=1 prints every line.
set -eu
cd "$(dirname "$0")/../.."
PERL5LIB="tests/lib${PERL5LIB:+:$PERL5LIB}" exec prove -Itests/lib -PSkips=tests/skips.txt ${JOBS:+-j "$JOBS"} ${V:+-v} "$@"
