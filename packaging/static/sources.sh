#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's source packages, fetched by apt and unpacked: sources.sh FOLDER PACKAGE...
#
# apt gets lists of its own below FOLDER/.apt, with the mirrors this system has; it verifies them by their signatures and
# each file by its checksum, and the system's own lists and settings stay as they are. No root is needed. What is in
# FOLDER already is kept: remove the folder, and the newest sources are fetched.
set -eu

folder=$1
shift
missing=
for package; do [ -e "$folder/$package/.unpacked" ] || missing="$missing $package"; done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || ! command -v dpkg-source >/dev/null; then
    echo "$0: apt and dpkg-source are needed, as Debian has them; elsewhere unpack into $folder and touch .unpacked there:" >&2
    for package in $missing; do echo "  $folder/$package" >&2; done
    exit 1
fi

mkdir -p "$folder/.apt/lists/partial" "$folder/.apt/cache/archives/partial" "$folder/.fetched"
folder=$(cd "$folder" && pwd)

# The places binary packages of Debian come from, as sources.
apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(REPO_URI) $(RELEASE)' |
    awk '$1 == "Packages" && $2 == "Debian" && !seen[$3 $4]++ { print "deb-src", $3, $4, "main" }' \
        >"$folder/.apt/sources.list"
[ -s "$folder/.apt/sources.list" ] || {
    echo "$0: no mirror of Debian is known here; run apt-get update first" >&2
    exit 1
}
cat >"$folder/.apt/apt.conf" <<CONF
quiet "2";
Dir::State::Lists "$folder/.apt/lists";
Dir::Cache "$folder/.apt/cache";
Dir::Etc::SourceList "$folder/.apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Sandbox::User "";
CONF
export APT_CONFIG="$folder/.apt/apt.conf"
apt-get update

# The newest version that the mirror has whole; an older one is said.
fetch() {
    newest=
    for version in $(apt-cache --only-source showsrc "$1" | sed -n 's/^Version: //p' | sort -u | sort -rV); do
        newest=${newest:-$version}
        (cd "$folder/.fetched" && apt-get --download-only source "$1=$version" >/dev/null 2>>"$folder/.fetched/log") ||
            continue
        [ "$version" = "$newest" ] || echo "  $1: the mirror lacks $newest, so it is $version"
        (cd "$folder" && rm -rf "$1" && dpkg-source --no-check -x ".fetched/${1}_${version#*:}.dsc" "$1" >>.fetched/log 2>&1)
        echo "$version" >"$folder/$1/.unpacked"
        return
    done
    bare "$1" "$newest"
}

# Upstream's part alone, where the mirror lacks Debian's changes to it.
bare() {
    uris=$(apt-get --print-uris source "$1=$2" 2>/dev/null) || uris=
    set -- "$1" "$2" $(echo "$uris" | awk '$2 ~ /\.orig\.tar\.[a-z0-9]*$/ { print $2, substr($4, 8) }')
    if [ $# != 4 ] || ! echo "$4  $folder/.fetched/$3" | sha256sum --quiet --check - 2>>"$folder/.fetched/log"; then
        echo "$0: $1 could not be fetched; why: $folder/.fetched/log" >&2
        exit 1
    fi
    echo "  $1: the mirror lacks Debian's changes to $2, so it is upstream's alone"
    mkdir -p "$folder/$1"
    tar -xf "$folder/.fetched/$3" -C "$folder/$1" --strip-components=1
    echo "$2 without Debian's changes" >"$folder/$1/.unpacked"
}

for package in $missing; do
    echo "  GET  $package"
    fetch "$package"
done
