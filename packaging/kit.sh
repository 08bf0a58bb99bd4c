#!/bin/sh
# SPDX-License-Identifier: MIT
# The hosting kit, build/complycube-inbox-VERSION-hosting-kit.zip: all that a shared host needs, laid out as it is
# uploaded, with a guide that needs no shell. Twice the same bytes: sorted, of nobody, dated as NEWS dates the version.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' src/base/version.h)
date=$(sed -n "1s/^complycube-inbox $version  \([0-9-]*\)\$/\1/p" NEWS)
[ -n "$date" ] || { echo "kit: NEWS does not begin with: complycube-inbox $version  YYYY-MM-DD" >&2; exit 1; }
name=complycube-inbox-$version-hosting-kit
kit=build/kit
umask 022

# put MODE FROM TO
put() { install -m "$1" "$2" "$kit/$3"; }

rm -rf $kit
mkdir -p $kit/cgi-bin
mkdir -m 700 $kit/private
put 644 LICENSE LICENSE
put 755 build/static/bin/complycube-webhook cgi-bin/complycube-webhook.cgi
put 644 cgi-bin/.htaccess cgi-bin/.htaccess
put 755 build/static/bin/complycube-inbox private/complycube-inbox
put 644 consumers/php/ComplyCubeInbox.php private/ComplyCubeInbox.php
for file in .htaccess poll.php work-sample.php; do put 644 packaging/kit/private/$file private/$file; done
put 600 packaging/kit/private/secrets private/secrets
sed "s/@VERSION@/$version/g" packaging/kit/guide.html >$kit/guide.html
sed '2s/.*/# Configuration of complycube-webhook, beside the program./' cgi-bin/complycube-webhook.conf.sample >$kit/cgi-bin/complycube-webhook.conf

for program in cgi-bin/complycube-webhook.cgi private/complycube-inbox; do
    $kit/$program --version | grep -q " $version\$" || { echo "kit: $program is not $version; make static" >&2; exit 1; }
done
find $kit -exec touch -d "$date 00:00:00Z" {} +
rm -f build/$name.zip.new
(cd $kit && find . -mindepth 1 | sed 's|^\./||' | LC_ALL=C sort | TZ=UTC zip -q -9 -X -@ ../$name.zip.new)
mv build/$name.zip.new build/$name.zip
echo "build/$name.zip"
