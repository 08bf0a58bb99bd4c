#!/bin/sh
# SPDX-License-Identifier: MIT
# Format the C files by .clang-format; "format.sh check" only reports what is not formatted, and fails. Versions of
# clang-format differ in a few places, and 14, of Debian 12, is the one that counts: another formats, and checks nothing.
set -eu
cd "$(dirname "$0")/../.."
program=clang-format-14
command -v $program >/dev/null || program=clang-format
version=$($program --version)
files=$(find src tests packaging -name '*.[ch]')

case ${1-}:$version in
check:*' version 14.'*) $program --dry-run -Werror $files ;;
check:*) echo "Not checked: clang-format 14 decides, and this is $version" ;;
*' version 14.'*) $program -i $files ;;
*)
    $program -i $files
    echo "clang-format 14 decides, and this is $version: lines that you did not change may differ, leave them out of a commit"
    ;;
esac
