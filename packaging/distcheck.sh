#!/bin/sh
# SPDX-License-Identifier: MIT
# The release, unpacked elsewhere: it builds, its tests pass (the unit and lint ones; DISTCHECK=all: every one), it
# installs below DESTDIR and runs from there, it uninstalls and leaves the configuration alone, and makes itself again.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' src/base/version.h)
tarball=$PWD/build/complycube-inbox-$version.tar.gz
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR PREFIX SYSCONFDIR INSTANCE BIN OBJ

say() { echo "distcheck: $*"; }
tar -xzf "$tarball" -C "$folder"
cd "$folder/complycube-inbox-$version"
places() { make -s PREFIX=/opt/complycube DESTDIR="$folder/root" "$@"; }

say "build"
make -s -j"$(nproc)" all unit compile_commands.json >/dev/null
say "check${DISTCHECK:+ ($DISTCHECK)}"
if [ "${DISTCHECK-}" = all ]; then make -s check; else make -s check-unit DEPS=no; fi
say "dist again"
packaging/dist.sh >/dev/null
cmp "build/complycube-inbox-$version.tar.gz" "$tarball"

say "install"
places -j"$(nproc)" install >/dev/null
"$folder/root/opt/complycube/bin/complycube-inbox" --version | grep -qx "complycube-inbox $version"
"$folder/root/opt/complycube/bin/complycube-webhook" --version | grep -qx "complycube-webhook $version"
echo '# mine' >"$folder/root/opt/complycube/etc/complycube-webhook.conf"
grep -rlE '@[A-Z]+@' "$folder/root" && { say "a template was not filled in"; exit 1; }
say "uninstall"
places uninstall >/dev/null
left=$(cd "$folder/root" && find . ! -type d)
[ "$left" = ./opt/complycube/etc/complycube-webhook.conf ] || { say "left: $left"; exit 1; }
say "clean"
make -s clean
tar -tzf "$tarball" | grep -v '/$' | LC_ALL=C sort >"$folder/was"
(cd .. && find "complycube-inbox-$version" ! -type d | LC_ALL=C sort) | diff "$folder/was" -
say "complycube-inbox $version is sound"
