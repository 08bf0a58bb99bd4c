#!/bin/sh
# SPDX-License-Identifier: MIT
# The source release, build/complycube-inbox-VERSION.tar.gz: what git knows of this tree, or all of it where it is an
# unpacked release. Twice the same bytes: sorted, of nobody, dated as NEWS dates the version.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' src/base/version.h)
date=$(sed -n "1s/^complycube-inbox $version  \([0-9-]*\)\$/\1/p" NEWS)
[ -n "$date" ] || { echo "dist: NEWS does not begin with: complycube-inbox $version  YYYY-MM-DD" >&2; exit 1; }
name=complycube-inbox-$version

list() {
    if [ -e .git ]; then git ls-files; else find . -path ./build -prune -o \( -type f -o -type l \) -print; fi |
        sed 's|^\./||' | grep -vxE 'cgi-bin/complycube-webhook\.f?cgi|compile_commands\.json|tags' | LC_ALL=C sort
}
if [ -e .git ] && [ -n "$(git status --porcelain)" ]; then
    echo "dist: not all is committed; files are as they are here, without those that git does not know" >&2
fi
mkdir -p build
list | while read -r file; do [ ! -e "$file" ] || printf '%s\n' "$file"; done >build/dist.list
tar --no-recursion --files-from=build/dist.list --transform="s|^|$name/|" --format=ustar --sort=name \
    --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="$date 00:00:00Z" -cf - | gzip -n9 >"build/$name.tar.gz.new"
mv "build/$name.tar.gz.new" "build/$name.tar.gz"
rm build/dist.list
echo "build/$name.tar.gz"
