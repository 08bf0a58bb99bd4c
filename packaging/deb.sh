#!/bin/sh
# SPDX-License-Identifier: MIT
# Build the Debian package from the source release: build/complycube-inbox_VERSION_ARCH.deb, and look at it with
# lintian. "deb.sh next" makes one of the version after this, for the tests of an upgrade.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' src/base/version.h)
tarball=$(packaging/dist.sh)
root=build/deb
rm -rf "$root" && mkdir -p "$root" && tar -xzf "$tarball" -C "$root"
if [ "${1-}" = next ]; then
    next=$version+1
    mv "$root/complycube-inbox-$version" "$root/complycube-inbox-$next"
    sed -i "s/\"$version\"/\"$next\"/" "$root/complycube-inbox-$next/src/base/version.h"
    sed -i "1s/ $version / $next /" "$root/complycube-inbox-$next/NEWS"
    version=$next
fi
cd "$root/complycube-inbox-$version"
cp -R packaging/debian debian

# The changelog: NEWS, in Debian's form, by the maintainer of the control file, at the day that NEWS names.
date=$(sed -n '1s/.*  //p' NEWS)
{
    printf 'complycube-inbox (%s) unstable; urgency=medium\n\n' "$version"
    printf '  * Version %s: see changelog.gz.\n\n' "$version"
    printf ' -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' debian/control)" "$(date -u -R -d "$date")"
} >debian/changelog
# Its unit tests run where they are asked for: make check has them too.
DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck} dpkg-buildpackage -us -uc -b >../build.log 2>&1 || {
    tail -40 ../build.log >&2
    echo "deb: the build failed; all of it is in $root/build.log" >&2
    exit 1
}
cd ../../..
arch=$(dpkg --print-architecture)
# It takes bytes of the program's code for misspelt words, "(wTH" for one.
lintian --allow-root --no-user-dirs --display-info --pedantic --tag-display-limit 0 --suppress-tags spelling-error-in-binary \
    --fail-on error,warning,info "$root/complycube-inbox_${version}_$arch.deb"
mv "$root/complycube-inbox_${version}_$arch.deb" build/
echo "build/complycube-inbox_${version}_$arch.deb"
